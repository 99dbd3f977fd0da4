/** The acceptor process's slot in a generation that gets its clients from one (`accept: dispatch`). */
import type { FromWorker, ToAcceptor } from "../../api/control.ts";
import type { ProcessStatus } from "../../api/control-socket.ts";
import type { Logger } from "../../base/log.ts";
import { ChildKeeper, type KeeperEvents, type KeeperSnapshot } from "../process/child-keeper.ts";
import type { AcceptorGrant } from "../sockets/accept-source.ts";
import type { GenerationPlan } from "./worker-slot.ts";

export type AcceptorEvents = Omit<KeeperEvents<FromWorker>, "onMessage">;

export class AcceptorSlot {
  static readonly NAME = "acceptor";
  readonly #keeper: ChildKeeper<FromWorker, ToAcceptor>;
  readonly #gone = Promise.withResolvers<void>();

  /** @param acceptSource asked before every start */
  constructor(
    generation: GenerationPlan,
    acceptSource: () => AcceptorGrant,
    events: AcceptorEvents,
    log: Logger,
  ) {
    const { program, memory, config, runAs } = generation;
    this.#keeper = new ChildKeeper<FromWorker, ToAcceptor>(
      {
        name: AcceptorSlot.NAME,
        role: "acceptor",
        title: "proxy: acceptor",
        isSilent: generation.isSilent,
        answers: true,
        generation: generation.number,
        program,
        fds: () => [memory.fd, ...acceptSource().fds],
        startMessage: (): ToAcceptor => ({
          type: "start",
          config,
          stats: memory.layout,
          ...acceptSource().start,
          ...(runAs === null ? {} : { runAs }),
        }),
      },
      {
        ...events,
        onMessage() {},
        onGone: () => {
          this.#gone.resolve();
          events.onGone();
        },
      },
      log,
    );
  }

  start(): void {
    this.#keeper.start();
  }

  /** When the promise resolves, it accepts no client any more and has given away those that it had. */
  stop(): Promise<void> {
    this.#keeper.stop();
    return this.#gone.promise;
  }

  tick(): void {
    this.#keeper.tick();
  }

  reopenLog(): void {
    this.#keeper.send({ type: "reopen_log" });
  }

  status(): ProcessStatus {
    return this.#keeper.status(0);
  }

  /** Null: it is just ending; ask again in a moment. */
  snapshot(): KeeperSnapshot | null {
    return this.#keeper.snapshot();
  }

  resume(snapshot: KeeperSnapshot): void {
    this.#keeper.resume(snapshot);
  }
}
