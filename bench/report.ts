/** A result as Markdown. */
import { DIRECT } from "./latency.ts";
import type { Memory } from "./proc.ts";
import { OWN_NAME } from "./proxies.ts";
import { baseLatencyOf, baseRowOf, cpuOf, type Ratio, rateOf, ratioOf } from "./ratio.ts";
import type { LatencyRound, LatencyRow, MemoryRow, Result, ThroughputRow } from "./result.ts";
import { median } from "./statistics.ts";

/** Most memory that a worker may use after start, and with a crowd of connections after deep pipelines. */
const START_KIB_MAX = 60 * 1024;
const HELD_KIB_MAX = 150 * 1024;

export function toMarkdown(result: Result): string {
  const parts = [heading(result)];
  if (result.throughput.length > 0) parts.push(throughputTable(result));
  if (result.latency.length > 0) parts.push(latencyTable(result));
  if (result.memory.length > 0) parts.push(memoryTable(result.memory));
  return `${parts.join("\n\n")}\n`;
}

/** A Markdown table; the first column is text, the others are numbers. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

/** Three significant digits, without an exponent. */
export function figure(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function heading({ machine, settings, proxies, base, startedAt }: Result): string {
  return [
    "# Benchmark",
    "",
    `${startedAt}, commit ${machine.commit}`,
    "",
    `- Machine: ${machine.cores} cores (${machine.cpu}), ${machine.memoryMib} MiB, Linux ${machine.kernel}`,
    `- Bun ${machine.bun}, Redis ${machine.redis}, memcached ${machine.memcached}`,
    ...proxies.map(({ name, version }) => `- ${name}: ${version}`),
    `- ${settings.rounds} interleaved rounds of about ${settings.secondsPerRound} s. Figures are medians; ratios are`,
    `  to ${base}, round by round: median (least–most). Only ratios mean something beyond this machine and hour.`,
  ].join("\n");
}

function throughputTable(result: Result): string {
  const rows = result.throughput.map((row) => {
    const cells = [row.workload, row.proxy, figure(median(row.rounds.map(rateOf)))];
    cells.push(figure(median(row.rounds.map(cpuOf))));
    const base = baseRowOf(result, row);
    if (base === null || base === row) return [...cells, "", "", ""];
    const cpu = ratioOf(row.rounds, base.rounds, cpuOf);
    const rate = ratioOf(row.rounds, base.rounds, rateOf);
    return [...cells, spread(rate), spread(cpu), cpuBar(row, cpu)];
  });
  const head = ["workload", "proxy", "requests/s", "CPU µs/request"];
  return `## Throughput and CPU\n\n${table([...head, "requests/s ratio", "CPU ratio", "bar"], rows)}`;
}

function latencyTable(result: Result): string {
  const base = baseLatencyOf(result);
  const rows = result.latency.map((row) => {
    const middle = (of: (round: LatencyRound) => number): string =>
      figure(median(row.rounds.map(of)));
    const isCompared = base !== null && row !== base && row.proxy !== DIRECT;
    const ratio = (of: (round: LatencyRound) => number): string =>
      isCompared ? figure(ratioOf(row.rounds, base.rounds, of).median) : "";
    return [
      row.proxy,
      ...[
        middle((round) => round.p50),
        middle((round) => round.p99),
        middle((round) => round.p999),
      ],
      ...[middle((round) => round.lateP99), middle((round) => round.cpuMicrosPerRequest)],
      ...[ratio((round) => round.p50), ratio((round) => round.p99), ratio((round) => round.p999)],
      ratio((round) => round.cpuMicrosPerRequest),
    ];
  });
  const head = ["proxy", "p50 µs", "p99", "p99.9", "of it generator p99", "CPU µs/request"];
  const ratios = ["p50 ratio", "p99 ratio", "p99.9 ratio", "CPU ratio"];
  return `## Latency at ${rateText(result.latency)}\n\n${table([...head, ...ratios], rows)}`;
}

function rateText(rows: readonly LatencyRow[]): string {
  return `${rows[0]?.requestsPerSecond ?? 0} GETs of 100 B a second, open loop`;
}

function memoryTable(rows: readonly MemoryRow[]): string {
  const cells = rows.map((row) => [
    row.proxy,
    ...[row.start, row.peak, row.held, row.left].map(memoryCell),
    row.proxy === OWN_NAME ? memoryBars(row) : "",
  ]);
  const first = rows[0]!;
  const head = ["proxy", "after start", "peak", "crowd still there", "crowd gone", "bar"];
  const text = `RSS in MiB, all processes (largest process; PSS of all). The crowd: ${first.connections} connections,`;
  return `## Memory\n\n${text} pipelines of ${first.depth} GETs.\n\n${table(head, cells)}`;
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

function cpuBar(row: ThroughputRow, cpu: Ratio): string {
  if (row.cpuRatioMax === null || row.proxy !== OWN_NAME) return "";
  return verdict(cpu.median <= row.cpuRatioMax, `≤ ${row.cpuRatioMax}`);
}

function verdict(isMet: boolean, bar: string): string {
  return `${bar} ${isMet ? "met" : "MISSED"}`;
}

function spread(ratio: Ratio): string {
  return `${figure(ratio.median)} (${figure(ratio.least)}–${figure(ratio.most)})`;
}
