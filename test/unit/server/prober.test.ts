import { describe, expect, test } from "bun:test";
import type { ProbeFault } from "../../../src/api/protocol.ts";
import { createMemcacheTextUpstream } from "../../../src/protocols/memcache/codec/text/upstream-protocol.ts";
import { createRedisUpstream } from "../../../src/protocols/redis/codec/upstream-protocol.ts";
import { PartialReplies } from "../../../src/server/partial-replies.ts";
import {
  ConnectProber,
  type ProbeOutcome,
  type Prober,
  type ProberOptions,
  RequestProber,
} from "../../../src/server/prober.ts";
import { ManualDeadlines, ManualTurn } from "../../support/manual-deadlines.ts";
import { type Attempt, attemptRecorder } from "./upstream-rig.ts";

const TIMEOUT_MS = 50;

function rig(create: (options: ProberOptions) => Prober) {
  const turn = new ManualTurn();
  const deadlines = new ManualDeadlines(turn);
  const attempts: Attempt[] = [];
  const held = { descriptors: 0 };
  const connect = attemptRecorder(attempts);
  const prober = create({
    ...{ name: "s", turn, deadlines, timeoutMs: () => TIMEOUT_MS },
    ...{ partialReplies: new PartialReplies(), schedule: () => () => {} },
    connect: (events, streamEvents) => connect(events, streamEvents, false),
    onDescriptor: (by) => {
      held.descriptors += by;
    },
  });
  const outcomes: ProbeOutcome[] = [];
  const endTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    ...{ prober, attempts, outcomes, turn, held, endTurn },
    ask: () => prober.probe((outcome) => outcomes.push(outcome)),
    opened: async () => {
      const socket = attempts.at(-1)!.opens();
      await endTurn();
      return socket;
    },
    wait: (ms: number) => deadlines.reach(turn.atMs + ms),
  };
}

const REDIS = createRedisUpstream({ version: 2, database: 0, user: null, password: null });
const redisRig = (protocol = REDIS) => rig((options) => new RequestProber(options, protocol));

describe("a Redis server", () => {
  test("is asked over one connection that is kept", async () => {
    const { ask, opened, outcomes, attempts, endTurn, held } = redisRig();
    ask();
    const socket = await opened();
    expect(socket.received).toBe("*1\r\n$4\r\nPING\r\n");
    socket.says("+PONG\r\n");
    ask();
    await endTurn();
    socket.says("+PONG\r\n");
    expect(outcomes).toEqual([null, null]);
    expect([attempts.length, held.descriptors]).toEqual([1, 1]);
  });

  const said: [string, ProbeFault | null][] = [
    ["+PONG", null],
    ["-NOAUTH Authentication required.", null],
    ["-NOPERM this user has no permissions", null],
    ["-LOADING Redis is loading", { text: "LOADING Redis is loading", isGrave: true }],
    ["-MASTERDOWN Link with MASTER", { text: "MASTERDOWN Link with MASTER", isGrave: true }],
    ["-BUSY Redis is busy", { text: "BUSY Redis is busy", isGrave: false }],
    [
      "-ERR max number of clients reached",
      { text: "ERR max number of clients reached", isGrave: false },
    ],
    ["+HELLO there", null],
    ["$1\r\nx", { text: "PING: its reply is not what it should be", isGrave: true }],
    ["?what", { text: "its answer makes no sense", isGrave: true }],
  ];
  test.each(said)("that says %s", async (reply, outcome) => {
    const { ask, opened, outcomes } = redisRig();
    ask();
    (await opened()).says(`${reply}\r\n`);
    expect(outcomes).toEqual([outcome]);
  });

  test("that says nothing is asked over another connection the next time", async () => {
    const { ask, opened, outcomes, attempts, wait, held } = redisRig();
    ask();
    const silent = await opened();
    wait(TIMEOUT_MS - 1);
    expect(outcomes).toEqual([]);
    wait(1);
    expect(outcomes).toEqual([{ text: `no answer within ${TIMEOUT_MS} ms`, isGrave: true }]);
    ask();
    (await opened()).says("+PONG\r\n");
    expect(outcomes.at(-1)).toBe(null);
    expect([silent.isClosed, attempts.length, held.descriptors]).toEqual([true, 2, 1]);
  });

  test("that does not let itself be connected, or only late", async () => {
    const { ask, outcomes, attempts, wait, held } = redisRig();
    ask();
    attempts[0]!.events.onError("ECONNREFUSED");
    ask();
    wait(TIMEOUT_MS);
    expect(outcomes).toEqual([
      { text: "Connection refused", isGrave: true },
      { text: `no connection within ${TIMEOUT_MS} ms`, isGrave: true },
    ]);
    expect(held.descriptors).toBe(0);
  });

  test("that closed an idle connection is asked again at once", async () => {
    const { ask, opened, outcomes, attempts, endTurn } = redisRig();
    ask();
    const first = await opened();
    first.says("+PONG\r\n");
    ask();
    await endTurn();
    first.hangsUp();
    expect(attempts.length).toBe(2);
    const second = await opened();
    expect(outcomes).toEqual([null]);
    second.hangsUp();
    expect(outcomes[1]).toEqual({ text: "it closed the connection", isGrave: true });
  });

  test("of which this process's shortage tells nothing", () => {
    const { ask, outcomes, attempts } = redisRig();
    for (const cause of ["EMFILE", "ENFILE", "ENOBUFS", "EADDRNOTAVAIL", "UNKNOWN_PLACE"]) {
      ask();
      attempts.at(-1)!.events.onError(cause);
    }
    expect(outcomes).toEqual(Array.from({ length: 5 }, () => undefined));
  });
});

test("a Memcached server is asked for its version", async () => {
  const { ask, opened, outcomes } = redisRig(createMemcacheTextUpstream());
  ask();
  const socket = await opened();
  expect(socket.received).toBe("version\r\n");
  socket.says("VERSION 1.6.9\r\n");
  ask();
  socket.says("SERVER_ERROR out of memory\r\n");
  expect(outcomes[0]).toBe(null);
});

test("of another server it is enough that it can be connected", async () => {
  const { ask, opened, outcomes, attempts, wait, held } = rig((one) => new ConnectProber(one));
  ask();
  const socket = await opened();
  expect([socket.isClosed, socket.received]).toEqual([true, ""]);
  ask();
  attempts.at(-1)!.events.onError("ECONNREFUSED");
  ask();
  wait(TIMEOUT_MS);
  expect(outcomes).toEqual([
    null,
    { text: "Connection refused", isGrave: true },
    { text: `no connection within ${TIMEOUT_MS} ms`, isGrave: true },
  ]);
  expect(held.descriptors).toBe(0);
});
