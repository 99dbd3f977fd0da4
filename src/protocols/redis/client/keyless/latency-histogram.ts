/** LATENCY HISTOGRAM over all servers: the calls of each command added up, and how many took no longer than each bound. */
import { type Decoded, decodeReply } from "../../codec/decode.ts";
import { encodeValue, type Value } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { forwardToAny } from "../any-server.ts";
import { askAll, firstFault } from "../ask.ts";
import type { RedisClient } from "../redis-client.ts";
import { MISMATCH } from "../refusals.ts";

/** Of one command at one server: requests that took no longer, by bound in microseconds, which ascend. */
interface Histogram {
  readonly calls: number;
  readonly below: readonly (readonly [us: number, count: number])[];
}

export function handleLatencyHistogram(
  client: RedisClient,
  command: Command,
  view: RequestView,
): boolean {
  if (client.pool.route.upstreams.length === 1) return forwardToAny(client, command, view);
  return askAll(client, {
    requests: [view],
    reach: "all",
    merge: (answers) =>
      firstFault(client, answers) ??
      mergeHistograms(answers as readonly Buffer[], client.state.version) ??
      MISMATCH,
  });
}

/** Null: a reply is none of this command. */
export function mergeHistograms(replies: readonly Buffer[], version: 2 | 3): Buffer | null {
  const commands = new Map<string, Histogram[]>();
  for (const reply of replies) {
    const pairs = pairsOf(decodeReply(reply, 0));
    if (pairs === null) return null;
    for (const [name, value] of pairs) {
      const histogram = histogramOf(value);
      if (histogram === null) return null;
      const known = commands.get(name);
      if (known === undefined) commands.set(name, [histogram]);
      else known.push(histogram);
    }
  }
  const all = [...commands].map(([name, all]): [Value, Value] => [name, merged(all)]);
  return encodeValue({ mapOf: all }, version);
}

/** Maps are flat lists. Null: it is none. */
function pairsOf(value: Decoded | undefined): [string, Decoded][] | null {
  if (!Array.isArray(value) || value.length % 2 === 1) return null;
  const list = value as readonly Decoded[];
  return Array.from({ length: list.length / 2 }, (_, at): [string, Decoded] => [
    `${list[2 * at]}`,
    list[2 * at + 1]!,
  ]);
}

function histogramOf(value: Decoded): Histogram | null {
  const fields = new Map(pairsOf(value) ?? []);
  const below = pairsOf(fields.get("histogram_usec"));
  const calls = Number(fields.get("calls"));
  if (below === null || !Number.isFinite(calls)) return null;
  return { calls, below: below.map(([us, count]) => [Number(us), Number(count)]) };
}

/** A server says nothing of bounds that no further request came below: what it said of the one before holds. */
function merged(all: readonly Histogram[]): Value {
  const bounds = [...new Set(all.flatMap(({ below }) => below.map(([us]) => us)))];
  bounds.sort((a, b) => a - b);
  const countAt = ({ below }: Histogram, bound: number): number =>
    below.findLast(([us]) => us <= bound)?.[1] ?? 0;
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  return {
    mapOf: [
      ["calls", sum(all.map(({ calls }) => calls))],
      [
        "histogram_usec",
        {
          mapOf: bounds.map((us): [Value, Value] => [
            us,
            sum(all.map((histogram) => countAt(histogram, us))),
          ]),
        },
      ],
    ],
  };
}
