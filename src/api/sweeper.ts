/** What the supervisor and the sweeper say to each other. */
import type { Config } from "./config.ts";
import type { RunAs } from "./control.ts";
import type { Mend, MigrationOrder, PoolVerification, ServerSweep } from "./migration.ts";
import type { StatsLayout } from "./stats.ts";

export type ToSweeper =
  | {
      readonly type: "start";
      readonly config: Config;
      readonly stats: StatsLayout;
      readonly migration: MigrationOrder;
      /** Absent: as whom it was started. */
      readonly runAs?: RunAs;
    }
  | { readonly type: "migrate"; readonly order: MigrationOrder }
  /** Answered by `verified`. */
  | {
      readonly type: "verify";
      readonly pools: readonly string[];
      readonly mend: Mend | null;
      readonly sample: number | null;
    };

/** `epoch` is that of the migration which the sweeper followed. */
export type FromSweeper =
  | { readonly type: "ready"; readonly pid: number; readonly version: string }
  /** Before keys move: what would hide them at their new servers; null: nothing. */
  | {
      readonly type: "checked";
      readonly pool: string;
      readonly epoch: number;
      readonly problem: string | null;
    }
  /** The server has no key left that belongs elsewhere. Said again and again. */
  | {
      readonly type: "swept";
      readonly pool: string;
      readonly epoch: number;
      readonly address: string;
    }
  | { readonly type: "verified"; readonly pools: readonly PoolVerification[] }
  | {
      readonly type: "sweeping";
      readonly pool: string;
      readonly epoch: number;
      readonly servers: readonly ServerSweep[];
    };
