/**
 * What the kernel says about running processes: who descends from whom, CPU time, memory. Linux only.
 *
 * CPU time comes from /proc/PID/task/TID/schedstat, in nanoseconds: the ticks of /proc/PID/stat are 10 ms, which is
 * a tenth of what a fast proxy uses in a whole round.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** One process, told from a later one with the same number by its start time. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startedTicks: number;
}

export interface Memory {
  /** Sum over all processes, KiB. Pages that they share count once for each. */
  readonly rssKib: number;
  /** Sum over all processes, KiB, shared pages divided among their users. */
  readonly pssKib: number;
  /** The largest single process, KiB. */
  readonly rssLargestKib: number;
}

/** CPU time in ns of every thread of a set of processes at one moment. */
export type CpuSnapshot = ReadonlyMap<string, number>;

/** The process `root` and everything that descends from it, as far as still running. */
export function processTree(root: number): ProcessId[] {
  const all = new Map<number, { parent: number; startedTicks: number }>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const stat = readStat(pid);
    if (stat !== null) all.set(pid, stat);
  }
  const tree: ProcessId[] = [];
  const open = [root];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    const found = all.get(pid);
    if (found === undefined) continue;
    tree.push({ pid, startedTicks: found.startedTicks });
    for (const [child, { parent }] of all) if (parent === pid) open.push(child);
  }
  return tree;
}

export function isRunning(id: ProcessId): boolean {
  const stat = readStat(id.pid);
  return stat !== null && stat.startedTicks === id.startedTicks && stat.state !== "Z";
}

/** User and system time that each thread of these processes has used so far. */
export function cpuSnapshot(tree: readonly ProcessId[]): CpuSnapshot {
  const snapshot = new Map<string, number>();
  for (const { pid } of tree) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = tryRead(`/proc/${pid}/task/${thread}/schedstat`);
      if (text !== null) snapshot.set(`${pid}/${thread}`, Number.parseInt(text, 10));
    }
  }
  return snapshot;
}

/**
 * Nanoseconds used between two snapshots. A thread that ended in between is not counted; engines' helper threads
 * linger for seconds before they end, so one that worked during a round is still there at its end.
 */
export function cpuBetween(before: CpuSnapshot, after: CpuSnapshot): number {
  let total = 0;
  for (const [thread, used] of after) total += used - (before.get(thread) ?? 0);
  return total;
}

export function memoryOf(tree: readonly ProcessId[]): Memory {
  let rssKib = 0;
  let pssKib = 0;
  let rssLargestKib = 0;
  for (const { pid } of tree) {
    const rollup = tryRead(`/proc/${pid}/smaps_rollup`);
    if (rollup === null) continue;
    const rss = Number(/^Rss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0);
    rssKib += rss;
    pssKib += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0);
    rssLargestKib = Math.max(rssLargestKib, rss);
  }
  return { rssKib, pssKib, rssLargestKib };
}

/** Throws when the kernel does not offer what the measurements need. */
export function requireProc(): void {
  if (!existsSync("/proc/self/schedstat") || !existsSync("/proc/self/smaps_rollup")) {
    throw new Error("needs Linux with /proc/PID/schedstat and /proc/PID/smaps_rollup");
  }
}

function readStat(pid: number): { parent: number; startedTicks: number; state: string } | null {
  const text = tryRead(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The name is in parentheses and may itself hold spaces and parentheses: the fields begin after the last one.
  const fields = text.substring(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0]!, parent: Number(fields[1]), startedTicks: Number(fields[19]) };
}

function tryRead(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return null; // the process ended meanwhile
  }
}
