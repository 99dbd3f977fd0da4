/** What the phases of bench/topology.ts tell. */
import type { ClusterLoad } from "../../test/support/cluster-load.ts";
import { figure } from "../markdown.ts";
import { type BeatFigures, needlessOf, totalOf } from "./beat.ts";

export interface Row {
  readonly what: string;
  readonly cells: readonly string[];
}

/** Of `rowOf`. */
export const COLUMNS: readonly string[] = [
  ...["what happened", "seconds", "answered", "p50 ms", "p99", "longest", "errors"],
  ...["needless", "wrong", "pipelines", "with errors", "wrong there", "looks per s"],
];

/** How much a load had done at some moment. */
export interface LoadMark {
  readonly batches: number;
  readonly errors: number;
  readonly faults: number;
}

export function markOf({ batches, errors, faults }: ClusterLoad): LoadMark {
  return { batches, errors, faults: faults.length };
}

/** @param looks how often servers were asked for the topology */
export function rowOf(
  what: string,
  ms: number,
  beat: BeatFigures,
  load: ClusterLoad,
  before: LoadMark,
  looks: number | null,
): Row {
  const after = markOf(load);
  for (const text of beat.wrong.filter((_, i) => i < 5)) say(`wrong: ${text}`);
  for (const text of load.faults.filter((_, i) => i >= before.faults && i < before.faults + 5)) {
    say(`wrong there: ${text}`);
  }
  for (const [text, count] of beat.errors) say(`${count}× ${text}`);
  return {
    what,
    cells: [
      ...[(ms / 1000).toFixed(1), `${beat.answered}`],
      ...[figure(beat.p50Ms), figure(beat.p99Ms), figure(beat.maxMs)],
      ...[`${totalOf(beat.errors)}`, `${needlessOf(beat.errors)}`, `${beat.wrong.length}`],
      ...[`${after.batches - before.batches}`, `${after.errors - before.errors}`],
      `${after.faults - before.faults}`,
      looks === null ? "" : figure(looks / (ms / 1000)),
    ],
  };
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
