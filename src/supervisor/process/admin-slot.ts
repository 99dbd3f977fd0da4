/** The admin process's slot. Another configuration, memory or program means another process; its socket stays. */
import type { Config } from "../../api/config.ts";
import { ADMIN_LISTEN_FD, type FromAdmin, type RunAs, type ToAdmin } from "../../api/control.ts";
import {
  ADMIN_ORDER_VERBS,
  type ControlResult,
  LOOK_VERBS,
  type ProcessStatus,
} from "../../api/control-socket.ts";
import type { Logger } from "../../base/log.ts";
import type { Program } from "../program/program.ts";
import type { StatsMemory } from "../stats/stats-store.ts";
import { ChildKeeper, type KeeperSnapshot } from "./child-keeper.ts";

export interface AdminPlan {
  readonly config: Config;
  readonly program: Program;
  readonly memory: StatsMemory;
  /** Memory for what an admin process leaves to the next one. */
  readonly historyFd: number;
  readonly generation: number;
  /** Listening sockets: of the statistics port, and of HTTP. Null: there is none; of one of them at most. */
  readonly statsFd: number | null;
  readonly httpFd: number | null;
  readonly isSilent: boolean;
  readonly startedAtMs: number;
  readonly runAs: RunAs | null;
}

type Question<Type> = Extract<FromAdmin, { readonly type: Type }>;

/** What the supervisor says when the admin process asks. */
export interface AdminAnswers {
  status(question: Question<"ask">): Extract<ToAdmin, { readonly type: "status" }>;
  look(look: Question<"look">["look"]): Promise<ControlResult>;
  order(order: Question<"order">["order"], by: string): Promise<ControlResult>;
}

type AdminKeeper = ChildKeeper<FromAdmin, ToAdmin>;

export class AdminSlot {
  readonly #log: Logger;
  readonly #onEmpty: () => void;
  readonly #answers: AdminAnswers;
  #current: AdminKeeper | null = null;
  readonly #all = new Set<AdminKeeper>();

  constructor(log: Logger, answers: AdminAnswers, onEmpty: () => void) {
    this.#log = log;
    this.#answers = answers;
    this.#onEmpty = onEmpty;
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  get statuses(): ProcessStatus[] {
    return [...this.#all].map((keeper) => keeper.status(0));
  }

  /** @param plan null: there is nothing to serve any more */
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

  async #answer(keeper: AdminKeeper, question: Question<"look" | "order">): Promise<void> {
    const { id } = question;
    const result =
      question.type === "look"
        ? await this.#answers.look(question.look)
        : await this.#answers.order(question.order, question.by);
    keeper.send({ type: "seen", id, result });
  }

  #create(plan: AdminPlan): AdminKeeper {
    const { config, program, memory, generation, isSilent, startedAtMs, runAs } = plan;
    const { statsFd, httpFd, historyFd } = plan;
    const listening = [statsFd, httpFd].filter((fd) => fd !== null);
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
        fds: () => [memory.fd, ...listening, historyFd],
        startMessage: (): ToAdmin => ({
          type: "start",
          config,
          stats: memory.layout,
          statsListenFd: statsFd === null ? null : ADMIN_LISTEN_FD,
          adminListenFd: httpFd === null ? null : ADMIN_LISTEN_FD + listening.length - 1,
          looks: LOOK_VERBS,
          orders: ADMIN_ORDER_VERBS,
          historyFd: ADMIN_LISTEN_FD + listening.length,
          version,
          startedAtMs,
          ...(runAs === null ? {} : { runAs }),
        }),
      },
      {
        onReady() {},
        onMessage: (message) => {
          if (message.type === "ask") keeper.send(this.#answers.status(message));
          else if (message.type === "look" || message.type === "order") {
            void this.#answer(keeper, message);
          }
        },
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
