/**
 * SLOWLOG where the pool's `proxy_commands` are allowed: it is answered for the proxy, with the slow requests of the pool, in the form that
 * Redis gives its own. What Redis would not know stands as a last argument: "... (server s1: queued 12 us, answered in 40112 us)".
 */
import type { ShownRow } from "../../../../api/inspection.ts";
import { encodeError, encodeInteger, encodeValue, type Value } from "../../codec/encode.ts";
import { parseInt64 } from "../../codec/integer.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import type { RedisClient } from "../redis-client.ts";
import { answerLater, help, NOT_NOW, OK } from "./local-handler.ts";

const COUNT_DEFAULT = 10;
const ALL = "SLOWLOG LONG";
const RESET = "SLOWLOG RESET";

const NOT_A_NUMBER: Buffer = encodeError("ERR value is not an integer or out of range");
const OUT_OF_RANGE: Buffer = encodeError("ERR count should be greater than or equal to -1");
const SYNTAX: Buffer = encodeError("ERR wrong number of arguments for 'slowlog|get' command");

const HELP: readonly string[] = [
  "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands, answered by the proxy for this pool, are:",
  "GET [<count>]",
  `    Return top <count> entries from the slowlog (default: ${COUNT_DEFAULT}, -1 mean all).`,
  "    Entries are made of:",
  "    id, timestamp, time in microseconds, arguments array, client IP and port,",
  "    client name",
  "LEN",
  "    Return the length of the slowlog.",
  "RESET",
  "    Reset the slowlog.",
  "HELP",
  "    Print this help.",
];

/** @returns false: not now, see Handler */
export function answerSlowLog(client: RedisClient, { name }: Command, view: RequestView): boolean {
  if (name === "SLOWLOG|HELP") {
    client.answer(help(client, HELP));
    return true;
  }
  const count = name === "SLOWLOG|GET" ? countIn(view) : 0;
  if (Buffer.isBuffer(count)) {
    client.refuse(count);
    return true;
  }
  if (!client.settleFirst()) return false;
  const { state, pool } = client;
  return answerLater(client, (answer) =>
    pool.operators.show(name === "SLOWLOG|RESET" ? RESET : ALL, (table) => {
      if (table === null || "problem" in table) answer(NOT_NOW);
      else if (name === "SLOWLOG|RESET") answer(OK);
      else if (name === "SLOWLOG|LEN") answer(encodeInteger(table.rows.length));
      else {
        const wanted = count < 0 ? table.rows : table.rows.filter((_, i) => i < count);
        answer(encodeValue(wanted.map(entryOf), state.version));
      }
    }),
  );
}

function countIn(view: RequestView): number | Buffer {
  if (view.count === 2) return COUNT_DEFAULT;
  if (view.count > 3) return SYNTAX;
  const count = parseInt64(view.text(2));
  if (count === null) return NOT_A_NUMBER;
  return count < -1n ? OUT_OF_RANGE : Number(count);
}

function entryOf(row: ShownRow): Value {
  const text = (name: string): string => `${row[name] ?? ""}`;
  const number = (name: string): number => Number(row[name] ?? 0);
  const words = text("command") === "" ? ["?"] : text("command").split(" ");
  const key = text("key") === "" ? [] : [text("key")];
  return [
    ...[number("number"), Math.floor(number("atMs") / 1000), Math.round(number("totalUs"))],
    [...words, ...key, `... (${placeOf(row)})`],
    ...[text("address"), text("name")],
  ];
}

function placeOf(row: ShownRow): string {
  const { server = "", queueUs = 0, serverUs = 0, failure = "" } = row;
  const place =
    server === ""
      ? "no server took long"
      : `server ${server}: queued ${Math.round(Number(queueUs))} us, answered in ${Math.round(Number(serverUs))} us`;
  return failure === "" ? place : `${place}; ${failure}`;
}
