/**
 * What the supervisor and its children say to each other: one JSON object a line over a unix socket pair.
 *
 * The child's end is always fd 3. The supervisor's end survives its own re-execution, which is why this is not Bun's IPC.
 */

import type { DispatchGrant, TurnGrant } from "./accept-grants.ts";
import type { Config, LogLevel } from "./config.ts";
import type { AdminOrder, ControlResult, Look, ProxyEvent, Status } from "./control-socket.ts";
import type { SlowRequest } from "./inspection.ts";
import type { KeyReport } from "./key-report.ts";
import type { BlockSchema, Labels } from "./metrics.ts";
import type { MigrationOrder } from "./migration.ts";
import type { ClientRecord } from "./move.ts";
import type { StatsLayout } from "./stats.ts";
import type { SteeringOrder } from "./steering.ts";
import type { RetainedMessage } from "./worker-bus.ts";
import type { WorkerSet } from "./worker-set.ts";

/** Fd of the control channel in every child process. */
export const CONTROL_FD = 3;
/** Fd of the shared statistics memory in every child process. */
export const STATS_FD = 4;
/**
 * Fd of a worker's hand-over socket (unix, SEQPACKET): a hand-over packet is a client connection that changes its worker. The
 * supervisor has the other end and passes packets on; see PacketHead. In control messages they are called parcels, as they were once here.
 */
export const HANDOVER_FD = 5;
/** Fd of the first listening socket in a worker; the others follow without gaps. */
export const LISTEN_FD_FIRST = 6;
/** Fd of the first listening socket in the admin process: of the statistics port, if there is one, and then of HTTP. */
export const ADMIN_LISTEN_FD = 5;
/** Longest packet on a hand-over socket. Longer packets carry their bytes in a memory file. */
export const PACKET_BYTES_MAX: number = 64 * 1024;
/** Formats of hand-over packets that this program can read, the best one last. */
export const PACKET_FORMATS: readonly number[] = [1, 2, 3, 4];
/** From this format of packets on, clients move in groups. */
export const GROUP_FORMAT = 2;
/** From this format of packets on, what a part of a group says of itself is its `part`. */
export const PART_FORMAT = 4;
/** Programs that read this format of packet also know the messages of the worker bus. */
export const BUS_SINCE_PACKET_FORMAT = 2;

/** Changes when a message between supervisor and children changes its meaning: then no upgrade in place is possible. */
export const CONTROL_PROTOCOL = 1;
/** Formats of the state that a supervisor leaves to the program that replaces it, the best one last. */
export const STATE_FORMATS: readonly number[] = [1];

/** What an executable says of itself, as one line of JSON on stdout, when its only argument is `ABOUT_ROLE`. */
export interface About {
  readonly name: "proxy";
  readonly version: string;
  readonly commit: string;
  readonly controlProtocol: number;
  readonly parcelFormats: readonly number[];
  readonly stateFormats: readonly number[];
  /** Its workers move keys to other servers, see api/migration.ts. Absent: they cannot. */
  readonly movesKeys?: boolean;
  /** Its workers can be steered, see api/steering.ts. Absent: they cannot. */
  readonly isSteerable?: boolean;
}

export const ABOUT_ROLE = "__about";
/** Prints the resolved configuration as `ConfigAnswer`: the file's path, then the arguments of `run`. */
export const CONFIG_ROLE = "__config";
/** Reads a supervisor's state from descriptor REHEARSAL_FD and prints "ok" when it could go on with it. */
export const REHEARSE_ROLE = "__rehearse";
export const REHEARSAL_FD = 3;
/** Names the descriptor of the state, for a supervisor that replaces another in place. */
export const STATE_VARIABLE = "PROXY_STATE_FD";

/** What a configuration file comes to, or everything that is wrong with it, one line each. */
export type ConfigAnswer =
  | { readonly config: Config; readonly warnings: readonly string[] }
  | { readonly problems: readonly string[] };

export interface ListenerGrant {
  /** Name of the pool that clients of this socket talk to. */
  readonly pool: string;
  /** The listening socket's number in the worker process. */
  readonly fd: number;
}

/** Who a child becomes once it has what only the supervisor's user may open. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

export type ToWorker =
  | {
      readonly type: "start";
      /** Its region of the statistics memory; no other living worker has the same. */
      readonly slot: number;
      /** Counted from 0 in its generation: decides on its CPU core. */
      readonly index: number;
      /** Counts all workers ever started, over upgrades, too: what it numbers by this is unique. */
      readonly birth: number;
      /** Worker processes in all. */
      readonly workers: number;
      /** The set that it belongs to. Absent: there is one, of all pools and workers; so it is where the supervisor is older than this. */
      readonly set?: WorkerSet;
      readonly config: Config;
      readonly listeners: readonly ListenerGrant[];
      /** Absent: it accepts on `listeners`. */
      readonly dispatch?: DispatchGrant;
      /** Present when it takes turns with the others on `listeners`. */
      readonly turns?: TurnGrant;
      /** Absent: as whom it was started. */
      readonly runAs?: RunAs;
      readonly stats: StatsLayout;
      /** What is retained on the worker bus; absent: an older supervisor, which retains nothing. */
      readonly notices?: readonly RetainedMessage[];
      /** What goes before `config` from the start; absent: an older supervisor, which steers nothing. */
      readonly steering?: SteeringOrder;
      /** Where keys are, beside `config`. Absent: an older supervisor, which moves none. */
      readonly migration?: MigrationOrder;
    }
  /**
   * `isFinal` false: could the worker do as the order says? Nothing is done. True: it is done. Both are answered by `steered`; an older
   * worker does not answer.
   */
  | { readonly type: "steer"; readonly order: SteeringOrder; readonly isFinal: boolean }
  /** Answered by `migrated`, when what the order holds is quiet. An older worker does not answer. */
  | { readonly type: "migrate"; readonly order: MigrationOrder }
  /** Accept no client any more, finish what is in flight, then exit 0; after timeoutMs close the rest. */
  | { readonly type: "drain"; readonly timeoutMs: number }
  | { readonly type: "stop" }
  | { readonly type: "reopen_log" }
  | { readonly type: "log_level"; readonly level: Config["log"]["level"] }
  /** The answer to `want_client_ids`: another birth number, which no worker has. */
  | { readonly type: "client_ids"; readonly birth: number }
  /** The answer to `want_block`: where it begins in the worker's region; null: there is no room for now. */
  | { readonly type: "block"; readonly id: number; readonly base: number | null }
  /**
   * Hand client connections over: put each, when no reply is owed to it, as a packet on HANDOVER_FD and say so with
   * `parcels`; at the end say `handed_over`.
   *
   * `sessions` null: all of them, and leave. Accept no client any more at once; whatever cannot be handed over within
   * timeoutMs is drained, and then the worker exits. A number: so many at the most, idle ones first, and go on serving.
   */
  | {
      readonly type: "hand_over";
      readonly sessions: number | null;
      /** Pools that the receiver has; sessions of others stay. */
      readonly pools: readonly string[];
      /** The format to write; null: the receiver knows none of ours, so nothing can be handed over. */
      readonly format: number | null;
      readonly timeoutMs: number;
    }
  /** So many more packets wait on HANDOVER_FD. Answered by `adopted`. */
  | { readonly type: "adopt"; readonly parcels: number }
  /** Answered by `pong` with the same id from the event loop: proof that it turns. */
  | { readonly type: "ping"; readonly id: number }
  /** Another worker has broadcast this, or has it retained under `key`. */
  | {
      readonly type: "hear";
      readonly topic: string;
      readonly key: string | null;
      readonly data: unknown;
    }
  /** A query of another worker. Answered by `answer`. */
  | {
      readonly type: "asked";
      readonly question: string;
      readonly topic: string;
      readonly data: unknown;
    }
  /** One answer to a query of its own. */
  | { readonly type: "answer"; readonly question: string; readonly data: unknown }
  /** All peers have answered, or are gone. */
  | { readonly type: "answered"; readonly question: string }
  /** The supervisor has nothing retained: it was of an older program until now. */
  | { readonly type: "tell_again" };

export type FromWorker =
  | {
      readonly type: "ready";
      readonly pid: number;
      readonly version: string;
      /** Its PACKET_FORMATS. */
      readonly parcelFormats: readonly number[];
      /** Absent: an older worker. */
      readonly engine?: { readonly name: string; readonly reason: string };
      /** It understands `steer`. Absent: it does not. */
      readonly isSteerable?: boolean;
    }
  /** A line of its log, see ProxyEvent. An older supervisor passes over it. */
  | {
      readonly type: "event";
      readonly level: LogLevel;
      readonly text: string;
      /** See ProxyEvent. Absent: an older worker. */
      readonly event?: string;
    }
  /**
   * Slow requests, and how many more there were of which it does not tell; `nowMs` by the clock of SlowRequest.agoFromMs. An older
   * supervisor passes over it.
   */
  | {
      readonly type: "slow";
      readonly nowMs: number;
      readonly requests: readonly SlowRequest[];
      readonly missed: number;
    }
  /** What was asked for most, and what is large. An older supervisor passes over it. */
  | { readonly type: "keys"; readonly report: KeyReport }
  /** `problem` not null: it cannot do as the order of this revision says. */
  | {
      readonly type: "steered";
      readonly revision: number;
      readonly isFinal: boolean;
      readonly problem: string | null;
      /** It is none if another worker, which has other pools, can do it. Absent: it is one. */
      readonly isElsewhere?: true;
    }
  /** It follows the order of this revision, and no request is at a server of a pool that it holds. */
  | { readonly type: "migrated"; readonly revision: number }
  /** Cannot serve (for instance: a listening fd is not usable); the worker exits after this. */
  | { readonly type: "failed"; readonly message: string }
  /** So many more packets were put on HANDOVER_FD. */
  | { readonly type: "parcels"; readonly count: number }
  /** The end of `hand_over`: `left` sessions stay, because they are busy, closing, or of a pool that is gone. */
  | { readonly type: "handed_over"; readonly moved: number; readonly left: number }
  /** `adopted` of the announced packets are sessions now; `failed` could not be, and were closed; `others` were no sessions. */
  | {
      readonly type: "adopted";
      readonly adopted: number;
      readonly failed: number;
      readonly others?: number;
    }
  /** Its birth numbers are nearly used up, see src/worker/client-ids.ts. An older supervisor does not answer. */
  | { readonly type: "want_client_ids" }
  /** A place in the statistics memory, `id` of this worker's choice. An older supervisor does not answer. */
  | {
      readonly type: "want_block";
      readonly id: number;
      readonly schema: BlockSchema;
      readonly labels: Labels;
    }
  | { readonly type: "drained"; readonly closed: number }
  | { readonly type: "pong"; readonly id: number; readonly clients: number }
  /**
   * To all other workers. With a key it is retained for later ones (data null: nothing is, under this key);
   * `clears`: nothing of the topic is retained any more.
   */
  | {
      readonly type: "tell";
      readonly topic: string;
      readonly key: string | null;
      readonly clears: boolean;
      readonly data: unknown;
    }
  /** A query to all other workers; `question` is its name, which no other query has. */
  | {
      readonly type: "ask";
      readonly question: string;
      readonly topic: string;
      readonly data: unknown;
    }
  | { readonly type: "answer"; readonly question: string; readonly isKnown: false }
  | {
      readonly type: "answer";
      readonly question: string;
      readonly isKnown: true;
      readonly data: unknown;
    };

/**
 * The head of a packet on a hand-over socket: JSON, then a line feed. With it come descriptors: the client's connection,
 * then `descriptors` of its own connections to servers, and, if `isInline` is false, a memory file. `inputBytes`, then
 * `outputBytes` and then `clientBytes` bytes follow behind the line feed, or stand in that file.
 */
export interface PacketHead {
  readonly format: number;
  readonly pool: string;
  /** What the client's protocol module must know again; its own business. */
  readonly client: unknown;
  /** Received, but not handled yet. */
  readonly inputBytes: number;
  /** Replies that the client has not taken yet. */
  readonly outputBytes: number;
  readonly isInline: boolean;
  /** Since format 2. */
  readonly descriptors?: number;
  /** Since format 2. Not 0: `client` was too long for the head; its JSON stands behind the output. */
  readonly clientBytes?: number;
  /** See ClientRecord. Absent: the sender is older than this, or the packet is no client. A reader that does not know it counts anew. */
  readonly record?: ClientRecord;
  /**
   * Since format 2, and then the first field: packets of one group go to one worker. They are its parts and its clients, as
   * the protocol module has ordered them, and then the end (`isLast`).
   */
  readonly group?: string;
  /** No client, and no descriptor. */
  readonly isLast?: boolean;
  /**
   * Since format 4. No client but a part of a group, see PartPacket: it comes with `connections` descriptors, 0 or 1. In
   * formats 2 and 3 the fields of a part stand in the head itself, and those with `names` have no descriptor.
   */
  readonly part?: object;
  readonly connections?: number;
  readonly link?: object;
  readonly names?: object;
}

/** The admin process serves statistics, over twemproxy's port and over HTTP, and passes orders on that came with a token for them. */
export type ToAdmin =
  | {
      readonly type: "start";
      readonly config: Config;
      readonly stats: StatsLayout;
      /** The text statistics port's listening socket in the admin process, or null. */
      readonly statsListenFd: number | null;
      readonly version: string;
      /** The HTTP port's listening socket in the admin process, or null. Absent: an older supervisor, which has none. */
      readonly adminListenFd?: number | null;
      /** The verbs of looks that the supervisor answers: others may do it harm. Absent: an older supervisor, which answers the first two. */
      readonly looks?: readonly string[];
      /** The verbs of orders that the supervisor takes. Absent: an older supervisor, which takes none. */
      readonly orders?: readonly string[];
      /** Memory for what the admin process leaves to the next one, see admin/overview/history.ts. Absent: there is none. */
      readonly historyFd?: number;
      /** Milliseconds since the epoch at which the supervisor started. */
      readonly startedAtMs: number;
      readonly runAs?: RunAs;
    }
  /**
   * The answer to `ask`; `stats` when the layout has another number of blocks than the admin process knows; `events` when it has asked for
   * them and there are new ones.
   */
  | {
      readonly type: "status";
      readonly id: number;
      readonly status: AdminStatus;
      readonly stats?: StatsLayout;
      readonly events?: readonly ProxyEvent[];
    }
  /** The answer to `look`, or to `order`. */
  | { readonly type: "seen"; readonly id: number; readonly result: ControlResult }
  | { readonly type: "stop" }
  | { readonly type: "reopen_log" };

/** What the supervisor tells the admin process, which reads figures itself. */
export type AdminStatus = Omit<Status, "pools" | "metrics">;

/** An older supervisor does not answer what it does not know. */
export type FromAdmin =
  | {
      readonly type: "ask";
      readonly id: number;
      /** Blocks in the directory that it knows. */
      readonly blocks: number;
      /** The number of the last event that it knows; 0: of none. An older supervisor tells of none. */
      readonly after?: number;
    }
  | {
      readonly type: "look";
      readonly id: number;
      readonly look: Look;
    }
  /** `by`: from where the order came, in words for the log. */
  | {
      readonly type: "order";
      readonly id: number;
      readonly order: AdminOrder;
      readonly by: string;
    };

/** Fd of the first socket in the acceptor process; the others follow without gaps. */
export const ACCEPTOR_FD_FIRST = 5;

/** The acceptor process (`accept: dispatch`) takes connections and gives each to the worker with the fewest. */
export type ToAcceptor =
  | {
      readonly type: "start";
      readonly config: Config;
      readonly stats: StatsLayout;
      readonly listeners: readonly ListenerGrant[];
      /** The other ends of the workers' DispatchGrants, by slot. */
      readonly workers: readonly (DispatchGrant & { readonly slot: number })[];
      readonly runAs?: RunAs;
    }
  | { readonly type: "stop" }
  | { readonly type: "reopen_log" }
  /** Answered by `pong`, as by a worker; and it says `ready`. */
  | { readonly type: "ping"; readonly id: number };
