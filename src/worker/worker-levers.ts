/** What operators hold back, in all pools of one worker. */
import type { Lever } from "../api/steering.ts";
import type { Logger } from "../base/log.ts";
import type { DrainableTopology } from "../topology/drainable.ts";
import { Drains } from "./drains.ts";
import type { PoolLevers } from "./pool-levers.ts";
import type { LeverProblem } from "./worker.ts";

export interface LeveredPlane {
  readonly levers: PoolLevers;
  readonly topology: DrainableTopology;
}

export class WorkerLevers {
  /** By name. */
  private readonly pools: ReadonlyMap<string, LeveredPlane>;
  private readonly drains: Drains;

  constructor(log: Logger, pools: ReadonlyMap<string, LeveredPlane>) {
    this.pools = pools;
    this.drains = new Drains(log, pools);
  }

  /** Why one of them cannot be followed; null: all can. */
  problemOf(levers: readonly Lever[]): LeverProblem | null {
    for (const lever of levers) {
      const pool = lever.pool === null ? undefined : this.pools.get(lever.pool);
      const problem = pool?.levers.problemOf(lever) ?? null;
      if (problem !== null) return { text: problem, isElsewhere: false };
    }
    return this.drains.problemOf(levers);
  }

  /** @param levers of all kinds and pools: they replace those before */
  follow(levers: readonly Lever[]): void {
    for (const { levers: own } of this.pools.values()) own.follow(levers);
    this.drains.follow(levers);
  }
}
