/** How many cores this process may really use: its affinity mask, cut by the CPU quota of its cgroup. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { allowedCores } from "./affinity.ts";

/** Reads a file of /proc or /sys whole; null when it is not there. */
export type ReadText = (path: string) => string | null;

/** At least 1. A quota of 1.5 cores counts as 2: the second worker may still use the half. */
export function usableCores(): number {
  const quota = cpuQuota(readText);
  const cores = affinityCores();
  return Math.max(1, Math.min(cores, quota === null ? cores : Math.ceil(quota)));
}

/** Cores in this process's affinity mask. */
export function affinityCores(): number {
  try {
    return allowedCores().length;
  } catch {
    return availableParallelism();
  }
}

/**
 * The smallest CPU quota of this process's cgroups and their parents, in cores; null: unlimited.
 * Knows cgroup v2 (cpu.max) and v1 (cpu.cfs_quota_us).
 */
export function cpuQuota(read: ReadText): number | null {
  const groups = read("/proc/self/cgroup");
  const mounts = read("/proc/self/mountinfo");
  if (groups === null || mounts === null) return null;
  let smallest: number | null = null;
  for (const { point, root, isV2 } of cgroupMounts(mounts)) {
    const group = groupPath(groups, isV2);
    if (group === null) continue;
    for (const folder of foldersUp(point, root, group)) {
      const quota = isV2 ? quotaV2(read, folder) : quotaV1(read, folder);
      if (quota !== null && (smallest === null || quota < smallest)) smallest = quota;
    }
  }
  return smallest;
}

interface CgroupMount {
  /** Where the file system is mounted. */
  readonly point: string;
  /** Which group is at that place. */
  readonly root: string;
  readonly isV2: boolean;
}

/** A line is `id parent major:minor root point options… - type source superOptions`, see proc(5). */
function cgroupMounts(text: string): CgroupMount[] {
  const found: CgroupMount[] = [];
  for (const line of text.split("\n")) {
    const [left, right] = line.split(" - ");
    const [, , , root, point] = (left ?? "").split(" ");
    const [type, , options] = (right ?? "").split(" ");
    if (root === undefined || point === undefined) continue;
    if (type === "cgroup2") found.push({ point, root, isV2: true });
    if (type === "cgroup" && options?.split(",").includes("cpu")) {
      found.push({ point, root, isV2: false });
    }
  }
  return found;
}

/** A line is `0::/path` for v2 and `4:cpu,cpuacct:/path` for v1. */
function groupPath(text: string, isV2: boolean): string | null {
  for (const line of text.split("\n")) {
    const match = /^(\d+):([^:]*):(.*)$/.exec(line);
    if (match === null) continue;
    const [, hierarchy, controllers, path] = match;
    if (isV2 ? hierarchy === "0" && controllers === "" : controllers?.split(",").includes("cpu")) {
      return path ?? null;
    }
  }
  return null;
}

/** The group's folder and its parents' up to the mount point. */
function foldersUp(point: string, root: string, group: string): string[] {
  const base = root === "/" ? "" : root;
  // In a container the mount may show only our own group: then its top is us, whatever the path says.
  const inside = group === base || group.startsWith(`${base}/`);
  const names = inside ? group.substring(base.length).split("/").filter(Boolean) : [];
  const folders = [point];
  for (const name of names) folders.push(`${folders.at(-1)}/${name}`);
  return folders;
}

function quotaV2(read: ReadText, folder: string): number | null {
  const [quota, period] = (read(`${folder}/cpu.max`) ?? "").trim().split(" ");
  return ratio(quota, period);
}

function quotaV1(read: ReadText, folder: string): number | null {
  return ratio(
    read(`${folder}/cpu.cfs_quota_us`)?.trim(),
    read(`${folder}/cpu.cfs_period_us`)?.trim(),
  );
}

/** "max" (v2) and -1 (v1) mean unlimited. */
function ratio(quota: string | undefined, period: string | undefined): number | null {
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : null;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
