/** Latencies at fixed rates as Markdown: a table for each rate. */
import { DIRECT } from "./latency.ts";
import { figure, table, thousands } from "./markdown.ts";
import { differenceOf, isCompared, isPeer, least, percentileOf, wholeOf } from "./ratio.ts";
import type { LatencyRow, Result } from "./result.ts";
import { median } from "./statistics.ts";

const PERCENTILES: readonly (readonly [string, number])[] = [
  ["p50", 0.5],
  ["p90", 0.9],
  ["p99", 0.99],
  ["p99.9", 0.999],
  ["p99.99", 0.9999],
];
const ADDED: readonly (readonly [string, number])[] = [
  ["p50", 0.5],
  ["p99", 0.99],
  ["p99.9", 0.999],
];
const TAIL = 0.999;

export function latencyPart(result: Result): string {
  const most = result.capacities.map(
    ({ proxy, requestsPerSecond }) => `${proxy} ${thousands(requestsPerSecond)}`,
  );
  return [
    "### Latency at fixed rates",
    "GETs of 100 B over 50 connections, open loop, µs. *added*: the difference to `direct` of the same round, median of the " +
      "rounds; the other columns are of all requests of all rounds. *late*: how late the generator itself sent, p99: a part of " +
      "every figure beside it.",
    `Most that each can do at depth 1, closed loop, requests/s: ${most.join(", ")}.`,
    ...ratesOf(result).map((rate) => rateTable(result, rate)),
  ].join("\n\n");
}

/** One line for each rate at which a peer adds less to p99.9. */
export function lostLatencyRows(result: Result): string[] {
  return ratesOf(result).flatMap((rate) => {
    const best = least(
      rowsAt(result, rate).filter(({ proxy }) => isPeer(result, proxy)),
      (row) => addedTail(result, row),
    );
    if (best === null) return [];
    const limit = addedTail(result, best);
    return result.proxies.filter(isCompared).flatMap(({ name }) => {
      const row = rowsAt(result, rate).find(({ proxy }) => proxy === name);
      const added = row === undefined ? 0 : addedTail(result, row);
      if (row === undefined || added <= limit) return [];
      const texts = [figure(added), figure(limit)];
      return [
        `- latency at ${loadText(row)}: ${name} adds ${texts[0]} µs to p99.9, ${best.proxy} ${texts[1]} µs`,
      ];
    });
  });
}

function addedTail(result: Result, row: LatencyRow): number {
  const direct = directAt(result, row.requestsPerSecond);
  return direct === null ? 0 : differenceOf(row, direct, percentileOf(TAIL)).median;
}

function rateTable(result: Result, rate: number): string {
  const rows = rowsAt(result, rate);
  const direct = directAt(result, rate);
  const cells = rows.map((row) => {
    const whole = wholeOf(row);
    const added = ADDED.map(([, fraction]) =>
      direct === null || row === direct
        ? ""
        : figure(differenceOf(row, direct, percentileOf(fraction)).median),
    );
    return [
      row.proxy,
      ...added,
      ...PERCENTILES.map(([, fraction]) => figure(whole.percentileMicros(fraction))),
      figure(whole.maxMicros),
      figure(median(row.rounds.map(({ lateP99 }) => lateP99))),
      row === direct ? "" : figure(median(row.rounds.map((round) => round.cpuMicrosPerRequest))),
    ];
  });
  const head = [
    loadText(rows[0]!),
    ...ADDED.map(([name]) => `added ${name}`),
    ...PERCENTILES.map(([name]) => name),
    ...["max", "late", "CPU µs/request"],
  ];
  return table(head, cells);
}

function loadText({ load, requestsPerSecond }: LatencyRow): string {
  const rate = `${thousands(requestsPerSecond)} requests/s`;
  return load === null ? rate : `${Math.round(load * 100)} %, ${rate}`;
}

function ratesOf({ latency }: Result): readonly number[] {
  return [...new Set(latency.map(({ requestsPerSecond }) => requestsPerSecond))];
}

function rowsAt({ latency }: Result, rate: number): readonly LatencyRow[] {
  return latency.filter(({ requestsPerSecond }) => requestsPerSecond === rate);
}

function directAt(result: Result, rate: number): LatencyRow | null {
  return rowsAt(result, rate).find(({ proxy }) => proxy === DIRECT) ?? null;
}
