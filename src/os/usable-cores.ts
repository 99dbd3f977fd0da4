/** How many cores this process may really use: its affinity mask, cut by the CPU quota of its cgroup. */
import { availableParallelism } from "node:os";
import { allowedCores } from "./affinity.ts";
import { cgroupFolders, type ReadText, readText } from "./cgroup.ts";

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
  let smallest: number | null = null;
  for (const { folder, isV2 } of cgroupFolders(read, "cpu")) {
    const quota = isV2 ? quotaV2(read, folder) : quotaV1(read, folder);
    if (quota !== null && (smallest === null || quota < smallest)) smallest = quota;
  }
  return smallest;
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
