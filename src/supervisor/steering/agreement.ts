/**
 * Has all workers follow one order, or none:
 *
 *   every worker is asked whether it could ─▶ all could: every worker is told ─▶ all have: it holds
 *            └ one cannot, or is silent: nothing was done       └ one is silent: every worker is told what held before
 *
 * Messages to a worker keep their order, so one that was silent and wakes up comes to what holds, too. One that dies counts as
 * gone: the process in its place begins with what holds.
 */
import type { FromWorker, ToWorker } from "../../api/control.ts";
import type { SteeringOrder } from "../../api/steering.ts";
import { STEERING_ANSWER_MS } from "../../base/limits.ts";
import { StartError } from "../start-error.ts";

/** A worker that can be steered now. */
export interface Steerable {
  readonly name: string;
  /** False: it is leaving, and is told, but not waited for. */
  readonly isServing: boolean;
  send(message: ToWorker): void;
}

export class Agreement {
  readonly #workers: () => readonly Steerable[];
  readonly #answerMs: number;
  #round: Round | null = null;

  /** @param workers those that serve and understand orders. @param answerMs within which each must answer */
  constructor(workers: () => readonly Steerable[], answerMs: number = STEERING_ANSWER_MS) {
    this.#workers = workers;
    this.#answerMs = answerMs;
  }

  /**
   * One at a time.
   * @param onDecided all could: the order holds from now on, also for workers that start
   * @throws StartError: nothing was done
   */
  async reach(order: SteeringOrder, onDecided: () => void): Promise<void> {
    const refusals = await this.#ask(order, false);
    if (refusals.length > 0) throw new StartError([...refusals, "nothing was changed"]);
    onDecided();
    const silent = await this.#ask(order, true);
    if (silent.length > 0) throw new StartError([...silent, "so it is undone in all of them"]);
  }

  /** Has all workers follow it, and waits for none. */
  force(order: SteeringOrder): void {
    for (const worker of this.#workers()) worker.send({ type: "steer", order, isFinal: true });
  }

  onMessage(worker: Steerable, message: FromWorker): void {
    if (message.type === "steered") this.#round?.onAnswer(worker, message);
  }

  /** Its process is gone. */
  onGone(worker: Steerable): void {
    this.#round?.onGone(worker);
  }

  /** @returns why not, for each worker that cannot or is silent */
  async #ask(order: SteeringOrder, isFinal: boolean): Promise<readonly string[]> {
    const workers = this.#workers();
    const round = new Round(workers, order.revision, isFinal, this.#answerMs);
    this.#round = round;
    for (const worker of workers) worker.send({ type: "steer", order, isFinal });
    const problems = await round.end;
    this.#round = null;
    return problems;
  }
}

class Round {
  readonly end: Promise<readonly string[]>;
  readonly #unanswered: Set<Steerable>;
  readonly #revision: number;
  readonly #isFinal: boolean;
  /** By worker. */
  readonly #problems: Map<string, string> = new Map();
  /** Those of them that are none if another worker can do it. */
  readonly #elsewhere: Set<string> = new Set();
  readonly #asked: number;
  readonly #resolve: (problems: readonly string[]) => void;
  readonly #timer: Timer;

  constructor(workers: readonly Steerable[], revision: number, isFinal: boolean, answerMs: number) {
    const { promise, resolve } = Promise.withResolvers<readonly string[]>();
    this.end = promise;
    this.#resolve = resolve;
    this.#unanswered = new Set(workers.filter(({ isServing }) => isServing));
    this.#asked = this.#unanswered.size;
    this.#revision = revision;
    this.#isFinal = isFinal;
    this.#timer = setTimeout(() => this.#finish(`did not answer within ${answerMs} ms`), answerMs);
    this.#check();
  }

  onAnswer(worker: Steerable, answer: Extract<FromWorker, { readonly type: "steered" }>): void {
    if (answer.revision !== this.#revision || answer.isFinal !== this.#isFinal) return;
    if (!this.#unanswered.delete(worker)) return;
    if (answer.problem !== null) this.#problems.set(worker.name, answer.problem);
    if (answer.isElsewhere === true) this.#elsewhere.add(worker.name);
    this.#check();
  }

  onGone(worker: Steerable): void {
    if (this.#unanswered.delete(worker)) this.#check();
  }

  #check(): void {
    if (this.#unanswered.size === 0) this.#finish("");
  }

  /** @param silence what those did that have not answered */
  #finish(silence: string): void {
    clearTimeout(this.#timer);
    // What none of them has is told; what only some have is there.
    if (this.#elsewhere.size < this.#asked) {
      for (const name of this.#elsewhere) this.#problems.delete(name);
    }
    const told = new Set(this.#problems.values());
    // What all of them say is said once.
    const isShared = told.size === 1 && this.#problems.size === this.#asked;
    this.#resolve([
      ...(isShared ? told : [...this.#problems].map(([name, problem]) => `${name}: ${problem}`)),
      ...[...this.#unanswered].map(({ name }) => `${name} ${silence}`),
    ]);
  }
}
