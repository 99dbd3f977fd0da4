/** CPU time and rates as Markdown: a line for each workload, a column for each proxy. */
import { figure, spreadText, table, thousands } from "./markdown.ts";
import { bestPeerOf, cpuOf, isCompared, rateOf, ratioOf } from "./ratio.ts";
import type { ProxyFacts, Result, ThroughputRow } from "./result.ts";
import { median } from "./statistics.ts";

/** From this share of a core on, the load generator limits the rate. */
const GENERATOR_BUSY = 0.9;

export function throughputPart(result: Result): string {
  const compared = result.proxies.filter(isCompared);
  const rows = workloadsOf(result).map((workload) => [
    workload,
    ...result.proxies.map(({ name }) => cell(rowOf(result, workload, name))),
    ...compared.map((proxy) => ratioCell(result, workload, proxy)),
    bestPeerOf(result, workload)?.proxy ?? "–",
  ]);
  const head = [
    "workload",
    ...result.proxies.map(({ name }) => name),
    ...compared.map(({ name }) => `CPU of ${name} / best peer`),
    "best peer",
  ];
  return [
    "### CPU time per request, and rate",
    "Cells: CPU µs per request of all threads of all processes, and requests/s in thousands; * the load generator used more " +
      "than nine tenths of a core, so the rate is its own. Ratio: median (least–most) of the rounds; in bold what is " +
      "promised, and missed.",
    table(head, rows),
    ...failures(result),
  ].join("\n\n");
}

/** One line for each workload in which a peer needs less CPU time. */
export function lostThroughputRows(result: Result): string[] {
  return workloadsOf(result).flatMap((workload) =>
    result.proxies.filter(isCompared).flatMap(({ name }) => {
      const row = rowOf(result, workload, name);
      const base = bestPeerOf(result, workload);
      if (row === null || row.rounds.length === 0 || base === null) return [];
      const ratio = ratioOf(row, base, cpuOf);
      if (ratio.median <= 1) return [];
      return [`- ${workload}: ${name} uses ${spreadText(ratio)} times the CPU of ${base.proxy}`];
    }),
  );
}

function cell(row: ThroughputRow | null): string {
  if (row === null) return "–";
  if (row.rounds.length === 0) return "failed";
  const isLimited = median(row.rounds.map(({ generatorBusy }) => generatorBusy)) > GENERATOR_BUSY;
  const rate = thousands(median(row.rounds.map(rateOf)));
  return `${figure(median(row.rounds.map(cpuOf)))} · ${rate}${isLimited ? "*" : ""}`;
}

function ratioCell(result: Result, workload: string, proxy: ProxyFacts): string {
  const row = rowOf(result, workload, proxy.name);
  const base = bestPeerOf(result, workload);
  if (row === null || row.rounds.length === 0 || base === null) return "–";
  const ratio = ratioOf(row, base, cpuOf);
  const text = spreadText(ratio);
  if (row.cpuRatioMax === null || proxy.role !== "own") return text;
  const isMet = ratio.median <= row.cpuRatioMax;
  return isMet ? `${text} ≤ ${row.cpuRatioMax}` : `**${text} > ${row.cpuRatioMax}**`;
}

function failures({ throughput }: Result): string[] {
  const lines = throughput.flatMap(({ workload, proxy, failure }) =>
    failure === null ? [] : [`- ${workload}, ${proxy}: ${failure.replaceAll("\n", " ")}`],
  );
  return lines.length === 0 ? [] : [`Failed:\n\n${lines.join("\n")}`];
}

function workloadsOf({ throughput }: Result): readonly string[] {
  return [...new Set(throughput.map(({ workload }) => workload))];
}

function rowOf(result: Result, workload: string, proxy: string): ThroughputRow | null {
  const found = result.throughput.find((row) => row.workload === workload && row.proxy === proxy);
  return found ?? null;
}
