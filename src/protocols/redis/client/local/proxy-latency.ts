/**
 * LATENCY where the pool's `proxy_commands` are allowed: it is answered for the proxy. HISTOGRAM has the pool's times by family of commands;
 * the only event is `slow-request`, whose history is the slow log.
 */
import type { ShownRow } from "../../../../api/inspection.ts";
import { encodeError, encodeInteger, encodeValue, type Value } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import type { RedisClient } from "../redis-client.ts";
import { answerLater, help, NOT_NOW, texts } from "./local-handler.ts";

const EVENT = "slow-request";
/** By what is asked: the table that the answer is made of. */
const TABLES: Readonly<Record<string, string>> = {
  "LATENCY|HISTOGRAM": "LATENCY BUCKETS",
  "LATENCY|RESET": "SLOWLOG RESET",
};
const SLOW = "SLOWLOG LONG";

const DOCTOR: Buffer = Buffer.from(
  `The proxy watches ${EVENT}: requests that take longer than the pool's slowlog. See SLOWLOG GET, PROXY SHOW LATENCY, and "proxy doctor" on its machine.`,
);

const HELP: readonly string[] = [
  "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands, answered by the proxy for this pool, are:",
  "DOCTOR",
  "    Say where else to look.",
  "HISTORY <event>",
  `    Return time-latency samples for the <event>; there is ${EVENT}.`,
  "LATEST",
  "    Return the latest latency samples for all events.",
  "RESET [<event> ...]",
  "    Reset latency data, and the slow log with it.",
  "HISTOGRAM [COMMAND ...]",
  "    Return cumulative distributions of times from requests' arrival until their replies were",
  "    written, by family of commands: read, write, multi, script, blocking, session, admin.",
  "HELP",
  "    Print this help.",
];

/** @returns false: not now, see Handler */
export function answerLatency(client: RedisClient, { name }: Command, view: RequestView): boolean {
  const { state, pool } = client;
  const words = texts(view, 2);
  const fault = faultOf(name, words);
  if (fault !== null) {
    client.refuse(fault);
    return true;
  }
  if (name === "LATENCY|HELP" || name === "LATENCY|DOCTOR") {
    client.answer(
      name === "LATENCY|HELP"
        ? help(client, HELP)
        : encodeValue({ verbatim: DOCTOR }, state.version),
    );
    return true;
  }
  if (!client.settleFirst()) return false;
  // Of another event nothing is there that could be reset.
  const isOther = name === "LATENCY|RESET" && words.length > 0 && !words.some(isEvent);
  const table = isOther ? SLOW : (TABLES[name] ?? SLOW);
  return answerLater(client, (answer) =>
    pool.operators.show(table, (shown) => {
      if (shown === null) answer(NOT_NOW);
      else if ("problem" in shown) answer(encodeError(`ERR ${shown.problem}`));
      else if (isOther) answer(encodeInteger(0));
      else answer(replyOf(name, words, shown.rows, state.version));
    }),
  );
}

function faultOf(name: string, words: readonly string[]): Buffer | null {
  const isWrong =
    name === "LATENCY|HISTORY"
      ? words.length !== 1
      : name !== "LATENCY|RESET" && name !== "LATENCY|HISTOGRAM" && words.length > 0;
  const shown = name.toLowerCase();
  return isWrong ? encodeError(`ERR wrong number of arguments for '${shown}' command`) : null;
}

function isEvent(word: string): boolean {
  return word.toLowerCase() === EVENT;
}

function replyOf(
  name: string,
  words: readonly string[],
  rows: readonly ShownRow[],
  version: 2 | 3,
): Buffer {
  switch (name) {
    case "LATENCY|RESET":
      return encodeInteger(1);
    case "LATENCY|LATEST":
      return encodeValue(latestOf(rows), version);
    case "LATENCY|HISTORY":
      return encodeValue(isEvent(words[0] ?? "") ? rows.toReversed().map(sampleOf) : [], version);
    default:
      return encodeValue(histogramOf(rows, words), version);
  }
}

/** Seconds since 1970, and milliseconds that it took. */
function sampleOf({ atMs = 0, totalUs = 0 }: ShownRow): [number, number] {
  return [Math.floor(Number(atMs) / 1000), Math.round(Number(totalUs) / 1000)];
}

/** @param rows the latest first */
function latestOf(rows: readonly ShownRow[]): Value {
  const [latest] = rows;
  if (latest === undefined) return [];
  const longest = Math.max(...rows.map((row) => sampleOf(row)[1]));
  return [[EVENT, ...sampleOf(latest), longest]];
}

/** @param families those that are wanted; none: all */
function histogramOf(rows: readonly ShownRow[], families: readonly string[]): Value {
  const wanted = families.map((family) => family.toLowerCase());
  const names = [...new Set(rows.map(({ family = "" }) => `${family}`))];
  const shown = names.filter((name) => wanted.length === 0 || wanted.includes(name));
  return {
    mapOf: shown.map((name): [Value, Value] => {
      const own = rows.filter(({ family }) => family === name);
      const buckets = own.map(({ us = 0, below = 0 }): [Value, Value] => [
        Number(us),
        Number(below),
      ]);
      const calls = Number(own.at(-1)?.["below"] ?? 0);
      return [
        name,
        {
          mapOf: [
            ["calls", calls],
            ["histogram_usec", { mapOf: buckets }],
          ],
        },
      ];
    }),
  };
}
