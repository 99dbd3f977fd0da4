/** Memory as Markdown. */
import { table } from "./markdown.ts";
import type { Memory } from "./proc.ts";
import type { MemoryRow, Result } from "./result.ts";

/** Most memory that a worker may use after start, and with a crowd of connections after deep pipelines. */
const START_KIB_MAX = 60 * 1024;
const HELD_KIB_MAX = 150 * 1024;

export function memoryPart({ memory: rows, proxies }: Result): string {
  const cells = rows.map((row) => [
    row.proxy,
    ...[row.start, row.peak, row.held, row.left].map(memoryCell),
    proxies.some(({ name, role }) => name === row.proxy && role === "own") ? memoryBars(row) : "",
  ]);
  const first = rows[0]!;
  const head = ["proxy", "after start", "peak", "crowd still there", "crowd gone", "bar"];
  const text = `RSS in MiB, all processes (largest process; PSS of all). The crowd: ${first.connections} connections,`;
  return `### Memory\n\n${text} pipelines of ${first.depth} GETs.\n\n${table(head, cells)}`;
}

function memoryCell(memory: Memory): string {
  const mib = (kib: number): string => (kib / 1024).toFixed(0);
  return `${mib(memory.rssKib)} (${mib(memory.rssLargestKib)}; ${mib(memory.pssKib)})`;
}

/** No process may use more than a worker may, so the bars hold for the worker whichever process it is. */
function memoryBars(row: MemoryRow): string {
  const start = verdict(row.start.rssLargestKib <= START_KIB_MAX, "start ≤ 60");
  const held = verdict(row.held.rssLargestKib <= HELD_KIB_MAX, "crowd ≤ 150");
  const falls = verdict(row.left.rssLargestKib < row.peak.rssLargestKib, "falls back");
  return [start, held, falls].join(", ");
}

function verdict(isMet: boolean, bar: string): string {
  return `${bar} ${isMet ? "met" : "MISSED"}`;
}
