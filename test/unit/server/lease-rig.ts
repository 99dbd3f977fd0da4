/** Leases without sockets: the test plays the network, the server and the clock. */

import { expect } from "bun:test";
import { SERVER } from "../../../src/api/stats.ts";
import type { Stream, StreamEvents } from "../../../src/api/stream.ts";
import { connectionKind, type Lease, type Upstream } from "../../../src/api/upstream.ts";
import { FairShares } from "../../../src/base/fair-shares.ts";
import { createRedisUpstream } from "../../../src/protocols/redis/codec/upstream-protocol.ts";
import { LeasePool } from "../../../src/server/lease-pool.ts";
import type { LeasedConnection, LeaseOwner } from "../../../src/server/leased-connection.ts";
import { PartialReplies } from "../../../src/server/partial-replies.ts";
import { ManualDeadlines } from "../../support/manual-deadlines.ts";
import {
  type Attempt,
  attemptRecorder,
  FakeSocket,
  ManualTurn,
  type RecordingSink,
  type Timer,
  timerRecorder,
} from "./upstream-rig.ts";

/** A descriptor that is to become a connection. */
export interface Adoption {
  readonly fd: number;
  /** The connection stands; null: it was refused. */
  opens(): FakeSocket | null;
  fails(): void;
}

export interface LeaseRig {
  readonly pool: LeasePool;
  readonly turn: ManualTurn;
  readonly deadlines: ManualDeadlines;
  readonly attempts: Attempt[];
  readonly adoptions: Adoption[];
  readonly timers: Timer[];
  readonly counters: Float64Array;
  readonly heard: { up: number; trouble: number; outOfStep: number; reply: number };
  /** Descriptors for 100,000 connections, unless a test changes it. */
  readonly limit: {
    lent: number;
    free: number;
    readonly shares: FairShares;
    readonly openFiles: number;
  };
  endTurn(): Promise<void>;
  /** Connection attempt number i, by default the last, succeeds, and the turn ends. */
  opened(i?: number): Promise<FakeSocket>;
  /** A lease that stands. */
  lend(variant?: number): Promise<{ lease: Lease; socket: FakeSocket }>;
}

const PASSWORD = { database: 0, user: null, password: Buffer.from("secret") };

/** Variants 0 and 1 need no handshake, number 2 does. */
export function createLeaseRig(
  options: { timeoutMs?: number | null; upstream?: Upstream } = {},
): LeaseRig {
  const { timeoutMs = 100, upstream = { name: "s" } as Upstream } = options;
  const turn = new ManualTurn();
  const deadlines = new ManualDeadlines(turn);
  const attempts: Attempt[] = [];
  const adoptions: Adoption[] = [];
  const timers: Timer[] = [];
  const counters = new Float64Array(64);
  const heard = { up: 0, trouble: 0, outOfStep: 0, reply: 0 };
  const limit = { lent: 0, free: 100_000, shares: new FairShares(), openFiles: 100_064 };
  const owner: LeaseOwner = {
    name: upstream.name,
    turn,
    deadlines,
    timeoutMs,
    connectTimeoutMs: 50,
    // A shared connection would be kept up; a lease is not.
    isEager: true,
    counters: { values: counters, base: 0 },
    times: null,
    errors: null,
    connect: attemptRecorder(attempts),
    partialReplies: new PartialReplies(),
    adoptSocket: (fd, onStream, onError) => {
      adoptions.push({ fd, opens: () => openAdopted(onStream), fails: onError });
    },
    onDescriptor: () => {},
    onUp: () => heard.up++,
    onTrouble: () => heard.trouble++,
    onSignal: () => {},
    firstByteMs: null,
    queueMs: null,
    pendingMax: Number.POSITIVE_INFINITY,
    onOutOfStep: () => heard.outOfStep++,
    onReply: () => heard.reply++,
    onLost: () => {},
    retryDelayMs: () => 10,
    schedule: timerRecorder(timers),
    onReturned: (connection: LeasedConnection, isFree) => pool.onReturned(connection, isFree),
  };
  const own = { database: 0, user: null, password: null };
  const pool = new LeasePool(
    upstream,
    owner,
    [
      createRedisUpstream({ version: 2, ...own }),
      createRedisUpstream({ version: 2, ...own }),
      createRedisUpstream({ version: 2, ...PASSWORD }),
    ],
    limit,
  );
  const endTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const opened = async (i = attempts.length - 1): Promise<FakeSocket> => {
    const socket = attempts[i]!.opens();
    await endTurn();
    return socket;
  };
  return {
    ...{
      pool,
      turn,
      deadlines,
      attempts,
      adoptions,
      timers,
      counters,
      heard,
      limit,
      endTurn,
      opened,
    },
    async lend(variant = 0) {
      const lease = pool.lease(connectionKind(variant), "10.0.0.1")!;
      lease.whenReady(() => {});
      return { lease, socket: await opened() };
    },
  };
}

/** As the engine does: who refuses the stream has it closed. */
function openAdopted(onStream: (stream: Stream) => StreamEvents | null): FakeSocket | null {
  let events: StreamEvents | null = null;
  const socket = new FakeSocket({
    onBytes: (...received) => events?.onBytes(...received),
    onDrain: () => events?.onDrain(),
    onEnd: () => events?.onEnd(),
    onClose: (cause) => events?.onClose(cause),
  });
  events = onStream(socket);
  return events === null ? null : socket;
}

/** "GET nnnnnn", to which the server of these tests answers with nnnnnn. */
export function ask(lease: Lease, sink: RecordingSink, token: number): void {
  const bytes = Buffer.from(`*2\r\n$3\r\nGET\r\n$6\r\n${sixDigits(token)}\r\n`);
  lease.send(bytes, 0, bytes.length, sink, token, 1);
}

export function answer(token: number): string {
  return `$6\r\n${sixDigits(token)}\r\n`;
}

function sixDigits(token: number): string {
  return String(token).padStart(6, "0");
}

/** What the server's statistics say of connections that stand and of requests that are under way. */
function gauges({ counters }: LeaseRig): number[] {
  return [SERVER.server_connections, SERVER.in_queue, SERVER.out_queue].map((at) => counters[at]!);
}

/** Nothing is lent, nothing tried, nothing counted. */
export function expectNothingLeft(rig: LeaseRig): void {
  expect(gauges(rig)).toEqual([0, 0, 0]);
  expect(rig.limit.lent).toBe(0);
  expect(rig.pool.pendingCount).toBe(0);
  expect(rig.timers.filter(({ isCancelled }) => !isCancelled)).toEqual([]);
}

/** Writes down what its session hears of a lease: failures of requests, then "lost". */
export function listen(lease: Lease): string[] {
  const log: string[] = [];
  lease.whenLost = ({ kind }) => log.push(`lost: ${kind}`);
  return log;
}
