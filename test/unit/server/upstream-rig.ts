/** Connections to a server without sockets: the test plays the network, the server and the clock. */

import type { ConnectAttempt, ConnectEvents } from "../../../src/api/engine.ts";
import type { UpstreamProtocol } from "../../../src/api/protocol.ts";
import type { Stream, StreamEvents } from "../../../src/api/stream.ts";
import type { Failure, ReplySink } from "../../../src/api/upstream.ts";
import { copyOf } from "../../../src/base/copy-of.ts";
import type { Wakeable } from "../../../src/base/turn.ts";
import { createRedisUpstream } from "../../../src/protocols/redis/codec/upstream-protocol.ts";
import type { Connection } from "../../../src/server/connection.ts";
import type { ConnectionOwner } from "../../../src/server/connection-owner.ts";
import { PartialReplies } from "../../../src/server/partial-replies.ts";
import { createSharedConnection } from "../../../src/server/shared-connection.ts";
import { deliver } from "../../support/deliver.ts";
import { ManualDeadlines, ManualTurn } from "../../support/manual-deadlines.ts";

export { ManualTurn };

export class FakeSocket implements Stream {
  readonly fd = 9;
  isMovable = true;
  readonly peer = "test";
  readonly localAddress = "test";
  readonly origin = "test";
  room: number = Number.POSITIVE_INFINITY;
  isClosed = false;
  isDetached = false;
  /** What the server says comes in buffers of its own. */
  isReceivedStable = true;
  private readonly events: StreamEvents;
  private readonly parts: Buffer[] = [];

  constructor(events: StreamEvents) {
    this.events = events;
  }

  write(bytes: Buffer, start: number, length: number): number {
    if (this.isClosed) return -1;
    const taken = Math.min(length, this.room);
    this.room -= taken;
    this.parts.push(copyOf(bytes, start, start + taken));
    return taken;
  }

  /** What the server has received. */
  get received(): string {
    return Buffer.concat(this.parts).toString("latin1");
  }

  /** The server says. */
  says(text: string): void {
    deliver(this.events, Buffer.from(text, "latin1"), this.isReceivedStable);
  }

  hangsUp(cause = ""): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.events.onClose(cause);
  }

  pause(): void {
    throw new Error("a shared connection is never paused");
  }

  resume(): void {}

  shutdown(): void {}

  close(): void {
    this.hangsUp();
  }

  readonly undelivered = 0;

  abort(): void {
    this.close();
  }

  readonly unsent: Buffer = Buffer.alloc(0);

  quiesce(): void {}

  detach(): void {
    this.isDetached = true;
  }
}

export interface Attempt {
  readonly events: ConnectEvents;
  readonly streamEvents: StreamEvents;
  isAbandoned: boolean;
  /** The connection stands. */
  opens(): FakeSocket;
}

/** Records connection attempts: what a test needs instead of the network. */
export function attemptRecorder(attempts: Attempt[]): ConnectionOwner["connect"] {
  return (events, streamEvents): ConnectAttempt => {
    const attempt: Attempt = {
      events,
      streamEvents,
      isAbandoned: false,
      opens() {
        const socket = new FakeSocket(streamEvents);
        events.onOpen(socket);
        return socket;
      },
    };
    attempts.push(attempt);
    return {
      abandon: () => {
        attempt.isAbandoned = true;
      },
    };
  };
}

export interface Timer {
  readonly delayMs: number;
  readonly callback: () => void;
  isCancelled: boolean;
}

export function timerRecorder(timers: Timer[]): ConnectionOwner["schedule"] {
  return (delayMs, callback) => {
    const timer: Timer = { delayMs, callback, isCancelled: false };
    timers.push(timer);
    return () => {
      timer.isCancelled = true;
    };
  };
}

/** Writes down what becomes of each token; twice the same is a fault. */
export class RecordingSink implements ReplySink {
  readonly takesRuns: boolean = true;
  readonly settled: Map<number, string> = new Map();
  readonly failures: Map<number, Failure> = new Map();
  /** Where the replies lie, and what they were. */
  private readonly ranges: { bytes: Buffer; start: number; end: number; was: string }[] = [];

  /** Replies that are not any more what they were when they came. */
  get changed(): readonly string[] {
    const now = this.ranges.map(({ bytes, start, end }) => bytes.toString("latin1", start, end));
    return now.filter((text, i) => text !== this.ranges[i]!.was);
  }

  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    const text = bytes.toString("latin1", start, end);
    this.ranges.push({ bytes, start, end, was: text });
    const each = text.length / count;
    // The tests' replies in one run have the same length.
    for (let i = 0; i < count; i++) this.note(token + i, text.substring(i * each, (i + 1) * each));
  }

  onFailure(token: number, count: number, failure: Failure): void {
    for (let i = 0; i < count; i++) {
      this.failures.set(token + i, failure);
      this.note(token + i, `${failure.kind}${failure.wasSent ? " sent" : ""}`);
    }
  }

  private note(token: number, what: string): void {
    if (this.settled.has(token)) throw new Error(`token ${token} is settled twice`);
    this.settled.set(token, what);
  }
}

export class CountingWaiter implements Wakeable {
  isWoken = false;
  wakes = 0;

  wakeUp(): void {
    this.wakes++;
  }
}

/** What the server answers to the last question. */
export function stepAnswer(socket: FakeSocket): string {
  const question = [...socket.received.matchAll(QUESTION)].at(-1);
  if (question === undefined) throw new Error("it was not asked");
  return answerTo(question[0]);
}

/** ECHO of a text, or a command of that name, which no server knows. */
const QUESTION = /(ECHO\r\n\$\d+\r\n)?STEP-CHECK-\d+/g;

function answerTo(question: string): string {
  const text = question.substring(question.indexOf("STEP-CHECK"));
  return question.startsWith("ECHO")
    ? `$${text.length}\r\n${text}\r\n`
    : `-ERR unknown command '${text}', with args beginning with: \r\n`;
}

/** How often the question was asked. */
export function questionsIn(received: string): number {
  return received.split("STEP-CHECK-").length - 1;
}

/** What the server answers to all that it has received, in order; `valueAt` says what to a GET. */
export function answersTo(
  received: string,
  valueAt: (index: number, key: string) => string,
): string[] {
  const requests = received.matchAll(
    /PING\r\n|(?:ECHO\r\n\$\d+\r\n)?STEP-CHECK-\d+|GET\r\n(\$\d+\r\n\w+\r\n)/g,
  );
  return [...requests].map(([request, key], index) => {
    if (request === "PING\r\n") return "+PONG\r\n";
    return key === undefined ? answerTo(request) : valueAt(index, key);
  });
}

export const PING: Buffer = Buffer.from("*1\r\n$4\r\nPING\r\n");
export const GET: Buffer = Buffer.from("*2\r\n$3\r\nGET\r\n$1\r\na\r\n");

export interface ConnectionRig {
  readonly connection: Connection;
  readonly sink: RecordingSink;
  readonly turn: ManualTurn;
  readonly deadlines: ManualDeadlines;
  readonly attempts: Attempt[];
  readonly timers: Timer[];
  readonly counters: Float64Array;
  readonly heard: { up: number; lost: number; trouble: number; outOfStep: number; reply: number };
  /** @param key absent: it does not matter */
  get(token: number, count?: number, key?: string): void;
  endTurn(): Promise<void>;
  /** Attempt number i opens, and the turn ends. */
  opened(i?: number): Promise<FakeSocket>;
}

export function createConnectionRig(
  options: {
    timeoutMs?: number | null;
    firstByteMs?: number | null;
    queueMs?: number | null;
    pendingMax?: number;
    password?: string;
    isEager?: boolean;
    isHeavy?: boolean;
    protocol?: UpstreamProtocol;
    partialReplies?: PartialReplies;
  } = {},
): ConnectionRig {
  const { timeoutMs = 100, password = null, isEager = false, isHeavy = false } = options;
  const { partialReplies = new PartialReplies() } = options;
  const turn = new ManualTurn();
  const deadlines = new ManualDeadlines(turn);
  const attempts: Attempt[] = [];
  const timers: Timer[] = [];
  const counters = new Float64Array(64);
  const heard = { up: 0, lost: 0, trouble: 0, outOfStep: 0, reply: 0 };
  const connection = createSharedConnection(
    {
      name: "s",
      turn,
      deadlines,
      timeoutMs,
      connectTimeoutMs: 50,
      isEager,
      counters: { values: counters, base: 0 },
      times: null,
      errors: null,
      connect: attemptRecorder(attempts),
      partialReplies,
      onDescriptor: () => {},
      onUp: () => heard.up++,
      onLost: () => heard.lost++,
      onTrouble: () => heard.trouble++,
      onSignal: () => {},
      firstByteMs: options.firstByteMs ?? null,
      queueMs: options.queueMs ?? null,
      pendingMax: options.pendingMax ?? Number.POSITIVE_INFINITY,
      onOutOfStep: () => heard.outOfStep++,
      onReply: () => heard.reply++,
      retryDelayMs: (failedAttempts) => 10 * failedAttempts,
      schedule: timerRecorder(timers),
    },
    options.protocol ??
      createRedisUpstream({
        ...{ version: 2, database: 0, user: null },
        password: password === null ? null : Buffer.from(password),
      }),
    isHeavy,
  );
  const sink = new RecordingSink();
  const endTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    connection,
    sink,
    turn,
    deadlines,
    attempts,
    timers,
    counters,
    heard,
    get: (token, count = 1, key) => {
      const request =
        key === undefined ? GET : Buffer.from(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`);
      const bytes = Buffer.concat(Array.from({ length: count }, () => request));
      connection.send(bytes, 0, bytes.length, sink, token, count);
    },
    endTurn,
    async opened(i = attempts.length - 1) {
      const socket = attempts[i]!.opens();
      await endTurn();
      return socket;
    },
  };
}
