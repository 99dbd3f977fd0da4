/** The processes, and how evenly the workers share the work. */
import { processLabel } from "../api/control-socket.ts";
import type { Overview, ProcessRow } from "../api/overview.ts";
import { meter, state } from "./cells.ts";
import { byId } from "./dom.ts";
import { formatAge, formatBytes, formatCount, formatShare } from "./format.ts";
import { Table } from "./table.ts";

const HOT_CPU = 0.9;

export class ProcessPanel {
  readonly #table: Table<ProcessRow>;
  #busiest = 1;
  #serving = 0;

  constructor() {
    this.#table = new Table<ProcessRow>(byId("workers"), {
      columns: [
        { label: "process", show: processLabel },
        { label: "state", show: (row) => stateOf(row, this.#serving) },
        {
          ...{ label: "req/s", kind: "number" },
          show: ({ rate, role }) =>
            role === "worker" ? meter(formatCount(rate), rate / this.#busiest) : "",
        },
        {
          ...{ label: "CPU", kind: "number", title: "Share of a core" },
          show: ({ cpu }) => (cpu === null ? "–" : meter(formatShare(cpu), cpu, cpu >= HOT_CPU)),
        },
        {
          ...{ label: "clients", kind: "number" },
          show: ({ clients, role }) => (role === "worker" ? formatCount(clients) : ""),
        },
        {
          ...{ label: "memory", kind: "number", isExtra: true },
          show: ({ residentBytes }) => (residentBytes === null ? "–" : formatBytes(residentBytes)),
        },
      ],
      keyOf: ({ name, generation, pid }) => `${name} ${generation} ${pid}`,
      classOf: ({ state: now }) => (now === "waiting" ? "bad" : ""),
      empty: "The supervisor does not answer.",
    });
  }

  show({ processes, status }: Overview): void {
    this.#serving = status?.generation ?? status?.crew ?? this.#serving;
    const workers = processes.filter(({ role }) => role === "worker");
    this.#busiest = Math.max(1, ...workers.map(({ rate }) => rate));
    const deaths = processes.reduce((sum, { respawns }) => sum + respawns, 0);
    this.#table.show(processes, deaths === 0 ? "" : `${deaths} replaced`);
  }
}

/** @param serving the generation that serves */
function stateOf(
  { state: now, ageMs, generation, crew }: ProcessRow,
  serving: number,
): (cell: HTMLElement) => void {
  const kind = now === "waiting" ? "bad" : "warn";
  const age = ageMs === null ? "" : ` ${formatAge(ageMs)}`;
  // Processes that say nothing of being ready are "starting" all their life.
  const isUp = now === "serving" || (now === "starting" && (ageMs ?? 0) > 20_000);
  const word = isUp ? "up" : now;
  const of = generation ?? crew;
  const other = of === serving ? "" : `, generation ${of}`;
  return state(`${word}${age}${other}`, isUp ? "good" : kind);
}
