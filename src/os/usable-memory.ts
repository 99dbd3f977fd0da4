/** How much memory this process may really use: the host's, or what its cgroup is limited to. */
import { cgroupFolders, type ReadText, readText } from "./cgroup.ts";

/** In bytes; infinite where the system does not say. */
export function usableMemory(read: ReadText = readText): number {
  const limits = cgroupFolders(read, "memory").map(({ folder, isV2 }) =>
    bytesOf(read(`${folder}/${isV2 ? "memory.max" : "memory.limit_in_bytes"}`)),
  );
  return Math.min(hostMemory(read), ...limits);
}

function hostMemory(read: ReadText): number {
  const [, kib] = /^MemTotal:\s+(\d+) kB$/m.exec(read("/proc/meminfo") ?? "") ?? [];
  return kib === undefined ? Number.POSITIVE_INFINITY : Number(kib) * 1024;
}

/** "max" (v2) means unlimited; v1 has a number beyond all memory for that. */
function bytesOf(text: string | null): number {
  const bytes = Number(text?.trim() || "max");
  return Number.isFinite(bytes) ? bytes : Number.POSITIVE_INFINITY;
}
