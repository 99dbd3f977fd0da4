/**
 * A Redis session without sockets: the test plays the client, the kernel and the servers.
 *
 * A server's answer follows from the key alone (see `answerTo`), so that a model can tell the right reply whatever
 * the order in which things happen.
 */

import { HEAVY_LANES } from "../../../src/api/lane.ts";
import { KIND } from "../../../src/api/protocol.ts";
import type {
  Failure,
  Lease,
  Link,
  ReplySink,
  Route,
  SubscriberConnection,
  SubscriberEvents,
  Upstream,
} from "../../../src/api/upstream.ts";
import { ByteQueue } from "../../../src/base/byte-queue.ts";
import type { Turn, Wakeable } from "../../../src/base/turn.ts";
import { PoolLanes } from "../../../src/client/client-lane.ts";
import type { ClientMemory } from "../../../src/client/client-memory.ts";
import { Session } from "../../../src/client/session.ts";
import type { SavedRedisClient } from "../../../src/protocols/redis/client/client-state.ts";
import { RedisFrontend } from "../../../src/protocols/redis/client/redis-frontend.ts";
import type { RedisPool } from "../../../src/protocols/redis/client/redis-pool.ts";
import { RedisReplyScanner } from "../../../src/protocols/redis/codec/reply-scanner.ts";
import { RequestScanner } from "../../../src/protocols/redis/codec/request-scanner.ts";
import { RequestView } from "../../../src/protocols/redis/codec/request-view.ts";
import { unboundedMemory } from "../../support/client-memory.ts";
import { deliver } from "../../support/deliver.ts";
import { ManualDeadlines, ManualTurn } from "../../support/manual-deadlines.ts";
import { createPool, type PoolOptions } from "./fake-pool.ts";
import { FakeStream } from "./fake-stream.ts";

interface Waiting {
  readonly sink: ReplySink;
  readonly token: number;
  readonly args: readonly string[];
  /** The range that was sent, and what it held then. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly was: string;
}

const FAILURES: Failure[] = [];

/** One object per server, as the proxy preallocates them. */
export function failureOf(server: number): Failure {
  FAILURES[server] ??= { kind: "closed", wasSent: true, text: `lost ${server}` };
  return FAILURES[server];
}

/** Lends a session a connection of its own. */
export type Lend = (upstream: Upstream, variant: number, turn: Turn) => Lease | null;

/** What `server` says to a request, or null: it is lost. */
export type AnswerOf = (args: readonly string[], server: number) => string | null;

const scanner = new RedisReplyScanner(2);

export class FakeConnection implements Link {
  refusal: Failure | null = null;
  isFull = false;
  /** Bytes for other clients that come in one chunk with each answer, before it. */
  otherBytes = 0;
  readonly waiting: Waiting[] = [];
  readonly waiters: Wakeable[] = [];
  /** Requests that ever came, as text. */
  readonly requests: (readonly string[])[] = [];
  private readonly server: number;
  private readonly turn: Turn;
  private readonly queue: ByteQueue = new ByteQueue();
  private readonly answerOf: AnswerOf;
  private begun: { sink: ReplySink; token: number } | null = null;

  constructor(server: number, turn: Turn, answerOf: AnswerOf = answerTo) {
    this.server = server;
    this.turn = turn;
    this.answerOf = answerOf;
  }

  send(
    bytes: Buffer,
    start: number,
    end: number,
    sink: ReplySink,
    token: number,
    count: number,
  ): void {
    if (this.refusal !== null || this.begun !== null) throw new Error("send out of place");
    const scanner = new RequestScanner();
    const view = new RequestView();
    let at = start;
    for (let i = 0; i < count; i++) {
      const next = scanner.scan(bytes, at, end, view);
      if (next <= 0 || view.start !== at) throw new Error(`no ${count} requests: ${bytes}`);
      const args = Array.from({ length: view.count }, (_, arg) => view.text(arg));
      const was = bytes.toString("latin1", at, next);
      this.waiting.push({ sink, token: token + i, args, bytes, start: at, was });
      this.requests.push(args);
      at = next;
    }
    if (at !== end) throw new Error("more was sent than requests");
  }

  begin(sink: ReplySink, token: number): ByteQueue {
    if (this.refusal !== null || this.begun !== null) throw new Error("begin out of place");
    this.begun = { sink, token };
    return this.queue;
  }

  commit(): void {
    const { sink, token } = this.begun!;
    this.begun = null;
    const bytes = this.queue.toBuffer();
    this.queue.clear();
    this.send(bytes, 0, bytes.length, sink, token, 1);
  }

  waitForRoom(waiter: Wakeable): void {
    this.waiters.push(waiter);
  }

  makeRoom(): void {
    this.isFull = false;
    for (const waiter of this.waiters.splice(0)) this.turn.wake(waiter);
  }

  /** Answers the oldest requests, at most `most`: neighbours of one sink in one range, as a real connection does. */
  answer(most: number = Number.POSITIVE_INFINITY): void {
    const answered = this.waiting.splice(0, most);
    const texts = answered.map(({ args }) => this.answerOf(args, this.server));
    const text = texts.map((each) => each ?? "").join("");
    let at = this.otherBytes;
    const bytes = Buffer.allocUnsafeSlow(at + text.length);
    bytes.write(text, at, "latin1");
    for (let i = 0; i < answered.length; ) {
      const { sink, token } = answered[i]!;
      this.checkUnchanged(answered[i]!);
      const isFailure = texts[i] === null;
      let end = at + (texts[i]?.length ?? 0);
      let count = 1;
      while (i + count < answered.length) {
        const next = answered[i + count]!;
        const text = texts[i + count]!;
        if (next.sink !== sink || next.token !== token + count) break;
        if ((text === null) !== isFailure || !(isFailure || sink.takesRuns)) break;
        this.checkUnchanged(next);
        end += text?.length ?? 0;
        count++;
      }
      if (isFailure) sink.onFailure(token, count, failureOf(this.server));
      else {
        const kind = sink.takesRuns ? KIND.mixed : scanner.kindOf(bytes, at, end);
        sink.onReplies(token, count, bytes, at, end, kind);
      }
      at = end;
      i += count;
    }
  }

  private checkUnchanged({ bytes, start, was }: Waiting): void {
    if (bytes.toString("latin1", start, start + was.length) !== was) {
      throw new Error("bytes that were sent have changed");
    }
  }
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** What `server` says to a request; null: it is lost. Keys with "f" lose the request, with "e" get an error, with "n" are not there. */
export function answerTo(args: readonly string[], server: number): string | null {
  const name = args[0]!.toUpperCase();
  const step = name === "MSET" ? 2 : 1;
  const keys = ["GET", "SET", "INCR"].includes(name)
    ? [args[1]!]
    : args.filter((_, i) => i > 0 && (i - 1) % step === 0);
  if (keys.some((key) => key.startsWith("f"))) return null;
  if (keys.some((key) => key.startsWith("e"))) return `-WRONGTYPE of ${server}\r\n`;
  const values = keys.map((key) => (key.startsWith("n") ? "$-1\r\n" : bulk(`<${key}>`)));
  if (name === "MGET") return `*${keys.length}\r\n${values.join("")}`;
  if (name === "MSET" || name === "SET") return "+OK\r\n";
  if (name === "GET") return values[0]!;
  return `:${keys.filter((key) => !key.startsWith("n")).length}\r\n`;
}

/** A key's server is its last digit. */
export function serverOf(key: string, servers: number): number {
  return Number(key.at(-1)) % servers;
}

/** The test says when it may have been started anew. */
export type FakeUpstream = Upstream & { incarnation: number };

export interface Rig {
  readonly upstreams: readonly FakeUpstream[];
  readonly pool: RedisPool;
  readonly deadlines: ManualDeadlines;
  readonly session: Session;
  readonly stream: FakeStream;
  readonly connections: readonly FakeConnection[];
  /** Those for heavy clients. */
  readonly heavyConnections: readonly FakeConnection[];
  readonly counters: Float64Array;
  /** Callbacks that wait for a timer. */
  readonly timers: (() => void)[];
  readonly closed: () => boolean;
  /** The client sends. */
  input(...texts: string[]): void;
  receive(bytes: Buffer): void;
  /** What the client sends comes in buffers of its own. */
  isReceivedStable: boolean;
  /** Multibulk form of a request given as words. */
  ask(...args: string[]): void;
  /** The event loop's turn ends. */
  turn(): Promise<void>;
  /** Turns pass and servers answer until nothing moves any more. */
  settle(): Promise<void>;
}

export function multibulk(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map(bulk).join("")}`;
}

export function createRig(
  options: PoolOptions & {
    servers?: number;
    lane?: number;
    state?: SavedRedisClient;
    answerOf?: AnswerOf;
    /** Absent: nobody lends anything. */
    lend?: Lend;
    /** What becomes of a connection that moved along. */
    adopt?: (upstream: Upstream, fd: number, variant: number) => Lease;
    /** Absent: nobody subscribes. */
    subscriber?: (upstream: Upstream, events: SubscriberEvents) => SubscriberConnection;
    /** What moved along with `state`. */
    descriptors?: readonly number[];
    /** What a session before it had not written yet. */
    output?: Buffer;
    /** Absent: clients hold as much as they like. */
    memory?: (turn: Turn) => ClientMemory;
    /** What it has in common with the clients of other rigs; absent: it is alone. */
    lanes?: PoolLanes;
  } = {},
): Rig {
  const { servers = 3, state, answerOf, lend = () => null } = options;
  const turn = new ManualTurn();
  const deadlines = new ManualDeadlines(turn);
  const timers: (() => void)[] = [];
  const counters = new Float64Array(64);
  let isClosed = false;
  const connect = (_: unknown, i: number) => new FakeConnection(i, turn, answerOf);
  const connections = Array.from({ length: servers }, connect);
  const heavyConnections = Array.from({ length: servers }, connect);
  const upstreams: FakeUpstream[] = connections.map((connection, index) => ({
    id: index,
    member: `s${index}`,
    name: `s${index}`,
    weight: 1,
    address: `127.0.0.1:${index + 1}`,
    isReplica: false,
    isEjected: false,
    incarnation: 1,
    connection: (lane) => (lane < HEAVY_LANES ? connection : heavyConnections[index]!),
    lease(this: Upstream, variant: number) {
      return lend(this, variant, turn);
    },
    whyNoLease: (origin) => `no lease for ${origin}`,
    adopt(this: Upstream, fd: number, variant: number) {
      return options.adopt!(this, fd, variant);
    },
    subscriber(this: Upstream, _variant: number, events: SubscriberEvents) {
      if (options.subscriber === undefined) throw new Error("no subscriptions here");
      return options.subscriber(this, events);
    },
  }));
  const route: Route = {
    upstreams,
    epoch: 0,
    isStable: true,
    isSlotted: false,
    sharesConnections: false,
    slotOf: () => 0,
    all: upstreams,
    targets: () => upstreams,
    replicasOf: () => [],
    pick: ({ bytes, keyStart: start, keyEnd: end }) => {
      if (!(start >= 0 && end > start && end <= bytes.length)) throw new Error("no such key");
      return upstreams[serverOf(bytes.toString("latin1", start, end), servers)]!;
    },
  };
  const stream = new FakeStream();
  const session = new Session(
    {
      turn,
      memory: (options.memory ?? unboundedMemory)(turn),
      schedule: (_delayMs, callback) => {
        timers.push(callback);
        return () => {};
      },
      counters,
      countersBase: 0,
      onSessionCut: () => {},
      nextClientId: () => 1,
      times: null,
      lanes: options.lanes ?? new PoolLanes(),
      onSessionClosed: () => {
        if (isClosed) throw new Error("closed twice");
        isClosed = true;
      },
    },
    stream,
    options.lane ?? 0,
  );
  stream.onClose = () => session.onClose("");
  const pool = createPool(route, turn, deadlines, options);
  session.inherit(options.output ?? Buffer.alloc(0));
  session.attach(new RedisFrontend(pool, session, state, options.descriptors));
  const rig: Rig = {
    isReceivedStable: true,
    upstreams,
    pool,
    deadlines,
    session,
    stream,
    connections,
    heavyConnections,
    counters,
    timers,
    closed: () => isClosed,
    input: (...texts) => {
      for (const text of texts) rig.receive(Buffer.from(text, "latin1"));
    },
    receive(bytes) {
      deliver(session, bytes, rig.isReceivedStable);
    },
    ask: (...args) => rig.input(multibulk(args)),
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    async settle() {
      for (let idle = 0; idle < 3; idle++) {
        // What takes several turns is no standstill.
        if (pool.slices.isBusy) idle = 0;
        const before = stream.taken;
        await rig.turn();
        for (const connection of [...connections, ...heavyConnections]) {
          if (connection.isFull) connection.makeRoom();
          if (connection.waiting.length > 0) idle = 0;
          connection.answer();
        }
        await rig.turn();
        if (stream.taken !== before) idle = 0;
      }
    },
  };
  return rig;
}
