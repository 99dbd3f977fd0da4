/** Options of a pool whose protocol is Redis. */
import { type Option, type OptionSettings, option } from "../../api/option.ts";
import { choiceIn, numberIn, textIn, textsIn } from "../../api/option-settings.ts";
import { INTEGER_MAX } from "../../base/limits.ts";

/** What an MGET over several servers gives when one of them is not available: an error, or errors in place of its elements. */
export type MgetErrors = "whole" | "element";
const MGET_ERRORS: readonly MgetErrors[] = ["whole", "element"];

export interface RedisOptions {
  /** Password that clients must AUTH with and that is sent on every server connection; null: none. */
  readonly password: string | null;
  /** SELECTed on every server connection. */
  readonly database: number;
  /** Passed on although they are refused by default. Upper case, "CONFIG|SET" for a subcommand. */
  readonly allowCommands: readonly string[];
  /** Refused although they are passed on by default. */
  readonly denyCommands: readonly string[];
  readonly mgetErrors: MgetErrors;
  /** Addresses of nodes of a Redis Cluster; none: the pool's servers are not one. */
  readonly clusterSeeds: readonly string[];
}

export const REDIS_OPTIONS: readonly Option[] = [
  option({
    name: "redis_cluster",
    where: "pool",
    type: { kind: "nodes" },
    forms: ["native"],
    help: "Addresses of some nodes of a Redis Cluster, `[10.0.0.1:7000, 10.0.0.2:7000]`, in place of `servers`: the proxy finds the others, and follows when slots move or a replica takes over.",
    instead: "a native file (`pools:`), which may have redis_cluster",
  }),
  option({
    name: "redis_auth",
    where: "pool",
    type: { kind: "text" },
    help: "Password that clients must AUTH with, and that is sent to every server. Without it the users and passwords of clients are for the servers to judge.",
    secret: true,
  }),
  option({
    name: "redis_db",
    where: "pool",
    type: { kind: "integer", min: 0, max: INTEGER_MAX },
    default: "0",
    help: "Database that all clients are in, and see as 0; they cannot SELECT another. With 0 each client chooses with SELECT.",
  }),
  option({
    name: "allow_commands",
    where: "pool",
    isLive: true,
    type: { kind: "commands" },
    help: "Commands to pass on although they are refused by default because they could harm others, such as `[CONFIG SET, DEBUG]`; a name alone stands for all of its subcommands.",
  }),
  option({
    name: "deny_commands",
    where: "pool",
    isLive: true,
    type: { kind: "commands" },
    help: "Commands to refuse, such as `[FLUSHALL, KEYS]`; a name alone stands for all of its subcommands.",
  }),
  option({
    name: "mget_errors",
    where: "pool",
    isLive: true,
    type: { kind: "choice", values: MGET_ERRORS },
    default: "whole",
    help: "What an MGET gives when a server of one of its keys is not available: an error as its `whole` reply, or one in place of each `element` that is missing.",
  }),
];

export function readRedisOptions(settings: OptionSettings): RedisOptions {
  return {
    password: textIn(settings, "redis_auth"),
    database: numberIn(settings, "redis_db"),
    allowCommands: textsIn(settings, "allow_commands"),
    denyCommands: textsIn(settings, "deny_commands"),
    mgetErrors: choiceIn(settings, "mget_errors", MGET_ERRORS),
    clusterSeeds: textsIn(settings, "redis_cluster"),
  };
}
