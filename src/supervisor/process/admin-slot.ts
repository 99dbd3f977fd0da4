/** The admin process's slot. Another configuration, memory or program means another process; its socket stays. */
import type { Config } from "../../api/config.ts";
import { ADMIN_LISTEN_FD, type RunAs, type ToAdmin } from "../../api/control.ts";
import type { ProcessStatus } from "../../api/control-socket.ts";
import type { Logger } from "../../base/log.ts";
import type { Program } from "../program/program.ts";
import type { StatsMemory } from "../stats/stats-store.ts";
import { ChildKeeper, type KeeperSnapshot } from "./child-keeper.ts";

export interface AdminPlan {
  readonly config: Config;
  readonly program: Program;
  readonly memory: StatsMemory;
  readonly generation: number;
  /** The statistics port's listening socket. */
  readonly listenFd: number;
  readonly isSilent: boolean;
  readonly startedAtMs: number;
  readonly runAs: RunAs | null;
}

type AdminKeeper = ChildKeeper<{ readonly type: never }, ToAdmin>;

export class AdminSlot {
  readonly #log: Logger;
  readonly #onEmpty: () => void;
  #current: AdminKeeper | null = null;
  readonly #all = new Set<AdminKeeper>();

  constructor(log: Logger, onEmpty: () => void) {
    this.#log = log;
    this.#onEmpty = onEmpty;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  get statuses(): ProcessStatus[] {
    return [...this.#all].map((keeper) => keeper.status(0));
  }

  /** @param plan null: there is no statistics port any more */
  replace(plan: AdminPlan | null): void {
    const old = this.#current;
    this.#current = plan === null ? null : this.#create(plan);
    // In this order: the port's socket is always served.
    this.#current?.start();
    old?.stop();
  }

  send(message: { readonly type: "reopen_log" }): void {
    for (const keeper of this.#all) keeper.send(message);
  }

  stop(): void {
    for (const keeper of [...this.#all]) keeper.stop();
  }

  /** Undefined: a process is just ending; ask again in a moment. Null: there is none. */
  snapshot(): KeeperSnapshot | null | undefined {
    if (this.#all.size > (this.#current === null ? 0 : 1)) return undefined;
    if (this.#current === null) return null;
    return this.#current.snapshot() ?? undefined;
  }

  resume(plan: AdminPlan, snapshot: KeeperSnapshot): void {
    this.#current = this.#create(plan);
    this.#current.resume(snapshot);
  }

  #create(plan: AdminPlan): AdminKeeper {
    const { config, program, memory, generation, listenFd, isSilent, startedAtMs, runAs } = plan;
    const { version } = program.about;
    const keeper: AdminKeeper = new ChildKeeper(
      {
        name: "admin",
        role: "admin",
        title: "proxy: admin",
        isSilent,
        answers: false,
        generation,
        program,
        fds: () => [memory.fd, listenFd],
        startMessage: (): ToAdmin => ({
          type: "start",
          config,
          stats: memory.layout,
          statsListenFd: ADMIN_LISTEN_FD,
          version,
          startedAtMs,
          ...(runAs === null ? {} : { runAs }),
        }),
      },
      {
        onReady() {},
        onMessage() {},
        onDeath() {},
        onGone: () => {
          this.#all.delete(keeper);
          if (this.isEmpty) this.#onEmpty();
        },
      },
      this.#log,
    );
    this.#all.add(keeper);
    return keeper;
  }
}
