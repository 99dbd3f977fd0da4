/** The sweeper's process: there while keys are to be moved, replaced when it dies. */
import type { Config } from "../../api/config.ts";
import type { RunAs } from "../../api/control.ts";
import type { ProcessStatus } from "../../api/control-socket.ts";
import type { MigrationOrder } from "../../api/migration.ts";
import type { FromSweeper, ToSweeper } from "../../api/sweeper.ts";
import type { Logger } from "../../base/log.ts";
import { ChildKeeper } from "../process/child-keeper.ts";
import type { Program } from "../program/program.ts";
import type { StatsMemory } from "../stats/stats-store.ts";
import type { SweeperEvents, SweeperSlot } from "./migration-parts.ts";

export interface SweeperPlan {
  readonly config: Config;
  readonly program: Program;
  readonly memory: StatsMemory;
  readonly generation: number;
  readonly isSilent: boolean;
  readonly runAs: RunAs | null;
}

type Keeper = ChildKeeper<FromSweeper, ToSweeper>;

export class SweeperProcess implements SweeperSlot {
  readonly #log: Logger;
  readonly #plan: () => SweeperPlan | null;
  readonly #order: () => MigrationOrder;
  readonly #events: SweeperEvents;
  readonly #onEmpty: () => void;
  #current: Keeper | null = null;
  readonly #all = new Set<Keeper>();

  /** @param plan asked at each start; null: nothing serves, so nothing is swept @param onEmpty told when its last process is gone */
  constructor(
    log: Logger,
    plan: () => SweeperPlan | null,
    order: () => MigrationOrder,
    events: SweeperEvents,
    onEmpty: () => void,
  ) {
    this.#log = log;
    this.#plan = plan;
    this.#order = order;
    this.#events = events;
    this.#onEmpty = onEmpty;
  }

  get isThere(): boolean {
    return this.#all.size > 0;
  }

  get statuses(): ProcessStatus[] {
    return [...this.#all].map((keeper) => keeper.status(0));
  }

  start(): void {
    if (this.isThere) return;
    const plan = this.#plan();
    if (plan === null) return;
    this.#current = this.#create(plan);
    this.#current.start();
  }

  stop(): void {
    const old = this.#current;
    this.#current = null;
    old?.stop();
  }

  send(order: MigrationOrder): void {
    this.tell({ type: "migrate", order });
  }

  tell(message: ToSweeper): void {
    this.#current?.send(message);
  }

  reopenLog(): void {
    this.#current?.send({ type: "reopen_log" });
  }

  tick(): void {
    for (const keeper of this.#all) keeper.tick();
  }

  #create({ config, program, memory, generation, isSilent, runAs }: SweeperPlan): Keeper {
    const keeper: Keeper = new ChildKeeper<FromSweeper, ToSweeper>(
      {
        ...{ name: "sweeper", role: "sweeper", title: "proxy: sweeper" },
        ...{ isSilent, answers: true, generation, program },
        // The places of the statistics and of the hand-over socket of a worker, which it does not use.
        fds: () => [memory.fd, memory.fd],
        startMessage: (): ToSweeper => ({
          ...{ type: "start", config, stats: memory.layout, migration: this.#order() },
          ...(runAs === null ? {} : { runAs }),
        }),
      },
      {
        onReady() {},
        onMessage: (message) => {
          if (this.#current === keeper) this.#events.onMessage(message);
        },
        onDeath: () => {
          if (this.#current === keeper) this.#events.onDeath?.();
        },
        onGone: () => {
          this.#all.delete(keeper);
          if (this.isThere) return;
          this.#events.onGone();
          this.#onEmpty();
        },
      },
      this.#log,
    );
    this.#all.add(keeper);
    return keeper;
  }
}
