/** The proxy's decisions: what is to be done with each Redis command. The facts they rest on are in command-facts.ts. */
import { FAMILY, type Family, familyOf } from "../../../api/latency.ts";
import { ACCESS, type Access } from "../../../api/request-facts.ts";
import type { CommandFacts } from "./command-facts.ts";

/** What happens to a command. */
export type Disposition =
  /** One key: goes to its server. */
  | "key"
  /** Several keys, which must all be on one server. */
  | "keys"
  /** Several keys: one request per server, and the replies are merged. */
  | "split"
  /** No key: goes to any one server. */
  | "any"
  /** No key: goes to all servers, and the replies are merged. */
  | "broadcast"
  /** May hold up its connection until something happens: needs one of its own. */
  | "blocking"
  | "transaction"
  | "pubsub"
  /** Runs, loads or lists scripts and functions. */
  | "script"
  /** Answered by the proxy itself. */
  | "local"
  /** Like no other; has a handler of its own. */
  | "special"
  /** Answered with an error that says why. */
  | "refused";

/**
 * How the replies of several servers become one.
 * - `array`: elements in the order of the client's keys; `concat`: one array after the other
 * - `all_ok`: that of the first server if no other refused, else the refusal; `one_ok`: that of the first that did not
 *   refuse, else the refusal
 * - `sum`, `min`, `max`, `and`, `or`: of integers, or of arrays of them, place by place
 */
export type Merge = "array" | "concat" | "all_ok" | "one_ok" | "sum" | "min" | "max" | "and" | "or";

export interface Command extends CommandFacts {
  readonly disposition: Disposition;
  /** Named "CONTAINER|SUBCOMMAND". */
  readonly isSubcommand: boolean;
  /** Argument index of the first key, for "key" and "split". */
  readonly firstKey: number;
  /** Arguments per key, for "split": 2 for MSET. */
  readonly step: number;
  /** For "split" and "broadcast". */
  readonly merge: Merge | null;
  /** What it may do to the data under its keys. */
  readonly access: Access;
  /** As what its time counts. */
  readonly family: Family;
  /** May be used before AUTH. */
  readonly needsNoAuth: boolean;
  /** For "refused": why, and what would work. */
  readonly refusal: string;
}

/** What a pool's configuration says about single commands, by name in upper case ("CONFIG|SET", or "CONFIG" for all of its subcommands). */
export interface CommandPolicy {
  /** Passed on although they are refused by default. */
  readonly allowed: ReadonlySet<string>;
  /** Refused although they would be passed on. */
  readonly denied: ReadonlySet<string>;
  /** The pool has several servers. */
  readonly isSharded: boolean;
  /** Its servers are a Redis Cluster, which for clients is this proxy. Absent: they are not. */
  readonly isCluster?: boolean;
}

export const DEFAULT_POLICY: CommandPolicy = {
  allowed: new Set(),
  denied: new Set(),
  isSharded: true,
};

/** The end of the words that refuse what the configuration denies. */
export const DENIED = "is denied by this proxy's configuration";

const SPLIT: Readonly<Record<string, Merge>> = {
  MGET: "array",
  MSET: "all_ok",
  DEL: "sum",
  UNLINK: "sum",
  EXISTS: "sum",
  TOUCH: "sum",
};

/**
 * Commands without keys of which Redis does not say what many servers mean, or where that is not what clients of one server
 * expect; "one": nothing, they are about a single server.
 */
const KEYLESS: Readonly<Record<string, Merge | "one">> = {
  "ACL|DELUSER": "all_ok",
  "ACL|LOAD": "all_ok",
  "ACL|LOG": "concat",
  "ACL|SAVE": "all_ok",
  "ACL|SETUSER": "all_ok",
  BGREWRITEAOF: "all_ok",
  BGSAVE: "all_ok",
  "CONFIG|RESETSTAT": "all_ok",
  "CONFIG|REWRITE": "all_ok",
  DEBUG: "one",
  FAILOVER: "one",
  LASTSAVE: "min",
  "LATENCY|DOCTOR": "one",
  "LATENCY|GRAPH": "one",
  "LATENCY|HISTORY": "concat",
  "LATENCY|LATEST": "concat",
  "LATENCY|RESET": "sum",
  "MEMORY|DOCTOR": "one",
  "MEMORY|MALLOC-STATS": "one",
  "MEMORY|STATS": "one",
  "MODULE|LOAD": "all_ok",
  "MODULE|LOADEX": "all_ok",
  "MODULE|UNLOAD": "all_ok",
  PFSELFTEST: "all_ok",
  REPLICAOF: "one",
  SAVE: "all_ok",
  SHUTDOWN: "one",
  SLAVEOF: "one",
  SWAPDB: "all_ok",
};

/** By Redis's response policy. */
const MERGES: Readonly<Record<string, Merge>> = {
  "": "concat",
  all_succeeded: "all_ok",
  one_succeeded: "one_ok",
  agg_sum: "sum",
  agg_min: "min",
  agg_max: "max",
  agg_logical_and: "and",
  agg_logical_or: "or",
};

/** Of commands with one key decides what they do to it. */
const FAMILIES: Partial<Readonly<Record<Disposition, Family>>> = {
  any: FAMILY.admin,
  keys: FAMILY.multi,
  split: FAMILY.multi,
  broadcast: FAMILY.multi,
  blocking: FAMILY.blocking,
  transaction: FAMILY.session,
  pubsub: FAMILY.session,
  script: FAMILY.script,
  local: FAMILY.admin,
  special: FAMILY.admin,
  refused: FAMILY.admin,
};

const LOCAL = /^(PING|ECHO|QUIT|AUTH|SELECT|HELLO|RESET|CLIENT\|.*|SENTINEL)$/;
const TRANSACTION = /^(MULTI|EXEC|DISCARD|WATCH|UNWATCH)$/;
const SCRIPT = /^(EVAL|EVAL_RO|EVALSHA|EVALSHA_RO|FCALL|FCALL_RO|SCRIPT\|.*|FUNCTION\|.*)$/;
const SPECIAL = /^(INFO|LATENCY\|HISTOGRAM|RANDOMKEY|SCAN|SLOWLOG\|GET|WAIT|WAITAOF)$/;
/** Administrative for Redis, but harmless to the others behind a shared proxy. */
const HARMLESS = /^(CONFIG\|GET|MODULE\|LIST|SLOWLOG\|(GET|LEN)|LATENCY\|(?!RESET).*)$/;
/** Harmful although Redis does not flag them as administrative. */
const HARMFUL = /^(RESTORE-ASKING|MIGRATE|SCRIPT\|DEBUG)$/;
/** They turn their connection into something else for good. */
const STREAMS = /^(MONITOR|SYNC|PSYNC|REPLCONF)$/;
/** They change what their connection is: under another name that is not known, they would do so to one that many share. */
const BINDING =
  /^(SELECT|AUTH|HELLO|RESET|QUIT|CLIENT(\|.*)?|SCRIPT(\|DEBUG)?|MULTI|EXEC|DISCARD|(UN)?WATCH|[PS]?(UN)?SUBSCRIBE)$/;
/** About the node of a cluster that a connection talks to. */
const CLUSTER = /^(ASKING|READONLY|READWRITE)$/;
/** With what clients of a cluster find its nodes. */
const FINDING = /^(ASKING|READONLY|READWRITE|CLUSTER\|(SLOTS|SHARDS|NODES|INFO|MYID|KEYSLOT))$/;

/** @param facts as Redis tells them, of a command of its own or of a module's */
export function decide(facts: CommandFacts, policy: CommandPolicy = DEFAULT_POLICY): Command {
  const { keySpecs, flags } = facts;
  const only = keySpecs.length === 1 ? keySpecs[0] : undefined;
  const refusal = refusalOf(facts, policy);
  const isPassed = refusal === "" || facts.isContainer;
  const merge = mergeOf(facts);
  const isFinding = policy.isCluster === true && FINDING.test(facts.name);
  const passed = isFinding ? "local" : dispositionOf(facts, merge);
  const disposition = isPassed ? passed : "refused";
  const access = accessOf(flags);
  return {
    ...facts,
    disposition,
    isSubcommand: facts.name.includes("|"),
    firstKey: only?.from === "index" ? only.index : 0,
    step: only !== undefined ? only.step : 1,
    merge,
    access,
    family: FAMILIES[disposition] ?? familyOf(access),
    needsNoAuth: flags.includes("no_auth"),
    refusal,
  };
}

/** Scripts say nothing of what they do: they may write, unless they are called in a form that cannot. */
function accessOf(flags: readonly string[]): Access {
  if (flags.includes("readonly")) return ACCESS.read;
  return flags.includes("admin") ? ACCESS.admin : ACCESS.write;
}

function dispositionOf(facts: CommandFacts, merge: Merge | null): Disposition {
  const { name, flags, keySpecs } = facts;
  if (LOCAL.test(name)) return "local";
  if (TRANSACTION.test(name)) return "transaction";
  if (SCRIPT.test(name)) return "script";
  if (SPECIAL.test(name)) return "special";
  if (flags.includes("pubsub") || name.startsWith("PUBSUB|")) return "pubsub";
  if (flags.includes("blocking")) return "blocking";
  if (SPLIT[name] !== undefined) return "split";
  if (keySpecs.length > 0) {
    const isSingle =
      keySpecs.length === 1 && keySpecs[0]?.from === "index" && keySpecs[0].last === 0;
    return isSingle ? "key" : "keys";
  }
  return merge === null ? "any" : "broadcast";
}

/** How replies become one, or null: it is not for several servers. */
function mergeOf({ name, requestPolicy, responsePolicy }: CommandFacts): Merge | null {
  const keyless = KEYLESS[name];
  if (keyless !== undefined) return keyless === "one" ? null : keyless;
  return SPLIT[name] ?? (isForAll(requestPolicy) ? (MERGES[responsePolicy] ?? null) : null);
}

/** Of no meaning for several servers. */
function isAboutOne({ name, requestPolicy, responsePolicy }: CommandFacts): boolean {
  if (KEYLESS[name] !== undefined) return KEYLESS[name] === "one";
  const isHandled = SCRIPT.test(name) || SPECIAL.test(name) || LOCAL.test(name);
  return !isHandled && isForAll(requestPolicy) && MERGES[responsePolicy] === undefined;
}

function isForAll(requestPolicy: string): boolean {
  return requestPolicy.startsWith("all_");
}

/** Why a command cannot pass, or "" when it can. */
function refusalOf(facts: CommandFacts, policy: CommandPolicy): string {
  const { name, flags, original = name } = facts;
  const { allowed, denied } = policy;
  const shown = name.replace("|", " ");
  const container = name.split("|")[0]!;
  if (denied.has(name) || denied.has(container)) return `'${shown}' ${DENIED}`;
  if (original !== name && (BINDING.test(original) || HARMFUL.test(original)))
    return `'${shown}' is another name of '${original.replace("|", " ")}', under which it cannot pass this proxy`;
  if (STREAMS.test(original))
    return `'${shown}' takes a whole connection for good and cannot pass a proxy; connect to the server directly`;
  if (CLUSTER.test(original) && policy.isCluster !== true)
    return "This instance has cluster support disabled";
  if (policy.isSharded && isAboutOne(facts))
    return `'${shown}' is about a single server; connect to the one you mean directly`;
  if (LOCAL.test(name) || HARMLESS.test(name)) return "";
  if (allowed.has(name) || allowed.has(container)) return "";
  if (
    facts.isLearned &&
    policy.isSharded &&
    facts.keySpecs.length === 0 &&
    facts.requestPolicy === ""
  )
    return `'${shown}' does not say where its keys are, so no server can be chosen for it; use a pool of one server, or send it to any server with 'allow_commands'`;
  if (!(flags.includes("admin") || HARMFUL.test(name))) return "";
  return `'${shown}' could harm others behind this shared proxy and is denied; connect to the server directly, or allow it with 'allow_commands'`;
}
