/** What the system says of the proxy's processes. */
import { readdirSync, readFileSync } from "node:fs";
import type { ProcessStatus } from "../api/control-socket.ts";
import type { MetricFamily, Sample } from "./exposition.ts";

/** The unit of times in /proc/PID/stat, the same on all Linux systems that Bun runs on. */
const TICKS_PER_SECOND = 100;
/** The unit of sizes in /proc/PID/stat is the page; /proc/PID/status has kilobytes. */
const KILOBYTE = 1024;

interface ProcessFigures {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Null: not for this user to see. */
  readonly openFiles: number | null;
}

export type KnownProcess = Pick<ProcessStatus, "name" | "pid" | "respawns">;

export function processFamilies(processes: readonly KnownProcess[]): MetricFamily[] {
  const living = processes.flatMap(({ name, pid }) => {
    const figures = pid === null ? null : readProcess(pid);
    return figures === null ? [] : [{ labels: { process: name }, figures }];
  });
  const samples = (value: (figures: ProcessFigures) => number | null): Sample[] =>
    living.flatMap(({ labels, figures }) => {
      const shown = value(figures);
      return shown === null ? [] : [{ labels, value: shown }];
    });
  return [
    {
      name: "proxy_process_cpu_seconds",
      help: "CPU time of the process, in user and system mode.",
      type: "counter",
      samples: samples(({ cpuSeconds }) => cpuSeconds),
    },
    {
      name: "proxy_process_resident_memory_bytes",
      help: "Memory of the process that is in RAM.",
      type: "gauge",
      samples: samples(({ residentBytes }) => residentBytes),
    },
    {
      name: "proxy_process_open_fds",
      help: "Open file descriptors of the process; absent where the admin process may not look.",
      type: "gauge",
      samples: samples(({ openFiles }) => openFiles),
    },
    {
      name: "proxy_process_respawns",
      help: "Times that the process died and was replaced.",
      type: "counter",
      samples: processes.map(({ name, respawns }) => ({
        labels: { process: name },
        value: respawns,
      })),
    },
  ];
}

/** Null: it is gone. */
function readProcess(pid: number): ProcessFigures | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // Behind the name, which may hold anything.
    const fields = stat.substring(stat.lastIndexOf(")") + 2).split(" ");
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
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
