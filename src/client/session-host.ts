import type { Schedule } from "../base/schedule.ts";
import type { Turn } from "../base/turn.ts";
import type { PoolLanes } from "./client-lane.ts";
import type { ClientMemory } from "./client-memory.ts";
import type { ClientTimes } from "./client-times.ts";

/** What sessions of one pool share, and their parts. */
export interface SessionHost {
  readonly turn: Turn;
  readonly schedule: Schedule;
  /** Of all clients of the worker. */
  readonly memory: ClientMemory;
  readonly lanes: PoolLanes;
  /** This worker's statistics, and where the pool's begin. */
  readonly counters: Float64Array;
  readonly countersBase: number;
  /** Null: requests of these sessions are not measured. */
  readonly times: ClientTimes | null;
}
