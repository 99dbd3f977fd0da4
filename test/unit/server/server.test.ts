import { describe, expect, test } from "bun:test";
import type { PoolConfig } from "../../../src/api/config.ts";
import type { ConnectAttempt, ConnectEvents } from "../../../src/api/engine.ts";
import { heavyLane } from "../../../src/api/lane.ts";
import type { UpstreamProtocol } from "../../../src/api/protocol.ts";
import { POOL, SERVER } from "../../../src/api/stats.ts";
import type { StreamEvents } from "../../../src/api/stream.ts";
import { connectionKind } from "../../../src/api/upstream.ts";
import { DescriptorBudget, planDescriptors } from "../../../src/base/descriptor-budget.ts";
import { HEAVY_IDLE_MS } from "../../../src/base/fairness-limits.ts";
import { RETIRE_MS_MAX, VARIANT_IDLE_MS } from "../../../src/base/limits.ts";
import type { Logger } from "../../../src/base/log.ts";
import { LogLimit } from "../../../src/base/log-limit.ts";
import { bunEngine } from "../../../src/engine/bun/engine.ts";
import { VariantTable } from "../../../src/protocols/redis/client/identity/variant-table.ts";
import { createRedisUpstream } from "../../../src/protocols/redis/codec/upstream-protocol.ts";
import { ConnectionPlan } from "../../../src/server/connection-plan.ts";
import { Ejections } from "../../../src/server/ejections.ts";
import { PartialReplies } from "../../../src/server/partial-replies.ts";
import { Server } from "../../../src/server/server.ts";
import { memberOf } from "../../../src/topology/static.ts";
import { ManualDeadlines } from "../../support/manual-deadlines.ts";
import {
  type Attempt,
  attemptRecorder,
  GET,
  ManualTurn,
  RecordingSink,
  type Timer,
  timerRecorder,
} from "./upstream-rig.ts";

/** Connects to nobody: the test decides what becomes of each attempt. */
class TestServer extends Server {
  readonly attempts: Attempt[] = [];

  override connect(events: ConnectEvents, streamEvents: StreamEvents): ConnectAttempt {
    return attemptRecorder(this.attempts)(events, streamEvents, false);
  }
}

const SILENT: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  child: () => SILENT,
  setLevel() {},
  reopen() {},
  redirect() {},
};

const PLAIN = { database: 0, user: null, password: null };
const OWN: { readonly protocols: readonly UpstreamProtocol[] } = {
  protocols: ([2, 3] as const).map((version) => createRedisUpstream({ version, ...PLAIN })),
};

function createServer(
  pool: Partial<PoolConfig>,
  { variants = OWN, turn = new ManualTurn() } = {},
): {
  server: TestServer;
  deadlines: ManualDeadlines;
  timers: Timer[];
  counters: Float64Array;
  changes: () => number;
  descriptors: DescriptorBudget;
} {
  const timers: Timer[] = [];
  const deadlines = new ManualDeadlines(turn);
  const counters = new Float64Array(64);
  let changes = 0;
  const needs = planDescriptors(1024, []);
  const descriptors = new DescriptorBudget(needs, () => 0);
  const ejections = new Ejections({
    total: () => 2,
    outMax: () => 1,
    probeIntervalMs: () => 5000,
    schedule: timerRecorder(timers),
    onChange: () => changes++,
  });
  const server = new TestServer({
    pool: {
      timeoutMs: 100,
      connectTimeoutMs: 50,
      preconnect: false,
      autoEjectHosts: true,
      serverConnections: 2,
      serverRetryTimeoutMs: 5000,
      serverFailureLimit: 2,
      ...pool,
    } as PoolConfig,
    member: memberOf({
      ...{ name: "s", weight: 1 },
      address: { kind: "tcp", host: "127.0.0.1", port: 1 },
    }),
    id: 0,
    engine: bunEngine,
    variants: variants.protocols,
    turn,
    deadlines,
    schedule: timerRecorder(timers),
    epochMs: () => 12_345,
    random: () => 0.5,
    poolCounters: { values: counters, base: 0 },
    counters: { values: counters, base: 20 },
    times: null,
    errors: null,
    log: SILENT,
    logLimit: new LogLimit(),
    partialReplies: new PartialReplies(),
    descriptors,
    plan: new ConnectionPlan(descriptors, 1, pool.serverConnections ?? 2),
    ejections: pool.autoEjectHosts === false ? null : ejections,
  });
  return { server, deadlines, timers, counters, descriptors, changes: () => changes };
}

function request(server: TestServer, lane: number, sink: RecordingSink, token: number): void {
  server.connection(lane, connectionKind(0)).send(GET, 0, GET.length, sink, token, 1);
}

describe("Server", () => {
  test("gives each lane one connection of each variant", () => {
    const { server } = createServer({});
    expect(server.connection(0, connectionKind(0))).toBe(server.connection(2, connectionKind(0)));
    expect(server.connection(1, connectionKind(0))).not.toBe(
      server.connection(0, connectionKind(0)),
    );
    expect(server.connection(0, connectionKind(1))).not.toBe(
      server.connection(0, connectionKind(0)),
    );
  });

  test("gives heavy lanes connections of their own, which are closed when they are unused", async () => {
    const { server, deadlines, counters } = createServer({});
    const plain = server.connection(1, connectionKind(0));
    const heavy = server.connection(heavyLane(1), connectionKind(0));
    expect(heavy).not.toBe(plain);
    expect(heavy).toBe(server.connection(heavyLane(3), connectionKind(0)));
    const sink = new RecordingSink();
    request(server, heavyLane(1), sink, 7);
    const socket = server.attempts[0]!.opens();
    expect(counters[20 + SERVER.server_connections]).toBe(1);
    await new Promise(setImmediate);
    socket.says("+OK\r\n");
    expect(sink.settled.has(7)).toBe(true);
    deadlines.reach(HEAVY_IDLE_MS - 1);
    expect(socket.isClosed).toBe(false);
    deadlines.reach(HEAVY_IDLE_MS + 1000);
    expect(socket.isClosed).toBe(true);
    expect(server.forgetVariant(connectionKind(0))).toBe(true);
    expect(server.connection(heavyLane(1), connectionKind(0))).not.toBe(heavy);
  });

  test.each(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL"])(
    "is not ejected for what this machine is short of, and the client is told what helps: %s",
    (cause) => {
      const { server, timers, changes } = createServer({});
      const sink = new RecordingSink();
      for (let attempt = 0; attempt < 5; attempt++) {
        if (attempt === 0) request(server, 0, sink, 0);
        else timers.at(-1)!.callback();
        server.attempts[attempt]!.events.onError(cause);
      }
      expect([server.isEjected, changes()]).toEqual([false, 0]);
      const { refusal } = server.connection(0, connectionKind(0));
      expect(refusal!.text).toMatch(/^No connection \(to server s\): .*(raise|too little|widen)/);
      expect(sink.settled.get(0)).toStartWith("refused");
      server.attempts.at(-1)!.events.onError(cause);
    },
  );

  test("is ejected at the limit, probed after its time, and comes back with all connections", async () => {
    const { server, timers, counters, changes } = createServer({});
    const sink = new RecordingSink();
    request(server, 0, sink, 0);
    request(server, 1, sink, 1);
    const other = server.attempts[1]!.opens();
    server.attempts[0]!.events.onError("ECONNREFUSED");
    expect([server.isEjected, changes()]).toEqual([false, 0]);
    expect(timers.at(-1)!.delayMs).toBe(50);
    timers.at(-1)!.callback();
    server.attempts[2]!.events.onError("ECONNREFUSED");
    expect([server.isEjected, changes()]).toEqual([true, 1]);
    expect(counters[POOL.server_ejects]).toBe(1);
    expect(counters[20 + SERVER.server_ejected_at]).toBe(12_345_000);
    // The other connection is given up, too, with what was on it.
    expect(other.isClosed).toBe(true);
    expect(sink.settled.get(1)).toStartWith("ejected");
    expect(server.connection(1, connectionKind(0)).refusal?.kind).toBe("ejected");
    const waiting = timers.filter((timer) => !timer.isCancelled && timer.delayMs === 5000);
    expect(waiting.length).toBe(2);

    waiting[0]!.callback();
    const probe = server.attempts.at(-1)!.opens();
    expect(server.isEjected).toBe(true);
    probe.says("+PONG\r\n");
    expect([server.isEjected, changes()]).toEqual([false, 2]);
    // The other one need not wait for its own timer.
    server.attempts.at(-1)!.opens().says("+PONG\r\n");
    expect([0, 1].map((lane) => server.connection(lane, connectionKind(0)).refusal)).toEqual([
      null,
      null,
    ]);
  });

  test("its connections count as descriptors while they stand or are being made", () => {
    const { server, descriptors, timers } = createServer({ serverConnections: 2 });
    const { free } = descriptors;
    request(server, 0, new RecordingSink(), 0);
    // Two are planned now, and one of them is being made.
    expect([descriptors.shared, free - descriptors.free]).toEqual([1, 2]);
    const socket = server.attempts[0]!.opens();
    expect(descriptors.shared).toBe(1);
    socket.hangsUp();
    expect(descriptors.shared).toBe(0);
    request(server, 1, new RecordingSink(), 0);
    server.attempts.at(-1)!.events.onError("ECONNREFUSED");
    expect(descriptors.shared).toBe(0);
    timers.at(-1)!.callback();
    expect(descriptors.shared).toBe(1);
    server.close();
    expect(descriptors.shared).toBe(0);
  });

  test("a reply in between starts the count anew", async () => {
    const { server } = createServer({ serverConnections: 1 });
    const sink = new RecordingSink();
    for (let token = 0; token < 6; token += 2) {
      request(server, 0, sink, token);
      const socket = server.attempts.at(-1)!.opens();
      await new Promise((resolve) => setImmediate(resolve));
      socket.says("+a\r\n");
      request(server, 0, sink, token + 1);
      await new Promise((resolve) => setImmediate(resolve));
      socket.hangsUp();
      expect(sink.settled.get(token + 1)).toBe("closed sent");
      expect(server.isEjected).toBe(false);
    }
  });

  test("without auto_eject_hosts it stays, and is tried again and again, but not too often", () => {
    const { server, timers } = createServer({ autoEjectHosts: false, serverConnections: 1 });
    request(server, 0, new RecordingSink(), 0);
    const delays: number[] = [];
    for (let i = 0; i < 8; i++) {
      server.attempts.at(-1)!.events.onError("ECONNREFUSED");
      delays.push(timers.at(-1)!.delayMs);
      timers.at(-1)!.callback();
    }
    expect(server.isEjected).toBe(false);
    expect(delays).toEqual([50, 100, 200, 400, 800, 1000, 1000, 1000]);
  });

  describe("of what clients chose", () => {
    const variants = new VariantTable(null, 0);
    const chosen = variants.hold(
      { version: 2, database: 3, user: null, password: null },
      "10.0.0.1",
    );

    function turnEnds(): Promise<void> {
      return new Promise((resolve) => setImmediate(resolve));
    }

    /** A connection of that kind which has answered `replies` requests. */
    function connected(rest: Partial<PoolConfig> = {}) {
      const turn = new ManualTurn();
      const rig = createServer({ serverConnections: 1, ...rest }, { variants, turn });
      const sink = new RecordingSink();
      const send = (token: number) =>
        rig.server.connection(0, chosen).send(GET, 0, GET.length, sink, token, 1);
      send(0);
      const socket = rig.server.attempts.at(-1)!.opens();
      return { ...rig, turn, sink, socket, send };
    }

    test("a refusal is told to the client in the server's words, and is no trouble", () => {
      const { server, socket, sink } = connected({ serverFailureLimit: 1 });
      socket.says("-ERR DB index is out of range\r\n");
      expect(sink.settled.get(0)).toStartWith("handshake");
      expect(sink.failures.get(0)!.reply!.toString()).toBe("-ERR DB index is out of range\r\n");
      expect(server.isEjected).toBe(false);
      expect(server.connection(0, chosen).refusal).toBe(null);
      expect(server.attempts.length).toBe(1);
    });

    test("a connection is closed when nobody has used it for a while, and opened again when needed", async () => {
      const { server, turn, deadlines, socket, send } = connected();
      socket.says("+OK\r\n");
      await turnEnds();
      socket.says("+a\r\n");
      const usedMs = turn.atMs;
      deadlines.reach(usedMs + VARIANT_IDLE_MS - 1);
      expect(socket.isClosed).toBe(false);
      deadlines.reach(usedMs + VARIANT_IDLE_MS);
      expect(socket.isClosed).toBe(true);
      expect(server.isEjected).toBe(false);
      send(1);
      expect(server.attempts.length).toBe(2);
    });

    test("a connection with a request on it is not forgotten", async () => {
      const { server, deadlines, socket, sink } = connected({ timeoutMs: null });
      socket.says("+OK\r\n");
      await turnEnds();
      deadlines.reach(10 * VARIANT_IDLE_MS);
      expect(server.forgetVariant(chosen)).toBe(false);
      socket.says("+a\r\n");
      expect(sink.settled.get(0)).toBe("+a\r\n");
      expect(server.forgetVariant(chosen)).toBe(true);
      expect(socket.isClosed).toBe(true);
    });

    test("a free lease does not outlive what its number stands for", () => {
      const table = new VariantTable(null, 0);
      const number = table.hold(
        { version: 2, database: 3, user: null, password: null },
        "10.0.0.1",
      );
      const { server } = createServer({}, { variants: table });
      const lease = server.lease(number, "10.0.0.1")!;
      lease.whenReady(() => {});
      const socket = server.attempts.at(-1)!.opens();
      socket.says("+OK\r\n");
      lease.release(true);
      expect(server.lease(number, "10.0.0.1")).toBe(lease);
      lease.release(true);
      table.release(number);
      table.sweep(0, (each) => server.forgetVariant(each));
      expect(table.hold({ version: 2, database: 4, user: null, password: null }, "10.0.0.1")).toBe(
        number,
      );
      expect(server.lease(number, "10.0.0.1")).not.toBe(lease);
    });
  });
});

test("a server that has left its pool is closed when it owes no reply, or in the end all the same", async () => {
  for (const isAnswered of [true, false]) {
    const turn = new ManualTurn();
    const { server, timers } = createServer({}, { turn });
    const sink = new RecordingSink();
    const connection = server.connection(0, connectionKind(0));
    connection.send(GET, 0, GET.length, sink, 1, 1);
    const socket = server.attempts[0]!.opens();
    await new Promise((resolve) => setImmediate(resolve));
    server.retire(() => {});
    expect([sink.settled.size, connection.refusal]).toEqual([0, null]);
    if (isAnswered) socket.says("$1\r\nv\r\n");
    else turn.atMs += RETIRE_MS_MAX;
    timers.at(-1)!.callback();
    expect(sink.settled.get(1)).toBe(isAnswered ? "$1\r\nv\r\n" : "stopping sent");
    expect(connection.refusal?.kind).toBe("stopping");
  }
});
