/** What the system says of the proxy's processes. */
import type { ProcessStatus } from "../api/control-socket.ts";
import { type ProcessFacts, readProcess } from "../os/process-facts.ts";
import type { MetricFamily, Sample } from "./exposition.ts";

export type KnownProcess = Pick<ProcessStatus, "name" | "pid" | "respawns">;

export function processFamilies(processes: readonly KnownProcess[]): MetricFamily[] {
  const living = processes.flatMap(({ name, pid }) => {
    const figures = pid === null ? null : readProcess(pid);
    return figures === null ? [] : [{ labels: { process: name }, figures }];
  });
  const samples = (value: (figures: ProcessFacts) => number | null): Sample[] =>
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
