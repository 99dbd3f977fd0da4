/**
 * What a command (`proxy status` and so on) and the supervisor say to each other over the control socket: one JSON object
 * a line. A connection carries one request, any number of progress lines, and one result.
 */

import type { HostsStatus } from "./hosts.ts";
import type {
  ClientQuery,
  ClientReport,
  KickedClient,
  KickTarget,
  SlowLogReport,
} from "./inspection.ts";
import type { BigKeyOrder, BigKeysReport, HotKeysReport } from "./key-report.ts";
import type { PoolVerification, ServerSweep, VerifyOrder } from "./migration.ts";
import type { PoolFigures, SetFigures } from "./stats.ts";
import type { Lever, LeverKind } from "./steering.ts";

/** Longest request, in bytes. */
export const REQUEST_BYTES_MAX: number = 64 * 1024;

export type ControlRequest =
  | { readonly verb: "status" }
  | { readonly verb: "reload"; readonly isDryRun: boolean }
  /**
   * `path` null: the path that the proxy was started from. `isTrusted`: also a file that users other than the proxy's own and
   * root may change; absent: no.
   */
  | { readonly verb: "upgrade"; readonly path: string | null; readonly isTrusted?: boolean }
  /** The connection is closed when the proxy is gone. `timeoutMs` null: as configured. */
  | { readonly verb: "stop"; readonly isDrain: boolean; readonly timeoutMs: number | null }
  | ConfigOrder
  | LeverOrder
  | InspectionOrder
  /** `pool` null: all. */
  | { readonly verb: "migration"; readonly order: MigrationVerb; readonly pool: string | null }
  | VerifyOrder
  /** The host is gone for good: others do not wait for it any more. */
  | { readonly verb: "forget_host"; readonly host: string }
  /** Those that came after the one of number `after` (0: all that are kept), at most the last `count`. */
  | { readonly verb: "events"; readonly after: number; readonly count: number };

export type MigrationVerb = "status" | "pause" | "resume" | "cancel";
export const MIGRATION_VERBS: readonly MigrationVerb[] = ["status", "pause", "resume", "cancel"];

/** A pool whose keys move to other servers, or have gone back. */
export interface MigrationStatus {
  readonly pool: string;
  readonly epoch: number;
  /** `declined`: an operator has taken it back, and the configuration still asks for it. */
  readonly phase: "before" | "moving" | "declined";
  readonly isPaused: boolean;
  /** It takes back another one. */
  readonly isReverse: boolean;
  /** Names of servers, in the order of the rings. */
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly sinceMs: number;
  /** What is in the way; null: nothing. */
  readonly problem: string | null;
  /** How far the sweeper is with servers that it has looked at. */
  readonly servers: readonly ServerSweep[];
  /** Addresses of servers that no key leaves any more, and how many servers keys leave. */
  readonly swept: readonly string[];
  readonly sources: number;
}

/** What changes nothing: the admin process may ask for it. */
export type Look = Exclude<
  InspectionOrder,
  { readonly verb: "kick" | "slowlog_reset" | "bigkeys_reset" }
>;

/** Those that this program's supervisor answers. */
export const LOOK_VERBS: readonly Look["verb"][] = ["clients", "slowlog", "hotkeys", "bigkeys"];

/**
 * What the admin process may have the supervisor do for an operator who has the token for it. Those before the others change nothing. Some
 * forms of them only the control socket takes, see supervisor/steering/admin-orders.ts.
 */
export const ADMIN_ORDER_VERBS: readonly AdminOrder["verb"][] = [
  "config_get",
  "config_diff",
  "config_set",
  "config_unset",
  "lever",
  "release",
  "kick",
];
export type AdminOrder =
  | ConfigOrder
  | LeverOrder
  | Extract<InspectionOrder, { readonly verb: "kick" }>;

/** What operators look at, see api/inspection.ts; and whom they disconnect. */
export type InspectionOrder =
  | { readonly verb: "clients"; readonly query: ClientQuery }
  | { readonly verb: "kick"; readonly target: KickTarget }
  /** Those behind number `after` (0: all that are kept), at most the last `count`; `pool` null: of all. */
  | {
      readonly verb: "slowlog";
      readonly after: number;
      readonly count: number;
      readonly pool: string | null;
    }
  | { readonly verb: "slowlog_reset"; readonly pool: string | null }
  /** `pool` null: of all; at most `limit`. */
  | { readonly verb: "hotkeys"; readonly pool: string | null; readonly limit: number }
  | {
      readonly verb: "bigkeys";
      readonly pool: string | null;
      readonly limit: number;
      readonly order: BigKeyOrder;
    }
  | { readonly verb: "bigkeys_reset"; readonly pool: string | null };

/** What operators hold back for a while, see LeverKind. */
export type LeverOrder =
  | {
      readonly verb: "lever";
      readonly kind: LeverKind;
      readonly pool: string | null;
      readonly text: string;
      readonly forMs: number;
    }
  /** Ends what matches all that is not null. */
  | {
      readonly verb: "release";
      readonly id: number | null;
      readonly kind: LeverKind | null;
      readonly pool: string | null;
      /** Absent: null. */
      readonly text?: string | null;
    };

/** Options are named by their path, see config/option-path.ts, and values are written as in a file. */
export type ConfigOrder =
  /** `path` null: all. */
  | { readonly verb: "config_get"; readonly path: string | null }
  /**
   * `isSaved`: also in the file. `reloads`: then reload. `forMs`: it is taken back after so many milliseconds; null: when the file is
   * read again.
   */
  | {
      readonly verb: "config_set";
      readonly path: string;
      readonly value: string;
      readonly isSaved: boolean;
      readonly reloads: boolean;
      readonly forMs: number | null;
    }
  /** `path` null: all that was set. */
  | { readonly verb: "config_unset"; readonly path: string | null }
  | { readonly verb: "config_diff" };

export type ControlReply = { readonly progress: string } | { readonly result: ControlResult };

/** `lines` are for humans, `problems` say why it failed. */
export type ControlResult =
  /** `isUnknown`: it names what is not there; absent: no, or it is not known. */
  | { readonly ok: false; readonly problems: readonly string[]; readonly isUnknown?: boolean }
  | { readonly ok: true; readonly verb: "status"; readonly status: Status }
  | {
      readonly ok: true;
      readonly verb: "reload";
      readonly changes: Changes;
      /** Of the generation that took over. It was called a crew, and is called so on the wire, see GenerationResult. */
      readonly crew: GenerationResult | null;
    }
  | {
      readonly ok: true;
      readonly verb: "upgrade";
      readonly from: string;
      readonly to: string;
      readonly crew: GenerationResult;
      readonly warning: string | null;
    }
  | { readonly ok: true; readonly verb: "stop" }
  /** `pools`: those that the order was for. */
  | {
      readonly ok: true;
      readonly verb: "migration";
      readonly order: MigrationVerb;
      readonly pools: readonly string[];
      readonly migrations: readonly MigrationStatus[];
    }
  | {
      readonly ok: true;
      readonly verb: "verify_keys";
      readonly pools: readonly PoolVerification[];
    }
  | { readonly ok: true; readonly verb: "forget_host"; readonly host: string }
  | { readonly ok: true; readonly verb: "clients"; readonly report: ClientReport }
  | { readonly ok: true; readonly verb: "slowlog"; readonly report: SlowLogReport }
  | { readonly ok: true; readonly verb: "slowlog_reset" }
  | { readonly ok: true; readonly verb: "hotkeys"; readonly report: HotKeysReport }
  | { readonly ok: true; readonly verb: "bigkeys"; readonly report: BigKeysReport }
  | { readonly ok: true; readonly verb: "bigkeys_reset" }
  | { readonly ok: true; readonly verb: "kick"; readonly clients: readonly KickedClient[] }
  | { readonly ok: true; readonly verb: "config_get"; readonly options: readonly ConfigOption[] }
  | {
      readonly ok: true;
      readonly verb: "config_set";
      readonly path: string;
      /** The value before, and the one that was set. */
      readonly from: string;
      readonly text: string;
      /** False: it takes effect with the next reload. */
      readonly isLive: boolean;
      readonly isSaved: boolean;
      /** It was followed by a reload. */
      readonly isReloaded: boolean;
      readonly forMs: number | null;
    }
  | { readonly ok: true; readonly verb: "events"; readonly events: readonly ProxyEvent[] }
  /** `warnings`: what its user may not expect, one line each; absent: nothing. */
  | {
      readonly ok: true;
      readonly verb: "lever";
      readonly lever: LeverStatus;
      readonly warnings?: readonly string[];
    }
  | { readonly ok: true; readonly verb: "release"; readonly levers: readonly LeverStatus[] }
  | { readonly ok: true; readonly verb: "config_unset"; readonly paths: readonly string[] }
  | {
      readonly ok: true;
      readonly verb: "config_diff";
      /** From what the file says now to what holds, one line each, for humans. */
      readonly lines: readonly string[];
      readonly settings: readonly SettingStatus[];
    };

/** An option of the running configuration. */
export interface ConfigOption {
  readonly path: string;
  readonly text: string;
  /** It can be set while workers run. */
  readonly isLive: boolean;
  /** Not null: it was set, and the file does not say so. */
  readonly setting: SettingStatus | null;
}

/** A line of the log that is no mere detail. */
export interface ProxyEvent {
  /** Counts from 1, over upgrades, too. */
  readonly number: number;
  readonly atMs: number;
  readonly level: string;
  /** "supervisor", "worker/2" */
  readonly process: string;
  /** Message and fields, as in the log. */
  readonly text: string;
  /** See base/log-event.ts. Absent: it comes from an older program. */
  readonly event?: string;
}

export interface LeverStatus extends Lever {
  readonly id: number;
  /** The user who pulled it; -1: see `by`. */
  readonly uid: number;
  /** From where it was ordered, when that was no user at the control socket. Absent: it was one. */
  readonly by?: string;
  readonly atMs: number;
  readonly untilMs: number;
}

/** A value that was set in the running proxy. Times in milliseconds since the epoch. */
export interface SettingStatus {
  readonly path: string;
  readonly text: string;
  /** The user who set it; -1: see `by`. */
  readonly uid: number;
  /** From where it was ordered, when that was no user at the control socket. Absent: it was one, or a signal. */
  readonly by?: string;
  readonly atMs: number;
  /** Null: until the file is read again. */
  readonly untilMs: number | null;
}

/**
 * How a change of generation went.
 *
 * A generation was called a crew once. On the wire (here, in `--json` and in the state that a supervisor leaves to the next program) the old
 * word stays, because programs of both ages and users' scripts read it; the number of a generation stands there under both names.
 */
export interface GenerationResult {
  readonly crew: number;
  /** The same number. Absent: the proxy is older than this. */
  readonly generation?: number;
  readonly workers: number;
  /** Client connections that went over to the new workers. */
  readonly moved: number;
  /** Those that stay with the old ones until they are finished, at most for the drain time-out. */
  readonly left: number;
  /** Those that were lost, because a process died with them. */
  readonly lost: number;
  readonly tookMs: number;
}

/** What a reload changes. */
export interface Changes {
  /** One line each, for humans. Empty: nothing changes. */
  readonly lines: readonly string[];
  readonly warnings: readonly string[];
  readonly rings: readonly RingChange[];
}

/** Keys of a pool that another server has afterwards. */
export interface RingChange {
  readonly pool: string;
  /** 0 … 1 */
  readonly movedShare: number;
  /** What would move along, and how long that takes at least. Absent: nothing would, or it is not known. */
  readonly moving?: { readonly keys: number; readonly bytes: number; readonly seconds: number };
}

export interface Status {
  readonly pid: number;
  readonly version: string;
  readonly commit: string;
  readonly configFile: string | null;
  readonly startedAtMs: number;
  readonly uptimeMs: number;
  readonly phase: string;
  /** When the phase began, milliseconds since the epoch. Absent: the proxy is older than this. */
  readonly phaseSinceMs?: number;
  /** Which generation serves, counted from 1. */
  readonly crew: number;
  /** The same number. Absent: the proxy is older than this. */
  readonly generation?: number;
  /** What is going on besides: "reload", "upgrade". */
  readonly activity: string | null;
  readonly listen: readonly string[];
  readonly clients: number;
  /** What happened to the last reload or upgrade, or null. */
  readonly lastChange: LastChange | null;
  readonly processes: readonly ProcessStatus[];
  /** Values that hold and are not the file's. Absent: the proxy is older than this. */
  readonly settings?: readonly SettingStatus[];
  /** What is held back. Absent: the proxy is older than this. */
  readonly levers?: readonly LeverStatus[];
  /** Pools whose keys move to other servers. Absent: the proxy is older than this. */
  readonly migrations?: readonly MigrationStatus[];
  /** Null: it agrees with no other hosts. Absent: the proxy is older than this. */
  readonly hosts?: HostsStatus | null;
  /** What was counted since the proxy was started. Absent: the proxy is older than this. */
  readonly pools?: readonly PoolFigures[];
  /** Likewise, what protocols and modules count besides, by set and labels. Absent: the proxy is older than this. */
  readonly metrics?: readonly SetFigures[];
}

export interface LastChange {
  readonly what: string;
  readonly atMs: number;
  readonly ok: boolean;
  readonly problems: readonly string[];
}

export interface ProcessStatus {
  readonly role: "worker" | "admin" | "acceptor" | "sweeper";
  readonly name: string;
  /** The pool whose own worker it is. Absent: it serves all that have no workers of their own, or is no worker. */
  readonly pool?: string;
  /** Null: between two processes. */
  readonly pid: number | null;
  readonly version: string;
  /** The generation that it belongs to. */
  readonly crew: number;
  /** The same number. Absent: the proxy is older than this. */
  readonly generation?: number;
  readonly state: "starting" | "serving" | "waiting" | "leaving" | "gone";
  readonly clients: number;
  readonly ageMs: number | null;
  readonly respawns: number;
  readonly lastDeath: Death | null;
  /** What its sockets are made of, and why; null: it has not said. Absent: it is no worker, or the proxy is older than this. */
  readonly engine?: EngineStatus | null;
}

/** "worker/3", "worker/5 of batch" */
export function processLabel({ name, pool }: Pick<ProcessStatus, "name" | "pool">): string {
  return pool === undefined ? name : `${name} of ${pool}`;
}

export interface EngineStatus {
  /** See EngineName. */
  readonly name: string;
  readonly reason: string;
}

export interface Death {
  readonly atMs: number;
  readonly reason: string;
}
