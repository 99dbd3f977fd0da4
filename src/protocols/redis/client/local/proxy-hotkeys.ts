/**
 * HOTKEYS where the pool's `proxy_commands` are allowed: it is answered for the proxy, over all servers of the pool, in the form that Redis
 * has since 8.6. What it calls CPU time is here the time from requests' arrival until their replies, which the proxy sees.
 */
import type { ShownRow, ShownTable } from "../../../../api/inspection.ts";
import { SLOTS } from "../../../../api/topology.ts";
import { encodeError, encodeValue, type Value } from "../../codec/encode.ts";
import { parseInt64 } from "../../codec/integer.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { RedisClient } from "../redis-client.ts";
import { answerLater, help, NOT_NOW, OK, texts } from "./local-handler.ts";

const METRICS: readonly string[] = ["CPU", "NET"];
const COUNT_DEFAULT = 10;
const COUNT_MAX = 64;
const SECONDS_MAX = 1_000_000;
const RATIO_MAX = 2 ** 31 - 1;

const HELP: readonly string[] = [
  "HOTKEYS <subcommand> [<arg> [value] [opt] ...]. Subcommands, answered by the proxy for this pool, are:",
  "START METRICS count [CPU] [NET] [COUNT k] [DURATION seconds] [SAMPLE ratio]",
  "    Track keys by the time that their requests take (CPU) and by their bytes (NET).",
  "    The proxy looks at a sample of its own (hot_keys_samples), whatever the ratio is.",
  "STOP",
  "    Stop tracking. Results are still available with GET.",
  "GET",
  "    Get results.",
  "RESET",
  "    Forget results. Tracking must have been stopped.",
  "HELP",
  "    Print this help.",
];

/** @returns false: not now, see Handler */
export function answerHotKeys(client: RedisClient, view: RequestView): boolean {
  const sub = view.count < 2 ? "" : view.text(1).toUpperCase();
  if (sub === "HELP" && view.count === 2) {
    client.answer(help(client, HELP));
    return true;
  }
  const table = tableOf(sub, view);
  if (Buffer.isBuffer(table)) {
    client.refuse(table);
    return true;
  }
  if (!client.settleFirst()) return false;
  const { state, pool } = client;
  return answerLater(client, (answer) =>
    pool.operators.show(table, (shown) => {
      answer(shown === null ? NOT_NOW : replyOf(sub, shown, state.version));
    }),
  );
}

/** What the supervisor is asked for; an error: it is not to be asked. */
function tableOf(sub: string, view: RequestView): string | Buffer {
  if (sub === "START") return startOf(texts(view, 2));
  if (!["STOP", "GET", "RESET"].includes(sub)) {
    return fault(
      view.count < 2
        ? "wrong number of arguments for 'hotkeys' command"
        : "unknown subcommand or wrong number of arguments",
    );
  }
  if (view.count !== 2) {
    return fault(`wrong number of arguments for 'hotkeys|${sub.toLowerCase()}' command`);
  }
  return `HOTKEYS ${sub}`;
}

/** As `startTracking` in supervisor/inspection reads it. @param words behind START */
function startOf(words: readonly string[]): string | Buffer {
  const wanted = words.map((word) => word.toUpperCase());
  if (wanted.length < 2 || wanted[0] !== "METRICS") return fault("METRICS parameter is required");
  const number = within(words[1]!, 1, METRICS.length);
  if (number === null) return fault(`METRICS count must be > 0 and <= ${METRICS.length}`);
  const metrics = wanted.filter((_, index) => index >= 2 && index < 2 + number);
  if (metrics.length < number) {
    return fault("METRICS count does not match number of metric types provided");
  }
  const known = metrics.filter((metric) => METRICS.includes(metric));
  if (known.length === 0) return fault("METRICS no valid metrics passed. Supported: CPU|NET");
  const twice = known.find((metric, index) => known.indexOf(metric) !== index);
  if (twice !== undefined) return fault(`METRICS ${twice} defined more than once!`);
  const options = { COUNT: COUNT_DEFAULT, DURATION: 0, SAMPLE: 1 };
  for (let at = 2 + number; at < words.length; at += 2) {
    const name = wanted[at]!;
    const word = words[at + 1];
    const limit = LIMITS[name];
    if (name === "SLOTS" && word !== undefined) {
      return fault("SLOTS parameter cannot be used in non-cluster mode");
    }
    if (limit === undefined || word === undefined) return fault("syntax error");
    const value = within(word, 1, limit.most);
    if (value === null) return fault(limit.fault);
    options[name as keyof typeof options] = value;
  }
  const { COUNT, DURATION, SAMPLE } = options;
  return `HOTKEYS START ${known.join("+")} ${COUNT} ${DURATION} ${SAMPLE}`;
}

const LIMITS: Readonly<Record<string, { readonly most: number; readonly fault: string }>> = {
  COUNT: { most: COUNT_MAX, fault: `COUNT must be between 1 and ${COUNT_MAX}` },
  DURATION: { most: SECONDS_MAX, fault: `DURATION must be between 1 and ${SECONDS_MAX}` },
  SAMPLE: { most: RATIO_MAX, fault: "SAMPLE ratio must be positive" },
};

/** Null: it is no number, or not within these bounds. */
function within(text: string, least: number, most: number): number | null {
  const value = parseInt64(text);
  return value === null || value < least || value > most ? null : Number(value);
}

function fault(text: string): Buffer {
  return encodeError(`ERR ${text}`);
}

function replyOf(sub: string, table: ShownTable, version: 2 | 3): Buffer {
  if ("problem" in table) return fault(table.problem);
  const [first, ...lists] = table.rows;
  if (sub === "START" || sub === "RESET") return OK;
  if (first === undefined) return encodeValue(null, version);
  return sub === "STOP" ? OK : encodeValue([reportOf(first, lists)], version);
}

/** As Redis orders the fields. */
function reportOf(facts: ShownRow, lists: readonly ShownRow[]): Value {
  const pairs = Object.entries(facts).map(([name, value]): [Value, Value] => [name, Number(value)]);
  const ratio = pairs.findIndex(([name]) => name === "sample-ratio");
  const slots: [Value, Value] = ["selected-slots", [[0, SLOTS - 1]]];
  const listOf = (list: string): Value =>
    lists
      .filter((row) => row["list"] === list)
      .flatMap(({ key = "", value = 0 }): Value[] => [`${key}`, Math.round(Number(value))]);
  const times: [Value, Value][] =
    "total-cpu-time-user-ms" in facts ? [["by-cpu-time-us", listOf("cpu")]] : [];
  const bytes: [Value, Value][] =
    "total-net-bytes" in facts ? [["by-net-bytes", listOf("net")]] : [];
  return { mapOf: [...pairs.toSpliced(ratio + 1, 0, slots), ...times, ...bytes] };
}
