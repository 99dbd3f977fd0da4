/**
 * Passes on what workers tell and ask each other, and keeps their notices for workers that start later.
 *
 * A question is over when every worker that was asked has answered or is gone; whoever asked has a time-out of its own.
 */
import { NOTICES_BYTES_MAX, type Notice } from "../../api/colleagues.ts";
import type { FromWorker, ToWorker } from "../../api/control.ts";

/** A worker, as far as its colleagues are concerned. */
export interface Colleague {
  /** Its program knows these messages, and it has been started. */
  readonly hears: boolean;
  /** It may have clients, and can answer. */
  readonly canAnswer: boolean;
  send(message: ToWorker): void;
}

interface Question {
  readonly asker: Colleague;
  readonly unanswered: Set<Colleague>;
}

interface Kept extends Notice {
  readonly length: number;
}

export class ColleagueRelay {
  readonly #workers: () => readonly Colleague[];
  readonly #questions = new Map<string, Question>();
  /** By topic and key, the one posted first first. */
  readonly #notices = new Map<string, Kept>();
  #length = 0;

  constructor(workers: () => readonly Colleague[]) {
    this.#workers = workers;
  }

  /** What is kept; for workers that start, and for the program that replaces this one. */
  get notices(): readonly Notice[] {
    return [...this.#notices.values()].map(({ topic, key, data }) => ({ topic, key, data }));
  }

  /** @param notices what the program before this one kept; undefined: it did not keep any */
  resume(notices: readonly Notice[] | undefined): void {
    if (notices === undefined) for (const worker of this.#others(null)) worker.send(TELL_AGAIN);
    for (const { topic, key, data } of notices ?? []) this.#keep(topic, key, data);
  }

  onMessage(worker: Colleague, message: FromWorker): void {
    if (message.type === "tell") this.#tell(worker, message);
    else if (message.type === "ask") this.#ask(worker, message);
    else if (message.type === "answer") this.#answer(worker, message);
  }

  /** Its process is gone: nobody waits for its answers. */
  onGone(worker: Colleague): void {
    for (const [name, question] of this.#questions) {
      if (question.asker === worker) this.#questions.delete(name);
      else this.#settle(name, question, worker);
    }
  }

  #tell(teller: Colleague, message: Extract<FromWorker, { readonly type: "tell" }>): void {
    const { topic, key, data, clears } = message;
    if (clears)
      for (const [name, kept] of this.#notices) if (kept.topic === topic) this.#drop(name);
    if (key !== null) this.#keep(topic, key, data);
    for (const worker of this.#others(teller)) worker.send({ type: "hear", topic, key, data });
  }

  #keep(topic: string, key: string, data: unknown): void {
    const name = JSON.stringify([topic, key]);
    this.#drop(name);
    if (data === null) return;
    const length = name.length + JSON.stringify(data).length;
    this.#notices.set(name, { topic, key, data, length });
    this.#length += length;
    for (const oldest of this.#notices.keys()) {
      if (this.#length <= NOTICES_BYTES_MAX) break;
      this.#drop(oldest);
    }
  }

  #drop(name: string): void {
    this.#length -= this.#notices.get(name)?.length ?? 0;
    this.#notices.delete(name);
  }

  #ask(asker: Colleague, message: Extract<FromWorker, { readonly type: "ask" }>): void {
    const { question, topic, data } = message;
    const asked = this.#others(asker).filter(({ canAnswer }) => canAnswer);
    this.#questions.set(question, { asker, unanswered: new Set(asked) });
    for (const worker of asked) worker.send({ type: "asked", question, topic, data });
    if (asked.length === 0) this.#finish(question, asker);
  }

  #answer(worker: Colleague, message: Extract<FromWorker, { readonly type: "answer" }>): void {
    const question = this.#questions.get(message.question);
    if (question === undefined) return;
    if (message.isKnown) {
      question.asker.send({ type: "answer", question: message.question, data: message.data });
    }
    this.#settle(message.question, question, worker);
  }

  #settle(name: string, { asker, unanswered }: Question, worker: Colleague): void {
    if (unanswered.delete(worker) && unanswered.size === 0) this.#finish(name, asker);
  }

  #finish(question: string, asker: Colleague): void {
    this.#questions.delete(question);
    asker.send({ type: "answered", question });
  }

  #others(worker: Colleague | null): Colleague[] {
    return this.#workers().filter((other) => other !== worker && other.hears);
  }
}

const TELL_AGAIN: ToWorker = { type: "tell_again" };
