/** The worker's end of what the workers tell each other; see src/api/colleagues.ts. */
import {
  ASK_TIMEOUT_MS,
  COLLEAGUE_BYTES_MAX,
  type Colleagues,
  type Notice,
} from "../api/colleagues.ts";
import type { FromWorker, ToWorker } from "../api/control.ts";
import { JSON_LINE_BYTES_MAX } from "../base/json-lines.ts";
import { schedule } from "../base/schedule.ts";

/** A longer one would break the channel. */
const ANSWER_BYTES_MAX = JSON_LINE_BYTES_MAX / 4;

type Heard = Extract<ToWorker, { readonly type: "hear" }>;

interface Question {
  readonly answers: unknown[];
  readonly done: (answers: unknown[]) => void;
  readonly cancelTimeout: () => void;
}

export class WorkerColleagues implements Colleagues {
  private readonly send: (message: FromWorker) => void;
  /** No other worker of this proxy asks questions of this name. */
  private readonly name: string;
  private readonly listeners: Map<string, (data: unknown, key: string | null) => void> = new Map();
  private readonly responders: Map<string, (data: unknown) => unknown> = new Map();
  private readonly onLost: (() => void)[] = [];
  private readonly questions: Map<string, Question> = new Map();
  private asked = 0;
  /** Heard before everybody who listens was there; null: they are. */
  private early: Heard[] | null;

  /** @param birth the worker's number, which no other ever had. @param notices what the supervisor has kept */
  constructor(birth: number, notices: readonly Notice[], send: (message: FromWorker) => void) {
    this.name = `${birth}`;
    this.send = send;
    this.early = notices.map(({ topic, key, data }) => ({ type: "hear", topic, key, data }));
  }

  /** Everybody who listens is there. */
  open(): void {
    const { early } = this;
    this.early = null;
    for (const message of early ?? []) this.heard(message);
  }

  tell(topic: string, data: unknown): void {
    if (isShort(data)) this.send({ type: "tell", topic, key: null, clears: false, data });
  }

  post(topic: string, key: string, data: unknown): void {
    if (isShort(data)) this.send({ type: "tell", topic, key, clears: false, data });
  }

  clear(topic: string, data: unknown): void {
    if (isShort(data)) this.send({ type: "tell", topic, key: null, clears: true, data });
  }

  hear(topic: string, listener: (data: unknown, key: string | null) => void): void {
    this.listeners.set(topic, listener);
  }

  ask(topic: string, data: unknown, done: (answers: unknown[]) => void): void {
    const question = `${this.name}.${++this.asked}`;
    const cancelTimeout = schedule(ASK_TIMEOUT_MS, () => this.finish(question));
    this.questions.set(question, { answers: [], done, cancelTimeout });
    this.send({ type: "ask", question, topic, data });
  }

  answer(topic: string, responder: (data: unknown) => unknown): void {
    this.responders.set(topic, responder);
  }

  whenLost(listener: () => void): void {
    this.onLost.push(listener);
  }

  /** What the supervisor says; other messages are none of its business. */
  onMessage(message: ToWorker): void {
    switch (message.type) {
      case "hear":
        if (this.early === null) this.heard(message);
        else this.early.push(message);
        break;
      case "asked":
        this.respond(message.question, message.topic, message.data);
        break;
      case "answer":
        // Late ones are nobody's any more.
        this.questions.get(message.question)?.answers.push(message.data);
        break;
      case "answered":
        this.finish(message.question);
        break;
      case "tell_again":
        for (const listener of this.onLost) listener();
        break;
    }
  }

  private heard({ topic, data, key }: Heard): void {
    this.listeners.get(topic)?.(data, key);
  }

  private respond(question: string, topic: string, data: unknown): void {
    const responder = this.early === null ? this.responders.get(topic) : undefined;
    const answer = responder?.(data);
    if (isKnown(answer)) this.send({ type: "answer", question, isKnown: true, data: answer });
    else this.send({ type: "answer", question, isKnown: false });
  }

  private finish(question: string): void {
    const found = this.questions.get(question);
    if (found === undefined) return;
    this.questions.delete(question);
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
  return JSON.stringify(data).length <= COLLEAGUE_BYTES_MAX;
}
