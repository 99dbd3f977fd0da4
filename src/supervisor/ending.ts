/** The end of a supervisor: who waits for it, what it waits for, and by when it comes even so. */
import type { ProcessStatus } from "../api/control-socket.ts";
import type { Logger } from "../base/log.ts";
import { type Schedule, schedule } from "../base/schedule.ts";
import type { Caller } from "./control/control-server.ts";
import { waitedFor } from "./control/status.ts";
import type { StartError } from "./start-error.ts";

/** From the order to stop to the end at the latest: several times what killing children takes that do not leave by themselves. */
const STOP_MS_MAX = 8_000;

export class Ending {
  /** Why it could not start: rejects `code` once all children are gone. */
  startError: StartError | null = null;
  readonly #log: Logger;
  readonly #processes: () => readonly ProcessStatus[];
  readonly #done = Promise.withResolvers<number>();
  /** Callers of `stop`, told when all is gone. */
  readonly #callers: Caller[] = [];
  readonly #schedule: Schedule;
  #byMs: number = Number.POSITIVE_INFINITY;
  #cancel: () => void = () => {};

  /** @param processes what has not ended yet */
  constructor(log: Logger, processes: () => readonly ProcessStatus[], after: Schedule = schedule) {
    this.#log = log;
    this.#processes = processes;
    this.#schedule = after;
  }

  /** The exit code. @throws StartError */
  get code(): Promise<number> {
    return this.#done.promise;
  }

  addCaller(caller: Caller): void {
    this.#callers.push(caller);
  }

  /**
   * Whatever happens, the end comes a moment after `timeoutMs`. Children are killed long before; what the kernel does not end
   * even so is left to it.
   * @returns false: it comes as early already, as was asked for before
   */
  comeWithin(timeoutMs: number): boolean {
    const byMs = performance.now() + timeoutMs;
    if (byMs >= this.#byMs) return false;
    this.#byMs = byMs;
    this.#cancel();
    this.#cancel = this.#schedule(timeoutMs + STOP_MS_MAX, () => {
      const remaining = waitedFor(this.#processes());
      this.#log.error("processes were killed and do not end; going without them", {
        ...{ event: "processes_do_not_end", remaining },
      });
      this.come();
    });
    return true;
  }

  /** Called once a second. */
  tick(): void {
    const processes = this.#processes();
    if (processes.length === 0) return;
    for (const caller of this.#callers) caller.progress(`waiting for ${waitedFor(processes)}`);
  }

  come(): void {
    this.#cancel();
    if (this.startError === null) this.#done.resolve(0);
    else this.#done.reject(this.startError);
  }

  tellCallers(): void {
    for (const caller of this.#callers) caller.result({ ok: true, verb: "stop" });
  }
}
