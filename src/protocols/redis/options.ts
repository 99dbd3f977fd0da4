/** Options of a pool whose protocol is Redis. */
import { type Option, type OptionSettings, option } from "../../api/option.ts";
import {
  addressIn,
  booleanIn,
  choiceIn,
  durationIn,
  numberIn,
  textIn,
  textsIn,
} from "../../api/option-settings.ts";
import { INTEGER_MAX } from "../../base/limits.ts";
import { MIGRATE_OPTIONS, type MigratePace, readMigratePace } from "../moved-keys.ts";
import { READ_FROM, type ReadFrom } from "./replicas/read-from.ts";

/** What an MGET over several servers gives when one of them is not available: an error, or errors in place of its elements. */
export type MgetErrors = "whole" | "element";
const MGET_ERRORS: readonly MgetErrors[] = ["whole", "element"];

/** Where a transaction runs whose keys are on several servers: on one, the others' are refused, or each server's part there. */
export type Transactions = "one_server" | "split";
const TRANSACTIONS: readonly Transactions[] = ["one_server", "split"];

export interface RedisOptions extends MigratePace {
  /** Password that clients must AUTH with and that is sent on every server connection; null: none. */
  readonly password: string | null;
  /** SELECTed on every server connection. */
  readonly database: number;
  /** Passed on although they are refused by default. Upper case, "CONFIG|SET" for a subcommand. */
  readonly allowCommands: readonly string[];
  /** Refused although they are passed on by default. */
  readonly denyCommands: readonly string[];
  readonly mgetErrors: MgetErrors;
  readonly transactions: Transactions;
  /** Addresses of nodes of a Redis Cluster; none: the pool's servers are not one. */
  readonly clusterSeeds: readonly string[];
  /** Addresses of sentinels, which are asked where the pool's servers are; none: its servers are listed, or a cluster. */
  readonly sentinels: readonly string[];
  readonly sentinelUser: string | null;
  readonly sentinelPassword: string | null;
  /** How long requests wait for a server that is lost; null: they fail at once. */
  readonly failoverParkMs: number | null;
  readonly failoverParkRequests: number;
  readonly failoverParkBytes: number;
  /** Requests a second that go on when a server serves again. */
  readonly failoverParkRate: number;
  readonly failoverParkDryRun: boolean;
  readonly readFrom: ReadFrom;
  /** Null: no limit. */
  readonly maxLagMs: number | null;
  readonly ownWritesMs: number;
  /** Networks whose servers are read first; none: all servers are alike. */
  readonly near: readonly string[];
  /** "host:port" */
  readonly announced: string | null;
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
    name: "sentinels",
    where: "pool",
    type: { kind: "nodes" },
    forms: ["native"],
    help: "Addresses of Redis Sentinels, `[10.0.0.1:26379, 10.0.0.2:26379]`, in place of `servers`: they are asked where `masters` are, and heard when one changes. List all of them.",
    instead: "a native file (`pools:`), which may have sentinels",
  }),
  option({
    name: "masters",
    where: "pool",
    type: { kind: "names" },
    forms: ["native"],
    help: 'With `sentinels`, the names of the masters that keys are spread over, in ring order: `[main]`, or with a weight and another name for the ring, `["main:2 shard-1"]`. Keys stay when a master changes its address.',
    instead: "a native file (`pools:`), which may have sentinels",
  }),
  option({
    name: "sentinel_user",
    where: "pool",
    type: { kind: "text" },
    forms: ["native"],
    help: "User for AUTH at the sentinels, with `sentinel_password`.",
    instead: "a native file (`pools:`), which may have sentinels",
  }),
  option({
    name: "sentinel_password",
    where: "pool",
    type: { kind: "text" },
    forms: ["native"],
    help: "Password for AUTH at the sentinels. That of the servers is `redis_auth`.",
    instead: "a native file (`pools:`), which may have sentinels",
    secret: true,
  }),
  option({
    name: "failover_park",
    where: "pool",
    forms: ["native"],
    isLive: true,
    type: { kind: "duration", min: 0, max: INTEGER_MAX, none: true },
    default: "10s",
    help: "With `redis_cluster` or `sentinels`: how long requests for a server that is lost wait for it or its successor, if they were not sent or are reads; `none`: they fail at once.",
    instead: "a native file (`pools:`), which may have sentinels or redis_cluster",
  }),
  option({
    name: "failover_park_requests",
    where: "pool",
    forms: ["native"],
    isLive: true,
    type: { kind: "integer", min: 0, max: INTEGER_MAX },
    default: "10000",
    help: "Most requests that wait so, in each worker; further ones fail at once.",
    instead: "a native file (`pools:`), which may have sentinels or redis_cluster",
  }),
  option({
    name: "failover_park_bytes",
    where: "pool",
    forms: ["native"],
    isLive: true,
    type: { kind: "integer", min: 0, max: INTEGER_MAX },
    default: "67108864",
    help: "Most bytes of requests that were taken from clients and wait so, in each worker. Of those that were not, the kernel keeps the bytes.",
    instead: "a native file (`pools:`), which may have sentinels or redis_cluster",
  }),
  option({
    name: "failover_park_rate",
    where: "pool",
    forms: ["native"],
    isLive: true,
    type: { kind: "integer", min: 1, max: INTEGER_MAX },
    default: "20000",
    help: "How many of them go on in a second, in each worker, when the server or its successor serves.",
    instead: "a native file (`pools:`), which may have sentinels or redis_cluster",
  }),
  option({
    name: "failover_park_dry_run",
    where: "pool",
    forms: ["native"],
    isLive: true,
    type: { kind: "boolean" },
    default: "false",
    help: "True: requests fail at once, and what would have waited is counted and logged.",
    instead: "a native file (`pools:`), which may have sentinels or redis_cluster",
  }),
  option({
    name: "read_from",
    where: "pool",
    type: { kind: "choice", values: READ_FROM },
    forms: ["native"],
    default: "primary",
    help: "Where commands that only read go: the `primary`; a replica, and the primary if none may be read (`prefer_replica`) or an error (`replica`); `any` of them alike; the `nearest`, which answers soonest. Writes, transactions and scripts go to the primary.",
    instead: "a native file (`pools:`)",
  }),
  option({
    name: "near",
    where: "pool",
    type: { kind: "networks" },
    forms: ["native"],
    help: "With `read_from`: addresses and networks of servers in the proxy's own zone, `[10.0.1.0/24]`, in place of what `zones` says. Of those that may be read, these are read as long as there is one; then the others.",
    instead: "a native file (`pools:`)",
  }),
  option({
    name: "max_lag",
    where: "pool",
    isLive: true,
    type: { kind: "duration", min: 0, max: INTEGER_MAX, none: true },
    forms: ["native"],
    default: "10s",
    help: "With `read_from`: a replica that is further behind its primary is not read; `none`: how far it is does not matter. One that syncs is never read.",
    instead: "a native file (`pools:`)",
  }),
  option({
    name: "read_own_writes",
    where: "pool",
    isLive: true,
    type: { kind: "duration", min: 0, max: INTEGER_MAX, none: true },
    forms: ["native"],
    default: "none",
    help: "With `read_from`: for so long after a write, its client reads from primaries.",
    instead: "a native file (`pools:`)",
  }),
  ...MIGRATE_OPTIONS,
  option({
    name: "announce",
    where: "pool",
    type: { kind: "server_address" },
    forms: ["native"],
    help: "With `redis_cluster` or `sentinels`: the proxy's own `host:port`, as clients reach it that ask for nodes of a cluster (`CLUSTER SLOTS`) or for a master (`SENTINEL`); unset: where they have connected.",
    instead: "a native file (`pools:`)",
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
  option({
    name: "transactions",
    where: "pool",
    type: { kind: "choice", values: TRANSACTIONS },
    default: "one_server",
    help: "What becomes of `MULTI` … `EXEC` with keys of several servers: all on `one_server`, and other keys get `-CROSSSLOT`; or `split`, for libraries that use it to send many commands at once: each server executes its part as a transaction of its own, replies come in order, and WATCH is refused.",
  }),
];

export function readRedisOptions(settings: OptionSettings): RedisOptions {
  return {
    password: textIn(settings, "redis_auth"),
    database: numberIn(settings, "redis_db"),
    allowCommands: textsIn(settings, "allow_commands"),
    denyCommands: textsIn(settings, "deny_commands"),
    mgetErrors: choiceIn(settings, "mget_errors", MGET_ERRORS),
    transactions: choiceIn(settings, "transactions", TRANSACTIONS),
    clusterSeeds: textsIn(settings, "redis_cluster"),
    sentinels: textsIn(settings, "sentinels"),
    sentinelUser: textIn(settings, "sentinel_user"),
    sentinelPassword: textIn(settings, "sentinel_password"),
    failoverParkMs: durationIn(settings, "failover_park"),
    failoverParkRequests: numberIn(settings, "failover_park_requests"),
    failoverParkBytes: numberIn(settings, "failover_park_bytes"),
    failoverParkRate: numberIn(settings, "failover_park_rate"),
    failoverParkDryRun: booleanIn(settings, "failover_park_dry_run"),
    readFrom: choiceIn(settings, "read_from", READ_FROM),
    maxLagMs: durationIn(settings, "max_lag"),
    ...readMigratePace(settings),
    near: textsIn(settings, "near"),
    announced: addressIn(settings, "announce"),
    ownWritesMs: durationIn(settings, "read_own_writes") ?? 0,
  };
}
