/**
 * The supervisor's part of the worker bus: passes messages on, and retains those that workers which start later need.
 *
 * A query is over when every worker that was asked has answered or is gone; the worker that asked has a time-out of its own.
 */

import type { FromWorker, ToWorker } from "../../api/control.ts";
import { SHOW_TABLE, type ShownTable } from "../../api/inspection.ts";
import { RETAINED_BYTES_MAX, type RetainedMessage } from "../../api/worker-bus.ts";

/** A worker on the bus. */
export interface Peer {
  /** Its program knows the bus, and it has been started. */
  readonly isOnBus: boolean;
  /** It may have clients, and can answer. */
  readonly canAnswer: boolean;
  /** False: the topic is of a pool that it does not have, so it is not waited for. Absent: it has all. */
  knows?(topic: string): boolean;
  send(message: ToWorker): void;
}

type Question = Extract<FromWorker, { readonly type: "ask" }>;

interface Query {
  readonly asker: Peer;
  readonly unanswered: Set<Peer>;
}

interface Retained extends RetainedMessage {
  readonly length: number;
  /** When it was sent, by the relay's clock; -Infinity: that is not known. */
  readonly sentMs: number;
}

/** See Showing. */
export type Show = (pool: string, table: string) => Promise<ShownTable>;

const NOTHING: Show = () => Promise.resolve({ problem: "nothing is shown" });
const SHOW_SUFFIX = `/${SHOW_TABLE}`;
const NOWHERE: Pick<Peer, "isOnBus" | "canAnswer"> = { isOnBus: false, canAnswer: false };

export class BusRelay {
  readonly #workers: () => readonly Peer[];
  readonly #show: Show;
  readonly #nowMs: () => number;
  readonly #queries = new Map<string, Query>();
  /** By topic and key, the oldest first. */
  readonly #retained = new Map<string, Retained>();
  #length = 0;
  #asked = 0;

  /** @param nowMs a monotonic clock */
  constructor(
    workers: () => readonly Peer[],
    show: Show = NOTHING,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#workers = workers;
    this.#show = show;
    this.#nowMs = nowMs;
  }

  /** For workers that start, and for the program that replaces this one. */
  get retained(): readonly RetainedMessage[] {
    const nowMs = this.#nowMs();
    return [...this.#retained.values()].map(({ topic, key, data, sentMs }) => ({
      ...{ topic, key, data },
      ...(Number.isFinite(sentMs) ? { ageMs: nowMs - sentMs } : {}),
    }));
  }

  /** @param retained what the program before this one retained; undefined: it retained nothing */
  resume(retained: readonly RetainedMessage[] | undefined): void {
    if (retained === undefined) for (const worker of this.#others(null)) worker.send(TELL_AGAIN);
    const nowMs = this.#nowMs();
    for (const { topic, key, data, ageMs = Number.POSITIVE_INFINITY } of retained ?? []) {
      this.#retain(topic, key, data, nowMs - ageMs);
    }
  }

  onMessage(worker: Peer, message: FromWorker): void {
    if (message.type === "tell") this.#broadcast(worker, message);
    else if (message.type === "ask") this.#query(worker, message);
    else if (message.type === "answer") this.#answer(worker, message);
  }

  /** A query of the supervisor's own to all workers. @returns the answers of those that know the topic, and answer in time */
  ask(topic: string, data: unknown, timeoutMs: number): Promise<unknown[]> {
    const { promise, resolve } = Promise.withResolvers<unknown[]>();
    const answers: unknown[] = [];
    // No earlier program in this process had the same, whose workers may answer late.
    const question = `supervisor.${Date.now()}.${++this.#asked}`;
    const timer = setTimeout(() => this.#finish(question, asker), timeoutMs);
    const asker: Peer = {
      ...NOWHERE,
      send(message) {
        if (message.type === "answer") answers.push(message.data);
        if (message.type !== "answered") return;
        clearTimeout(timer);
        resolve(answers);
      },
    };
    this.#query(asker, { question, topic, data });
    return promise;
  }

  /** Its process is gone: its answers are not waited for. */
  onGone(worker: Peer): void {
    for (const [name, query] of this.#queries) {
      if (query.asker === worker) this.#queries.delete(name);
      else this.#settle(name, query, worker);
    }
  }

  #broadcast(sender: Peer, message: Extract<FromWorker, { readonly type: "tell" }>): void {
    const { topic, key, data, clears } = message;
    if (clears)
      for (const [name, kept] of this.#retained) if (kept.topic === topic) this.#drop(name);
    if (key !== null) this.#retain(topic, key, data, this.#nowMs());
    for (const worker of this.#others(sender)) worker.send({ type: "hear", topic, key, data });
  }

  #retain(topic: string, key: string, data: unknown, sentMs: number): void {
    const name = JSON.stringify([topic, key]);
    this.#drop(name);
    if (data === null) return;
    const length = name.length + JSON.stringify(data).length;
    this.#retained.set(name, { topic, key, data, length, sentMs });
    this.#length += length;
    for (const oldest of this.#retained.keys()) {
      if (this.#length <= RETAINED_BYTES_MAX) break;
      this.#drop(oldest);
    }
  }

  #drop(name: string): void {
    this.#length -= this.#retained.get(name)?.length ?? 0;
    this.#retained.delete(name);
  }

  #query(
    asker: Peer,
    { question, topic, data }: Pick<Question, "question" | "topic" | "data">,
  ): void {
    if (topic.endsWith(SHOW_SUFFIX)) {
      void this.#answerShow(asker, { question, topic, data });
      return;
    }
    const asked = this.#others(asker).filter(
      (worker) => worker.canAnswer && worker.knows?.(topic) !== false,
    );
    this.#queries.set(question, { asker, unanswered: new Set(asked) });
    for (const worker of asked) worker.send({ type: "asked", question, topic, data });
    if (asked.length === 0) this.#finish(question, asker);
  }

  /** A question to the supervisor itself, about the pool whose topic it is. */
  async #answerShow(
    asker: Peer,
    { question, topic, data }: Pick<Question, "question" | "topic" | "data">,
  ): Promise<void> {
    const pool = topic.substring(0, topic.length - SHOW_SUFFIX.length);
    const { table } = data as { readonly table: string };
    asker.send({ type: "answer", question, data: await this.#show(pool, `${table}`) });
    asker.send({ type: "answered", question });
  }

  #answer(worker: Peer, message: Extract<FromWorker, { readonly type: "answer" }>): void {
    const query = this.#queries.get(message.question);
    if (query === undefined) return;
    if (message.isKnown) {
      query.asker.send({ type: "answer", question: message.question, data: message.data });
    }
    this.#settle(message.question, query, worker);
  }

  #settle(name: string, { asker, unanswered }: Query, worker: Peer): void {
    if (unanswered.delete(worker) && unanswered.size === 0) this.#finish(name, asker);
  }

  #finish(question: string, asker: Peer): void {
    this.#queries.delete(question);
    asker.send({ type: "answered", question });
  }

  #others(worker: Peer | null): Peer[] {
    return this.#workers().filter((other) => other !== worker && other.isOnBus);
  }
}

const TELL_AGAIN: ToWorker = { type: "tell_again" };
