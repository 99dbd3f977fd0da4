/** Options of a pool of any protocol: twemproxy's keys with twemproxy's meaning, and ours. */
import type { Distribution, HashName } from "../api/config.ts";
import { type Option, option } from "../api/option.ts";
import { INTEGER_MAX } from "../base/limits.ts";

export const HASH_NAMES: readonly HashName[] = [
  "one_at_a_time",
  "md5",
  "crc16",
  "crc32",
  "crc32a",
  "fnv1_64",
  "fnv1a_64",
  "fnv1_32",
  "fnv1a_32",
  "hsieh",
  "murmur",
  "jenkins",
  "xxh32",
  "xxh64",
  "crc16_slot",
];
export const DISTRIBUTIONS: readonly Distribution[] = ["ketama", "modula", "random"];

const PLACEMENT_OPTIONS: readonly Option[] = [
  option({
    name: "listen",
    where: "pool",
    type: { kind: "listen", none: false },
    required: true,
    help: "Address for clients: `host:port` (`*:port` for all of IPv4), or `/path` with an optional octal mode: `/run/a.sock 0660`.",
  }),
  option({
    name: "protocol",
    where: "pool",
    // Its choices are the names of the protocols that there are, see `poolOptions`.
    type: { kind: "choice", values: [] },
    forms: ["native"],
    default: "redis",
    help: "What the pool's clients and servers speak.",
    instead: '"redis: true" (or false for memcache)',
  }),
  option({
    name: "redis",
    where: "pool",
    type: { kind: "boolean" },
    forms: ["twemproxy"],
    default: "false",
    help: "True: the pool speaks the Redis protocol; false: Memcached's.",
    instead: '"protocol: redis" or "protocol: memcache"',
  }),
  option({
    name: "filters",
    where: "pool",
    type: { kind: "filters" },
    forms: ["native"],
    help: "Filters that see each request of the pool, in this order: `[audit, deny: { prefixes: [a] }]`; each is a module of `modules`.",
    instead: 'a native file, with the pool under "pools:"',
  }),
  option({
    name: "hash",
    where: "pool",
    type: { kind: "choice", values: HASH_NAMES },
    default: "fnv1a_64",
    help: "Function that turns a key into a number. Changing it moves nearly every key.",
  }),
  option({
    name: "hash_char",
    where: "pool",
    type: { kind: "choice", values: ["signed", "unsigned"] },
    default: "signed",
    help: "How twemproxy's hashes read bytes ≥ 0x80: `signed` as on x86, `unsigned` as on ARM Linux.",
  }),
  option({
    name: "hash_tag",
    where: "pool",
    type: { kind: "pair" },
    help: 'Two characters; only what stands between them in a key is hashed: `"{}"`. Quote them.',
  }),
  option({
    name: "distribution",
    where: "pool",
    type: { kind: "choice", values: DISTRIBUTIONS },
    default: "ketama",
    help: "How hashes are spread over servers: `ketama` (consistent ring), `modula` (remainder), `random`.",
  }),
  option({
    name: "servers",
    where: "pool",
    type: { kind: "servers" },
    required: true,
    help: "List of `host:port:weight name` or `/path:weight name` (the name is optional), or in the native form of maps.",
  }),
];

const CLIENT_OPTIONS: readonly Option[] = [
  option({
    name: "backlog",
    where: "pool",
    type: { kind: "integer", min: 0, max: INTEGER_MAX },
    default: "512",
    help: "Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.",
  }),
  option({
    name: "client_connections",
    where: "pool",
    type: { kind: "integer", min: 0, max: INTEGER_MAX },
    default: "0",
    help: "Most clients at once, over all workers; 0: as many as file descriptors allow. (nutcracker ignores it.)",
  }),
  option({
    name: "reuseport",
    where: "pool",
    type: { kind: "boolean" },
    forms: ["twemproxy"],
    help: "True: workers accept on a SO_REUSEPORT socket each; false: on one shared socket. Holds for all pools.",
    instead: '"accept: reuseport" at the top level',
  }),
  option({
    name: "tcpkeepalive",
    where: "pool",
    type: { kind: "boolean" },
    default: "false",
    help: "SO_KEEPALIVE on the connections of clients and servers.",
  }),
  option({
    name: "tcp_nodelay",
    where: "pool",
    type: { kind: "boolean" },
    default: "true",
    help: "TCP_NODELAY on the connections of clients and servers; false lets the kernel hold back small packets.",
  }),
  option({
    name: "tcp_quickack",
    where: "pool",
    type: { kind: "boolean" },
    default: "false",
    help: "TCP_QUICKACK on the connections of clients: what they send is acknowledged at once, for one system call and packet more.",
  }),
  option({
    name: "tcp_defer_accept",
    where: "pool",
    type: { kind: "duration", min: 0, max: 3_600_000, none: true },
    default: "none",
    help: "TCP_DEFER_ACCEPT: a client is accepted when its first bytes are there, or after this time (whole seconds).",
  }),
];

const SERVER_SIDE_OPTIONS: readonly Option[] = [
  option({
    name: "timeout",
    where: "pool",
    type: { kind: "duration", min: 0, max: INTEGER_MAX, none: true },
    default: { native: "5s", twemproxy: "none" },
    help: "How long a request may take from being queued for a server to its complete reply; `none` or 0: no limit, and a reply that gets lost on the way is missed only when others follow it.",
  }),
  option({
    name: "connect_timeout",
    where: "pool",
    type: { kind: "duration", min: 1, max: INTEGER_MAX, none: false },
    default: { native: "1s", twemproxy: "5s" },
    help: "How long establishing one connection to a server may take; what must be answered on it first has `timeout`, too.",
  }),
  option({
    name: "preconnect",
    where: "pool",
    type: { kind: "boolean" },
    default: "false",
    help: "Connect to the servers at start instead of at the first request.",
  }),
  option({
    name: "server_connections",
    where: "pool",
    type: { kind: "integer", min: 1, max: 65_535 },
    default: "1",
    help: "Connections to each server from each worker; fewer if the limit of open files is too low (`proxy check` tells).",
  }),
  option({
    name: "auto_eject_hosts",
    where: "pool",
    type: { kind: "boolean" },
    default: "false",
    help: "Take a server that keeps failing out of the ring, and back in later.",
  }),
  option({
    name: "server_retry_timeout",
    where: "pool",
    type: { kind: "duration", min: 0, max: INTEGER_MAX, none: false },
    default: "30s",
    help: "How long an ejected server stays out before it is tried again; with `protocol: tcp`, the most that one stays out which cannot be connected.",
  }),
  option({
    name: "server_failure_limit",
    where: "pool",
    type: { kind: "integer", min: 0, max: INTEGER_MAX },
    default: "2",
    help: "Failures in a row that eject a server; 0 acts as 1.",
  }),
  option({
    name: "max_ejection_percent",
    where: "pool",
    type: { kind: "integer", min: 1, max: 100 },
    default: "50",
    help: "How many of the servers may be ejected at once, one at least: further ones that fail keep their keys, which get errors. 100: as in twemproxy, all keys go to the last server that works.",
  }),
];

export const POOL_OPTIONS: readonly Option[] = [
  ...PLACEMENT_OPTIONS,
  ...CLIENT_OPTIONS,
  ...SERVER_SIDE_OPTIONS,
];

/** Options of one entry of `servers` that is written as a map. */
export const SERVER_OPTIONS: readonly Option[] = [
  option({
    name: "address",
    where: "server",
    type: { kind: "server_address" },
    forms: ["native"],
    required: true,
    help: "`host:port`, `[ipv6]:port` or `/path`.",
  }),
  option({
    name: "weight",
    where: "server",
    type: { kind: "integer", min: 1, max: INTEGER_MAX },
    forms: ["native"],
    default: "1",
    help: "The server's share of the keys, relative to the other servers of the pool.",
  }),
  option({
    name: "name",
    where: "server",
    type: { kind: "text" },
    forms: ["native"],
    help: "What the ring hashes and the statistics show; absent: made from the address.",
  }),
];
