/** Questions of the admin process to the supervisor, over its control channel. */
import type { AdminStatus, FromAdmin, ToAdmin } from "../api/control.ts";
import type { ControlResult, Look } from "../api/control-socket.ts";

/** A supervisor that has not answered by then is shown as one that does not. */
const ANSWER_TIMEOUT_MS = 1_000;
/** Workers are asked, too, one question after the other. */
const LOOK_TIMEOUT_MS = 10_000;

type Answer = Extract<ToAdmin, { readonly type: "status" }>;

export class AskSupervisor {
  readonly #send: (question: FromAdmin) => void;
  readonly #waiting: Map<number, (answer: Answer | null) => void> = new Map();
  readonly #looking: Map<number, (result: ControlResult | null) => void> = new Map();
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

  /** @returns null: it does not answer, or is older than this */
  async look(look: Look): Promise<ControlResult | null> {
    const id = this.#asked++;
    const seen = Promise.withResolvers<ControlResult | null>();
    const timer = setTimeout(() => seen.resolve(null), LOOK_TIMEOUT_MS);
    this.#looking.set(id, seen.resolve);
    this.#send({ type: "look", id, look });
    const result = await seen.promise;
    clearTimeout(timer);
    this.#looking.delete(id);
    return result;
  }

  onSeen({ id, result }: Extract<ToAdmin, { readonly type: "seen" }>): void {
    this.#looking.get(id)?.(result);
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
