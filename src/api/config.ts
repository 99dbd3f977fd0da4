/**
 * The resolved configuration: what remains after a file was read, checked and filled with defaults.
 *
 * `src/config` is the only place that makes one; everything else only reads it. It is plain JSON data (no
 * classes, no functions, no undefined), because the supervisor sends it to its workers as JSON.
 */
import type { Discovery } from "./discovery.ts";
import type { OptionSettings } from "./option.ts";
import type { RouteNode } from "./route-node.ts";

/** Every hash function a pool may name. The first twelve are twemproxy's; `docs/config.md` describes each. */
export type HashName =
  | "one_at_a_time"
  | "md5"
  | "crc16"
  | "crc32"
  | "crc32a"
  | "fnv1_64"
  | "fnv1a_64"
  | "fnv1_32"
  | "fnv1a_32"
  | "hsieh"
  | "murmur"
  | "jenkins"
  | "xxh32"
  | "xxh64"
  | "crc16_slot";

export type Distribution = "ketama" | "modula" | "random";

/**
 * How workers come by their clients; docs/accept-modes.md has figures.
 * - `reuseport`: a SO_REUSEPORT socket for each, the kernel spreads connections (TCP only; unix sockets are shared)
 * - `shared`: one socket, the worker that is awake first accepts
 * - `mutex`: one socket, and only the holder of a lock listens
 * - `dispatch`: a process of its own accepts and gives each connection to the worker with the fewest
 */
export type AcceptMode = "reuseport" | "shared" | "mutex" | "dispatch";

export type LogLevel = "error" | "warn" | "info" | "debug";
export type LogFormat = "text" | "json";

/** `host` is a name or an address as written (without brackets for IPv6). Port 0: `host` is the name of a master whose place is asked for. */
export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string; readonly mode: number | null };

export interface ServerConfig {
  /** What the ring hashes and the statistics show: the alias, else `host:port`, else `host` when the port is 11211. */
  readonly name: string;
  readonly address: Address;
  /** ≥ 1 */
  readonly weight: number;
  /** Copies of its data, from which it may be read. Absent: none. */
  readonly replicas?: readonly Address[];
}

/** A protocol or filter that is not built in. */
export interface ModuleConfig {
  readonly kind: "protocol" | "filter";
  readonly name: string;
  /** Absolute, of the file that it was made from. */
  readonly path: string;
  /** JavaScript that imports nothing but `proxy/module` and what the runtime has. */
  readonly code: string;
  /** Of the code: another one is another module. */
  readonly hash: string;
}

/** What clients of a pool may do in a second, over all workers; 0 or null: as much as they like. See src/config/options-limits.ts. */
export interface PoolLimits {
  readonly clientRequests: number;
  readonly addressRequests: number;
  readonly userRequests: number;
  readonly poolRequests: number;
  readonly clientBytes: number | null;
  readonly addressBytes: number | null;
  readonly userBytes: number | null;
  readonly poolBytes: number | null;
  /** At once. */
  readonly addressConnections: number;
  readonly addressConnects: number;
  readonly poolConnects: number;
  readonly action: "delay" | "error" | "close";
  readonly mode: "bucket" | "window";
  readonly burstMs: number;
}

/** Worker processes that serve one pool, and no other. See src/config/worker-sets.ts. */
export interface PoolWorkers {
  /** How many, ≥ 1. */
  readonly own: number;
  /** Cores that they are pinned to in turn; null: as `affinity` says. */
  readonly cpus: "auto" | "off" | readonly number[] | null;
  /** What clients of all of them may take, in bytes; null: each has the share of `client_memory` that other workers have. */
  readonly clientMemoryBytes: number | null;
}

export interface PoolConfig {
  readonly name: string;
  /** The name of a protocol module. */
  readonly protocol: string;
  /** Null: those that all pools without workers of their own share. Absent: it comes from an older program, and is null. */
  readonly workers?: PoolWorkers | null;
  /** Those of its protocol. */
  readonly options: OptionSettings;
  readonly listen: Address;
  readonly hash: HashName;
  /** True: bytes ≥ 0x80 are sign-extended before hashing, as twemproxy does on x86. False: as it does on ARM Linux. */
  readonly hashSignedChar: boolean;
  /** Two characters (may be the same), or null. */
  readonly hashTag: string | null;
  readonly distribution: Distribution;
  /** Milliseconds from the moment a request is queued for a server until its reply is complete; null: no limit. */
  readonly timeoutMs: number | null;
  /** Milliseconds that establishing one connection to a server may take. */
  readonly connectTimeoutMs: number;
  /** listen(2) backlog. */
  readonly backlog: number;
  /** Most client connections of this pool, over all workers; 0: bounded only by file descriptors. */
  readonly clientConnectionsMax: number;
  /** Absent: it comes from an older program, and there are none. */
  readonly limits?: PoolLimits;
  /** New connections begin with a header of the PROXY protocol. Absent, as in the next: it comes from an older program. */
  readonly proxyProtocol?: boolean;
  /** Addresses and networks of which such headers are believed, at least one; null: of all. */
  readonly proxyProtocolFrom?: readonly string[] | null;
  /** Milliseconds from which on a request is slow, and in the slow log; null: none is. Absent, as the next two: it comes from an older program. */
  readonly slowlogMs?: number | null;
  /** Of each minute and worker so many requests are in the slow log in any case, the slowest ones. */
  readonly slowlogSlowest?: number;
  /** Operators see keys. */
  readonly slowlogKeys?: boolean;
  /** Keys that are asked for most are told of. Absent, as the next three: it comes from an older program. */
  readonly hotKeys?: boolean;
  /** Requests that each worker looks at for that in a second. */
  readonly hotKeysSamples?: number;
  /** Bytes from which on a reply or a request makes its key a big one; null: none does. */
  readonly bigKeysBytes?: number | null;
  /** The same for elements of a collection. */
  readonly bigKeysElements?: number;
  /** Clients may ask about the proxy. Absent: likewise. */
  readonly proxyCommands?: boolean;
  /** In the order in which they see requests. */
  readonly filters: readonly { readonly name: string; readonly options: OptionSettings }[];
  readonly preconnect: boolean;
  /** SO_KEEPALIVE on client and server connections. */
  readonly tcpKeepalive: boolean;
  /** TCP_NODELAY on client and server connections. */
  readonly tcpNodelay: boolean;
  /** TCP_QUICKACK on client connections. */
  readonly tcpQuickack: boolean;
  /** TCP_DEFER_ACCEPT on the listening socket, in milliseconds (the kernel counts in seconds); null: off. */
  readonly tcpDeferAcceptMs: number | null;
  readonly autoEjectHosts: boolean;
  /** Connections per server and worker that clients share, ≥ 1; 0: each client has connections of its own. */
  readonly serverConnections: number;
  readonly serverRetryTimeoutMs: number;
  readonly serverFailureLimit: number;
  /** How many of the servers may be ejected at once, in percent, 1 to 100. */
  readonly maxEjectionPercent: number;
  /** Milliseconds that a server may be silent while it owes a reply; null: no limit. Absent, as the next three: it comes from an older program. */
  readonly firstByteTimeoutMs?: number | null;
  /** How long a request may wait until it is sent to its server. */
  readonly queueTimeoutMs?: number | null;
  /** With so many requests on a connection to a server further ones fail; 0: they wait. */
  readonly serverQueue?: number;
  /** A client is closed that was idle for so long, or took longer to send one request; null: no limit. */
  readonly clientIdleTimeoutMs?: number | null;
  readonly requestTimeoutMs?: number | null;
  /** Milliseconds between two questions to each server whether it serves; null: none is asked. Absent, as the next five: it comes from an older program. */
  readonly healthCheckMs?: number | null;
  readonly healthCheckTimeoutMs?: number;
  /** So many that failed in a row take a server down, and so many that were answered bring it back. */
  readonly healthCheckFall?: number;
  readonly healthCheckRise?: number;
  /** What becomes of the keys of a server that is down; `fail` exactly if not `autoEjectHosts`. */
  readonly onDown?: "fail" | "rehash" | "spare";
  /** In ring order: they stand in for servers that are down. */
  readonly spares?: readonly ServerConfig[];
  /** In ring order: twemproxy sorts by name, shorter names first, then bytewise. */
  readonly servers: readonly ServerConfig[];
  /** How `servers` are found that the file does not list. Absent: it comes from an older program, and they are not. */
  readonly discovery?: Discovery;
  /** Keys move along when the servers change, see api/migration.ts. Absent: it comes from an older program, and they stay where they are. */
  readonly migrate?: boolean;
  /** Not null: requests go to other pools, and `servers` is empty. Absent: it is null. */
  readonly route?: RouteNode | null;
}

/** `auto`: io_uring where the system has it and it works, else Bun's sockets. */
export type EngineChoice = "auto" | "uring" | "bun";

/** Through what several hosts agree on where keys are. */
export interface EtcdConfig {
  /** At least one, without a path. */
  readonly urls: readonly string[];
  /** Before all keys, without a slash at its end. */
  readonly prefix: string;
  /** Null: it asks for none. */
  readonly user: string | null;
  /** Absolute, as those that follow. */
  readonly passwordFile: string | null;
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
}

export interface Config {
  /** Absolute path of the file it came from, or null (`proxy dev`). */
  readonly file: string | null;
  readonly form: "native" | "twemproxy";
  /** Worker processes; "auto" is resolved by the supervisor to the number of usable cores. */
  readonly workers: number | "auto";
  readonly accept: AcceptMode;
  /** What the workers' sockets are made of. Absent: it comes from a program older than this, and is "bun". */
  readonly engine?: EngineChoice;
  /** Cores that the workers' event loops are pinned to, worker 0 to the first and so on; "auto": each usable one in turn. */
  readonly affinity: "auto" | "off" | readonly number[];
  /** The limit of open files is raised to this at start; null: stays. */
  readonly openFiles: number | null;
  /**
   * Memory, in bytes, that clients' unread replies, incomplete requests and parts of replies may take, over all workers; "auto": half of what there is;
   * null: no limit. Absent: it comes from a program older than this, and is null.
   */
  readonly clientMemoryBytes?: number | "auto" | null;
  /** The user that the workers and the admin process run as; null: the user that started the proxy. */
  readonly user: string | null;
  /** null: the primary group of `user`. */
  readonly group: string | null;
  readonly log: {
    readonly level: LogLevel;
    readonly file: string | null;
    /** Absent: it comes from an older program, and is text. */
    readonly format?: LogFormat;
    /** The slow log's; null: none. Absent: it comes from an older program. */
    readonly slowFile?: string | null;
  };
  readonly pidFile: string | null;
  /** Path of the control socket; null: derived from `file`, see src/config/control-path.ts. */
  readonly control: string | null;
  /** Evens out long-lived client connections between the workers. */
  readonly rebalance: boolean;
  /** twemproxy's text statistics port; null: off. Its figures may be `intervalMs` old; 0: they are taken for each reader. */
  readonly stats: { readonly listen: Address | null; readonly intervalMs: number };
  /**
   * The admin process's HTTP. `tokenFile`: absolute path of the file with the token that it asks for; `leversTokenFile`: of the one with
   * which levers may be pulled, null or absent: none may. Absent: the program is older than this.
   */
  readonly admin?: {
    readonly listen: Address | null;
    readonly tokenFile: string | null;
    readonly leversTokenFile?: string | null;
  };
  /** Null: the workers of this host alone agree on where keys are. Absent: it comes from an older program. */
  readonly etcd?: EtcdConfig | null;
  /** Milliseconds a drain may take before what is left is closed. */
  readonly drainTimeoutMs: number;
  readonly modules: readonly ModuleConfig[];
  /** By name: the addresses, networks and patterns of host names of the servers there. Absent, as the next: it comes from an older program. */
  readonly zones?: Readonly<Record<string, readonly string[]>>;
  /** The one of `zones` that the proxy is in; "auto": where one of this machine's addresses is. */
  readonly zone?: string;
  readonly pools: readonly PoolConfig[];
}
