/** The worker's end of the worker bus; see src/api/worker-bus.ts. */

import type { FromWorker, ToWorker } from "../api/control.ts";
import {
  BROADCAST_BYTES_MAX,
  type BusListener,
  QUERY_TIMEOUT_MS,
  type RetainedMessage,
  type WorkerBus,
} from "../api/worker-bus.ts";
import { JSON_LINE_BYTES_MAX } from "../base/json-lines.ts";
import { type Schedule, schedule } from "../base/schedule.ts";

/** A longer one would break the channel. */
const ANSWER_BYTES_MAX = JSON_LINE_BYTES_MAX / 4;

type Received = Extract<ToWorker, { readonly type: "hear" }>;

type Responder = (data: unknown, answer: (data: unknown) => void) => void;

/** The clocks of this process; see Engine. */
const RUNTIME: BusClock = { nowMs: () => performance.now(), schedule };

export interface BusClock {
  readonly nowMs: () => number;
  readonly schedule: Schedule;
}

interface Query {
  readonly answers: unknown[];
  readonly done: (answers: unknown[]) => void;
  readonly cancelTimeout: () => void;
}

export class BusClient implements WorkerBus {
  private readonly send: (message: FromWorker) => void;
  /** Names its queries: no other worker of this proxy has the same. */
  private readonly name: string;
  private readonly listeners: Map<string, BusListener> = new Map();
  private readonly responders: Map<string, Responder> = new Map();
  private readonly onLost: (() => void)[] = [];
  private readonly queries: Map<string, Query> = new Map();
  private queried = 0;
  private readonly retained: readonly RetainedMessage[];
  /** When `retained` was as old as it says. */
  private readonly startedMs: number;
  private readonly clock: BusClock;
  /** Received before all had subscribed; null: they have. */
  private early: Received[] | null = [];

  /** @param birth the worker's number, which no other ever had. @param retained what the supervisor has retained */
  constructor(
    birth: number,
    retained: readonly RetainedMessage[],
    send: (message: FromWorker) => void,
    clock: BusClock = RUNTIME,
  ) {
    this.clock = clock;
    this.startedMs = clock.nowMs();
    this.name = `${birth}`;
    this.send = send;
    this.retained = retained;
  }

  /** All have subscribed. */
  open(): void {
    const { early } = this;
    this.early = null;
    const sinceMs = this.clock.nowMs() - this.startedMs;
    for (const { topic, key, data, ageMs = Number.POSITIVE_INFINITY } of this.retained) {
      this.listeners.get(topic)?.(data, key, ageMs + sinceMs);
    }
    for (const message of early ?? []) this.deliver(message);
  }

  broadcast(topic: string, data: unknown): void {
    if (isShort(data)) this.send({ type: "tell", topic, key: null, clears: false, data });
  }

  retain(topic: string, key: string, data: unknown): void {
    if (isShort(data)) this.send({ type: "tell", topic, key, clears: false, data });
  }

  clear(topic: string, data: unknown): void {
    if (isShort(data)) this.send({ type: "tell", topic, key: null, clears: true, data });
  }

  subscribe(topic: string, listener: BusListener): void {
    this.listeners.set(topic, listener);
  }

  query(topic: string, data: unknown, done: (answers: unknown[]) => void): void {
    const name = `${this.name}.${++this.queried}`;
    const cancelTimeout = this.clock.schedule(QUERY_TIMEOUT_MS, () => this.finish(name));
    this.queries.set(name, { answers: [], done, cancelTimeout });
    this.send({ type: "ask", question: name, topic, data });
  }

  answer(topic: string, responder: (data: unknown) => unknown): void {
    this.responders.set(topic, (data, answer) => answer(responder(data)));
  }

  answerLater(topic: string, responder: Responder): void {
    this.responders.set(topic, responder);
  }

  whenLost(listener: () => void): void {
    this.onLost.push(listener);
  }

  /** Of the supervisor's messages those of the bus; others are ignored. */
  onMessage(message: ToWorker): void {
    switch (message.type) {
      case "hear":
        if (this.early === null) this.deliver(message);
        else this.early.push(message);
        break;
      case "asked":
        this.respond(message.question, message.topic, message.data);
        break;
      case "answer":
        // Late ones are ignored.
        this.queries.get(message.question)?.answers.push(message.data);
        break;
      case "answered":
        this.finish(message.question);
        break;
      case "tell_again":
        for (const listener of this.onLost) listener();
        break;
    }
  }

  private deliver({ topic, data, key }: Received): void {
    this.listeners.get(topic)?.(data, key, 0);
  }

  private respond(question: string, topic: string, data: unknown): void {
    const responder = this.early === null ? this.responders.get(topic) : undefined;
    const answer = (given: unknown): void => {
      if (isKnown(given)) this.send({ type: "answer", question, isKnown: true, data: given });
      else this.send({ type: "answer", question, isKnown: false });
    };
    if (responder === undefined) answer(undefined);
    else responder(data, answer);
  }

  private finish(name: string): void {
    const found = this.queries.get(name);
    if (found === undefined) return;
    this.queries.delete(name);
    found.cancelTimeout();
    found.done(found.answers);
  }
}

/** Undefined is not. */
function isKnown(answer: unknown): boolean {
  const length = JSON.stringify(answer)?.length;
  return length !== undefined && length <= ANSWER_BYTES_MAX;
}

function isShort(data: unknown): boolean {
  return JSON.stringify(data).length <= BROADCAST_BYTES_MAX;
}
