/** Questions of the admin process to the supervisor, over its control channel. */
import type { AdminStatus, FromAdmin, ToAdmin } from "../api/control.ts";

/** A supervisor that has not answered by then is shown as one that does not. */
const ANSWER_TIMEOUT_MS = 1_000;

type Answer = Extract<ToAdmin, { readonly type: "status" }>;

export class AskSupervisor {
  readonly #send: (question: FromAdmin) => void;
  readonly #waiting: Map<number, (answer: Answer | null) => void> = new Map();
  #asked = 0;
  /** The question that is on its way: all who ask meanwhile get its answer. */
  #current: Promise<AdminStatus | null> | null = null;

  constructor(send: (question: FromAdmin) => void) {
    this.#send = send;
  }

  /** @param blocks see FromAdmin. @returns null: it does not answer */
  ask(blocks: number): Promise<AdminStatus | null> {
    this.#current ??= this.#ask(blocks).finally(() => {
      this.#current = null;
    });
    return this.#current;
  }

  onAnswer(answer: Answer): void {
    this.#waiting.get(answer.id)?.(answer);
  }

  async #ask(blocks: number): Promise<AdminStatus | null> {
    const id = this.#asked++;
    const answered = Promise.withResolvers<Answer | null>();
    const timer = setTimeout(() => answered.resolve(null), ANSWER_TIMEOUT_MS);
    this.#waiting.set(id, answered.resolve);
    this.#send({ type: "ask", id, blocks });
    const answer = await answered.promise;
    clearTimeout(timer);
    this.#waiting.delete(id);
    return answer === null ? null : answer.status;
  }
}
