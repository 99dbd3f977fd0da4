/** Questions of the admin process to the supervisor, over its control channel. */
import type { AdminStatus, FromAdmin, ToAdmin } from "../api/control.ts";
import type { AdminOrder, ControlResult, Look, ProxyEvent } from "../api/control-socket.ts";
import { EVENTS_SHOWN_MAX } from "../base/page-limits.ts";

/** A supervisor that has not answered by then is shown as one that does not. */
const ANSWER_TIMEOUT_MS = 1_000;
/** Workers are asked, too, one question after the other. */
const LOOK_TIMEOUT_MS = 10_000;
/** An order waits for all workers, twice, and for the process that checks values. */
const ORDER_TIMEOUT_MS = 30_000;

/** What each supervisor answers that can be asked. */
const FIRST_LOOKS: readonly string[] = ["clients", "slowlog"];

type Answer = Extract<ToAdmin, { readonly type: "status" }>;

export class AskSupervisor {
  readonly #send: (question: FromAdmin) => void;
  readonly #waiting: Map<number, (answer: Answer | null) => void> = new Map();
  readonly #looking: Map<number, (result: ControlResult | null) => void> = new Map();
  #asked = 0;
  #looks: readonly string[] = FIRST_LOOKS;
  #orders: readonly string[] = [];
  #events: readonly ProxyEvent[] = [];
  /** The question that is on its way: all who ask meanwhile get its answer. */
  #current: Promise<AdminStatus | null> | null = null;

  constructor(send: (question: FromAdmin) => void) {
    this.#send = send;
  }

  /** The last EVENTS_SHOWN_MAX that came with its answers, the latest last. */
  get events(): readonly ProxyEvent[] {
    return this.#events;
  }

  /** @param blocks see FromAdmin. @returns null: it does not answer */
  ask(blocks: number): Promise<AdminStatus | null> {
    this.#current ??= this.#ask(blocks).finally(() => {
      this.#current = null;
    });
    return this.#current;
  }

  onAnswer(answer: Answer): void {
    const all = [...this.#events, ...(answer.events ?? [])];
    this.#events = all.filter((_, index) => index >= all.length - EVENTS_SHOWN_MAX);
    this.#waiting.get(answer.id)?.(answer);
  }

  /** @param looks the verbs that it answers, as it said when it started this process */
  setLooks(looks: readonly string[] | undefined): void {
    this.#looks = looks ?? FIRST_LOOKS;
  }

  /** @returns null: it does not answer, or is older than this */
  look(look: Look): Promise<ControlResult | null> {
    if (!this.#looks.includes(look.verb)) return Promise.resolve(null);
    return this.#answerIn(this.#looking, LOOK_TIMEOUT_MS, (id) => {
      this.#send({ type: "look", id, look });
    });
  }

  /** @param orders the verbs that it takes, as it said when it started this process */
  setOrders(orders: readonly string[] | undefined): void {
    this.#orders = orders ?? [];
  }

  /** @param by from where it came. @returns null: it does not answer, or is older than this */
  order(order: AdminOrder, by: string): Promise<ControlResult | null> {
    if (!this.#orders.includes(order.verb)) return Promise.resolve(null);
    return this.#answerIn(this.#looking, ORDER_TIMEOUT_MS, (id) => {
      this.#send({ type: "order", id, order, by });
    });
  }

  onSeen({ id, result }: Extract<ToAdmin, { readonly type: "seen" }>): void {
    this.#looking.get(id)?.(result);
  }

  async #ask(blocks: number): Promise<AdminStatus | null> {
    const answer = await this.#answerIn(this.#waiting, ANSWER_TIMEOUT_MS, (id) => {
      this.#send({ type: "ask", id, blocks, after: this.#events.at(-1)?.number ?? 0 });
    });
    return answer === null ? null : answer.status;
  }

  /** Asks with an id of its own. @returns what is given to its place in `waiting`; null: nothing was in time */
  async #answerIn<T>(
    waiting: Map<number, (answer: T | null) => void>,
    timeoutMs: number,
    ask: (id: number) => void,
  ): Promise<T | null> {
    const id = this.#asked++;
    const answered = Promise.withResolvers<T | null>();
    const timer = setTimeout(() => answered.resolve(null), timeoutMs);
    waiting.set(id, answered.resolve);
    ask(id);
    const answer = await answered.promise;
    clearTimeout(timer);
    waiting.delete(id);
    return answer;
  }
}
