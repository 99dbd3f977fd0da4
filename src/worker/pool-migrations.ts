/** Has all pools of a worker go by the orders of their migrations. */
import type { MigrationOrder } from "../api/migration.ts";
import type { KeyMoving } from "../api/protocol-module.ts";
import { QUIET_LOOK_MS } from "../base/migration-limits.ts";
import { every, type Schedule } from "../base/schedule.ts";
import type { PoolFollower } from "./pool-follower.ts";
import type { MigratingPool, RestingPool, WorkerMigrations } from "./worker.ts";

interface MigrablePool {
  /** Null: keys stay where the configuration says. */
  readonly migration: PoolFollower | null;
  readonly protocol: { readonly keyMoving?: KeyMoving };
}

export class PoolMigrations implements WorkerMigrations {
  private readonly pools: ReadonlyMap<string, MigrablePool>;
  private readonly schedule: Schedule;
  private stopLooking: () => void = () => {};

  constructor(pools: ReadonlyMap<string, MigrablePool>, schedule: Schedule) {
    this.pools = pools;
    this.schedule = schedule;
  }

  seeAhead(): void {
    for (const { migration } of this.pools.values()) {
      if (migration !== null) migration.seesAhead = true;
    }
  }

  follow({ pools }: MigrationOrder, done: () => void): void {
    for (const [name, { migration }] of this.pools) {
      migration?.follow(pools.find(({ pool }) => pool === name) ?? null);
    }
    this.stopLooking();
    const look = (): void => {
      for (const { migration } of this.pools.values()) {
        if (migration?.isQuiet === false) return;
      }
      this.stopLooking();
      done();
    };
    this.stopLooking = every(this.schedule, QUIET_LOOK_MS, look);
    look();
  }

  poolOf(name: string): MigratingPool | null {
    const pool = this.pools.get(name);
    const planned = pool?.migration?.planned ?? null;
    const keyMoving = pool?.protocol.keyMoving;
    return planned === null || keyMoving === undefined ? null : { planned, keyMoving };
  }

  restingPool(name: string): RestingPool | null {
    const { migration = null, protocol } = this.pools.get(name) ?? {};
    const keyMoving = protocol?.keyMoving;
    return migration === null || keyMoving === undefined
      ? null
      : { keyMoving, servers: migration.servers };
  }

  close(): void {
    this.stopLooking();
  }
}
