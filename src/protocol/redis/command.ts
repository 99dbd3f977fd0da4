/**
 * What the proxy knows of each Redis command: where its keys are and what is to be done with it.
 *
 * The facts come from Redis's own table (commands.generated.ts); this file adds the proxy's decisions.
 */
import { REDIS_COMMANDS } from "./commands.generated.ts";

/** What happens to a command. */
export type Disposition =
  /** One key: goes to its server. */
  | "key"
  /** Several keys, which must all be on one server. */
  | "keys"
  /** Several keys: one request per server, and the replies are merged. */
  | "split"
  /** Answered by the proxy itself. */
  | "local"
  /** Answered with an error that says why. */
  | "refused";

/** How the replies of a split command are merged. */
export type Merge = "array" | "sum" | "all_ok";

/** Where keys stand; see the head of commands.generated.ts. */
export type KeySpec =
  | {
      readonly from: "index";
      readonly index: number;
      readonly last: number;
      readonly step: number;
      readonly limit: number;
    }
  | {
      readonly from: "keyword";
      readonly keyword: string;
      readonly searchFrom: number;
      readonly last: number;
      readonly step: number;
      readonly limit: number;
    }
  | {
      readonly from: "count";
      readonly index: number;
      readonly countIndex: number;
      readonly firstKey: number;
      readonly step: number;
    };

export interface Command {
  /** Upper case; a subcommand is "CONTAINER|SUBCOMMAND". */
  readonly name: string;
  /** As Redis counts: > 0 exactly so many arguments with the name, < 0 at least so many. */
  readonly arity: number;
  readonly flags: readonly string[];
  /** Redis's legacy key positions: first, last, step. */
  readonly positions: readonly [number, number, number];
  readonly keySpecs: readonly KeySpec[];
  readonly disposition: Disposition;
  /** Argument index of the first key, for "key" and "split". */
  readonly firstKey: number;
  /** Arguments per key, for "split": 2 for MSET. */
  readonly step: number;
  readonly merge: Merge | null;
  readonly isWrite: boolean;
  readonly isContainer: boolean;
  /** May be used before AUTH. */
  readonly needsNoAuth: boolean;
  /** For "refused": why, and what would work. */
  readonly refusal: string;
}

const MERGES: Readonly<Record<string, Merge>> = {
  MGET: "array",
  MSET: "all_ok",
  DEL: "sum",
  UNLINK: "sum",
  EXISTS: "sum",
  TOUCH: "sum",
};

const LOCAL: ReadonlySet<string> = new Set([
  "PING",
  "ECHO",
  "QUIT",
  "AUTH",
  "SELECT",
  "HELLO",
  "INFO",
  "CLIENT|SETNAME",
  "CLIENT|GETNAME",
  "CLIENT|SETINFO",
  "CLIENT|ID",
  "CLIENT|HELP",
  "COMMAND",
  "COMMAND|COUNT",
  "COMMAND|DOCS",
  "COMMAND|INFO",
  "COMMAND|LIST",
  "COMMAND|HELP",
]);

/** Commands that Redis 7.0 does not know yet and clients send all the same. */
const ADDED = "CLIENT|SETINFO 4 noscript,loading,stale 0,0,0 -";

/** Whether these may pass depends on their options; see session/redis/keys-command.ts. */
const LOOKED_INTO: ReadonlySet<string> = new Set(["SORT", "SORT_RO", "XREAD", "XREADGROUP"]);

/** Administrative although Redis does not flag them so. */
const ADMINISTRATIVE: ReadonlySet<string> = new Set(["RESTORE-ASKING", "MIGRATE"]);

const TRANSACTIONS: ReadonlySet<string> = new Set(["MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH"]);

/** About a connection or a cluster node of one server, which a client of a proxy has not. */
const CONNECTION_COMMANDS = /^(CLIENT|CLUSTER|RESET|ASKING|READONLY|READWRITE|ROLE)\b/;

const ROWS: readonly string[] = `${REDIS_COMMANDS}${ADDED}`.trim().split("\n");

/** Commands whose second argument is a command of its own. COMMAND alone is one too, but not only. */
const CONTAINER_NAMES: ReadonlySet<string> = new Set(
  ROWS.filter((row) => row.includes("|")).map((row) => row.substring(0, row.indexOf("|"))),
);

/** By name in upper case. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map(
  ROWS.map(parseRow).map((command) => [command.name, command]),
);

function parseRow(line: string): Command {
  const [name = "", arity = "0", flagText = "-", positionText = "", ...specTexts] = line.split(" ");
  const flags = flagText === "-" ? [] : flagText.split(",");
  const [first = 0, last = 0, step = 0] = positionText.split(",").map(Number);
  const keySpecs = specTexts.filter((text) => text !== "-").map(parseSpec);
  const isContainer = CONTAINER_NAMES.has(name);
  const only = keySpecs.length === 1 ? keySpecs[0] : undefined;
  const isSingle = only?.from === "index" && only.last === 0;
  const merge = MERGES[name] ?? null;
  const refusal = LOCAL.has(name) ? "" : refusalOf(name, flags, keySpecs.length > 0);
  let disposition: Disposition = isSingle && !LOOKED_INTO.has(name) ? "key" : "keys";
  if (merge !== null) disposition = "split";
  if (LOCAL.has(name)) disposition = "local";
  else if (refusal !== "" && !isContainer) disposition = "refused";
  return {
    name,
    arity: Number(arity),
    flags,
    positions: [first, last, step],
    keySpecs,
    disposition,
    firstKey: only?.from === "index" ? only.index : 0,
    step: only !== undefined ? only.step : 1,
    merge,
    isWrite: flags.includes("write"),
    isContainer,
    needsNoAuth: flags.includes("no_auth"),
    refusal,
  };
}

/** Why a command cannot pass, or "" when it can. */
function refusalOf(name: string, flags: readonly string[], hasKeys: boolean): string {
  const shown = name.replace("|", " ");
  if (flags.includes("pubsub") || name.startsWith("PUBSUB"))
    return `'${shown}': publish/subscribe is not supported through this proxy; connect to a server directly`;
  if (TRANSACTIONS.has(name))
    return `'${shown}': transactions are not supported through this proxy; use a Lua script (EVAL) over keys of one server`;
  if (flags.includes("admin") || ADMINISTRATIVE.has(name))
    return `'${shown}': administrative commands are not passed on to shared servers; connect to the server directly`;
  if (flags.includes("blocking") && name !== "XREAD" && name !== "XREADGROUP")
    return `'${shown}': blocking commands would block every client of a shared connection; use the non-blocking form`;
  if (CONNECTION_COMMANDS.test(name)) return `'${shown}' is not supported through this proxy`;
  if (!hasKeys)
    return `'${shown}' names no key, so no server can be chosen for it; connect to a server directly`;
  return "";
}

function parseSpec(text: string): KeySpec {
  const body = text.substring(1);
  if (text.startsWith("k")) {
    const at = body.indexOf("@");
    const [searchFrom = 0, last = 0, step = 1, limit = 0] = body
      .substring(at + 1)
      .split(":")
      .map(Number);
    return { from: "keyword", keyword: body.substring(0, at), searchFrom, last, step, limit };
  }
  const numbers = body.split(":").map(Number);
  if (text.startsWith("n")) {
    const [index = 0, countIndex = 0, firstKey = 0, step = 1] = numbers;
    return { from: "count", index, countIndex, firstKey, step };
  }
  const [index = 0, last = 0, step = 1, limit = 0] = numbers;
  return { from: "index", index, last, step, limit };
}
