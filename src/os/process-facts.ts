/** What the system says of a process. */
import { readdirSync, readFileSync } from "node:fs";

/** The unit of times in /proc/PID/stat, the same on all Linux systems that Bun runs on. */
const TICKS_PER_SECOND = 100;
/** The unit of sizes in /proc/PID/stat is the page; /proc/PID/status has kilobytes. */
const KILOBYTE = 1024;

export interface ProcessFacts {
  readonly cpuSeconds: number;
  /** Those of them that the system spent for it. */
  readonly systemSeconds: number;
  readonly residentBytes: number;
  /** Null: not for this user to see. */
  readonly openFiles: number | null;
}

/** Null: it is gone. */
export function readProcess(pid: number): ProcessFacts | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // Behind the name, which may hold anything.
    const fields = stat.substring(stat.lastIndexOf(")") + 2).split(" ");
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
      systemSeconds: Number(fields[12]) / TICKS_PER_SECOND,
      residentBytes: Number(resident ?? 0) * KILOBYTE,
      openFiles: countOpenFiles(pid),
    };
  } catch {
    return null;
  }
}

function countOpenFiles(pid: number): number | null {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return null;
  }
}
