/** What Redis says of its commands, as its COMMAND reply does: no decision of the proxy's is in here. */
import { REDIS_COMMANDS } from "./commands.generated.ts";

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

export interface CommandFacts {
  /** Upper case; a subcommand is "CONTAINER|SUBCOMMAND". */
  readonly name: string;
  /** What Redis calls it, if a server has given it another name; absent: the same. */
  readonly original?: string;
  /** As Redis counts: > 0 exactly so many arguments with the name, < 0 at least so many. */
  readonly arity: number;
  readonly flags: readonly string[];
  /** Redis's legacy key positions: first, last, step. */
  readonly positions: readonly [number, number, number];
  /** How a client that sees many servers shall send it, such as "all_shards"; "": no tip. https://redis.io/docs/latest/develop/reference/command-tips */
  readonly requestPolicy: string;
  /** How it shall merge the replies, such as "agg_sum"; "": no tip. */
  readonly responsePolicy: string;
  readonly keySpecs: readonly KeySpec[];
  /** Its second argument names a subcommand. COMMAND alone is one too, but not only. */
  readonly isContainer: boolean;
  /** A server told of it; it is none of Redis 7's own. */
  readonly isLearned: boolean;
}

/** Commands that Redis 7.0 does not know, and clients send all the same. */
const ADDED =
  "CLIENT|SETINFO 4 noscript,loading,stale 0,0,0 - -\nCLIENT|NO-TOUCH 3 noscript,loading,stale 0,0,0 - -\nCLIENT|MAINT_NOTIFICATIONS -3 noscript,loading,stale 0,0,0 - -";

/** Redis 7's own, and what clients of newer ones take for granted. */
export const STANDARD_COMMANDS: readonly CommandFacts[] = parseRows(`${REDIS_COMMANDS}${ADDED}`);

function parseRows(text: string): CommandFacts[] {
  const rows = text.trim().split("\n");
  const containers = new Set(
    rows.filter((row) => row.includes("|")).map((row) => row.substring(0, row.indexOf("|"))),
  );
  return rows.map((row) => parseRow(row, containers));
}

function parseRow(line: string, containers: ReadonlySet<string>): CommandFacts {
  const [name = "", arity = "0", flags = "-", positions = "", policies = "-", ...specs] =
    line.split(" ");
  const [first = 0, last = 0, step = 0] = positions.split(",").map(Number);
  const [requestPolicy = "", responsePolicy = ""] = policies === "-" ? [] : policies.split("/");
  return {
    name,
    arity: Number(arity),
    flags: flags === "-" ? [] : flags.split(","),
    positions: [first, last, step],
    requestPolicy,
    responsePolicy,
    keySpecs: specs.filter((text) => text !== "-").map(parseSpec),
    isContainer: containers.has(name),
    isLearned: false,
  };
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
