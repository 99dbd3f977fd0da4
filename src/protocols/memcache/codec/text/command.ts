/** The text commands: what memcached 1.6 has, and what the proxy does with each. */
import { ACCESS, type Access } from "../../../../api/request-facts.ts";

export type TextCommandKind =
  | "unknown"
  | "get"
  | "gat"
  | "store"
  | "delete"
  | "arithmetic"
  | "touch"
  | "meta_get"
  | "meta_set"
  | "meta_delete"
  | "meta_arithmetic"
  | "meta_debug"
  | "meta_noop"
  | "flush_all"
  | "version"
  | "verbosity"
  | "stats"
  | "config"
  | "quit"
  | "shutdown"
  | "refused";

export interface TextCommand {
  readonly name: string;
  /** See RequestFacts. */
  readonly upperName: string;
  readonly kind: TextCommandKind;
  /** Tokens that it takes, its name included; any other number is answered with ERROR. */
  readonly tokensMin: number;
  readonly tokensMax: number;
  readonly isMeta: boolean;
  readonly access: Access;
}

/** A meta get may touch or create what it finds, by its flags. */
const READS: readonly TextCommandKind[] = ["get", "meta_debug", "meta_noop"];

const MANY = 0x7fffffff;

export const UNKNOWN: TextCommand = command("", "unknown", 0, MANY);
const GET: TextCommand = command("get", "get", 2, MANY);
const SET: TextCommand = command("set", "store", 5, 6);

const COMMANDS: ReadonlyMap<string, TextCommand> = new Map(
  [
    GET,
    command("gets", "get", 2, MANY),
    command("gat", "gat", 2, MANY),
    command("gats", "gat", 2, MANY),
    SET,
    command("add", "store", 5, 6),
    command("replace", "store", 5, 6),
    command("append", "store", 5, 6),
    command("prepend", "store", 5, 6),
    command("cas", "store", 6, 7),
    command("delete", "delete", 2, 4),
    command("incr", "arithmetic", 3, 4),
    command("decr", "arithmetic", 3, 4),
    command("touch", "touch", 3, 4),
    command("mg", "meta_get", 2, MANY),
    command("ms", "meta_set", 2, MANY),
    command("md", "meta_delete", 2, MANY),
    command("ma", "meta_arithmetic", 2, MANY),
    command("me", "meta_debug", 1, MANY),
    command("mn", "meta_noop", 1, MANY),
    command("flush_all", "flush_all", 1, 3),
    command("version", "version", 1, MANY),
    command("verbosity", "verbosity", 2, 3),
    command("stats", "stats", 1, MANY),
    command("config", "config", 3, 3),
    command("quit", "quit", 1, MANY),
    command("shutdown", "shutdown", 1, MANY),
    // What these do concerns one server and its clients all together.
    ..."cache_memlimit extstore lru lru_crawler refresh_certs slabs watch debugtime misbehave"
      .split(" ")
      .map((name) => command(name, "refused", 1, MANY)),
  ].map((entry) => [entry.name, entry]),
);
export const TEXT_COMMAND_NAMES: readonly string[] = [...COMMANDS.keys()];
const NAME_BYTES_MAX: number = Math.max(...[...COMMANDS.keys()].map((name) => name.length));

const G = 0x67;
const S = 0x73;
const E = 0x65;
const T = 0x74;

/** The command that bytes[start, end) names. Lower case only, as memcached has it. */
export function findTextCommand(bytes: Buffer, start: number, end: number): TextCommand {
  if (end - start === 3 && bytes[start + 1] === E && bytes[start + 2] === T) {
    if (bytes[start] === G) return GET;
    if (bytes[start] === S) return SET;
  }
  if (end - start > NAME_BYTES_MAX) return UNKNOWN;
  return COMMANDS.get(bytes.toString("latin1", start, end)) ?? UNKNOWN;
}

function command(
  name: string,
  kind: TextCommandKind,
  tokensMin: number,
  tokensMax: number,
): TextCommand {
  const access = READS.includes(kind) ? ACCESS.read : ACCESS.write;
  const isMeta = kind.startsWith("meta");
  return { name, upperName: name.toUpperCase(), kind, tokensMin, tokensMax, isMeta, access };
}
