/** A server, or what is on the way to it, that loses a reply and is well again. */
import { describe, expect, test } from "bun:test";
import { createMemcacheTextUpstream } from "../../../src/protocols/memcache/codec/text/upstream-protocol.ts";
import { createLeaseRig } from "./lease-rig.ts";
import {
  answersTo,
  type ConnectionRig,
  createConnectionRig,
  type FakeSocket,
  questionsIn,
  RecordingSink,
  stepAnswer,
} from "./upstream-rig.ts";

async function timedOut(options = {}): Promise<{ rig: ConnectionRig; socket: FakeSocket }> {
  const rig = createConnectionRig(options);
  rig.get(0);
  const socket = await rig.opened();
  rig.deadlines.reach(1100);
  await rig.endTurn();
  return { rig, socket };
}

describe("a lost reply", () => {
  test("costs one request: the connection is made anew before another one could get its reply", async () => {
    const { rig, socket } = await timedOut();
    socket.says(stepAnswer(socket));
    expect(socket.isClosed).toBe(true);
    // Once, when the reply did not come.
    expect(rig.heard.trouble).toBe(1);
    rig.get(1);
    const next = await rig.opened();
    next.says("+b\r\n");
    expect([...rig.sink.settled]).toEqual([
      [0, "timeout sent"],
      [1, "+b\r\n"],
    ]);
  });

  test("is found out, too, by a request that was sent behind it; that one hears that it may have been executed", async () => {
    const rig = createConnectionRig();
    rig.get(0);
    const socket = await rig.opened();
    rig.turn.atMs = 1050;
    rig.get(1);
    await rig.endTurn();
    rig.deadlines.reach(1100);
    await rig.endTurn();
    rig.get(2);
    await rig.endTurn();
    // It is the second one's, and swallowed as the first one's; then the answer comes in the second one's place.
    socket.says("+b\r\n");
    socket.says(stepAnswer(socket));
    expect(socket.isClosed).toBe(true);
    expect([...rig.sink.settled.values()]).toEqual([
      "timeout sent",
      "timeout sent",
      "timeout sent",
    ]);
    expect(rig.sink.failures.get(1)!.text).toContain("got lost");
  });

  test("of the question is as bad: nothing is delivered behind it", async () => {
    const { rig, socket } = await timedOut();
    rig.get(1);
    await rig.endTurn();
    socket.says("+late\r\n+b\r\n");
    expect(rig.sink.settled.get(1)).toBe("timeout sent");
    expect(socket.isClosed).toBe(true);
  });

  test("while the question is under way is asked for again", async () => {
    const { rig, socket } = await timedOut();
    rig.get(1);
    await rig.endTurn();
    rig.deadlines.reach(1200);
    socket.says(`+late\r\n${stepAnswer(socket)}`);
    await rig.endTurn();
    expect(questionsIn(socket.received)).toBe(2);
    socket.says(stepAnswer(socket));
    expect(socket.isClosed).toBe(true);
  });

  test("of a memcached server is found out, also if it answers in pieces", async () => {
    const { rig, socket } = await timedOut({ protocol: createMemcacheTextUpstream() });
    expect(socket.received).toEndWith("version\r\n");
    for (const piece of ["VERS", "ION 1.6", ".18\r", "\n"]) socket.says(piece);
    expect(socket.isClosed).toBe(true);
    expect(rig.connection.pendingCount).toBe(0);
  });

  for (const error of ["-NOPERM no permissions", "-ERR unknown command", "-BUSY", "-LOADING"]) {
    test(`is not supposed when the question is answered with ${error}`, async () => {
      const { rig, socket } = await timedOut();
      rig.get(1);
      await rig.endTurn();
      socket.says(`+late\r\n${error}\r\n+b\r\n`);
      expect([rig.sink.settled.get(1), socket.isClosed]).toEqual(["+b\r\n", false]);
    });
  }

  test("is not supposed when a memcached server does not know the question", async () => {
    for (const error of ["ERROR", "SERVER_ERROR busy"]) {
      const { rig, socket } = await timedOut({ protocol: createMemcacheTextUpstream() });
      rig.get(1);
      await rig.endTurn();
      socket.says(`END\r\n${error}\r\nEND\r\n`);
      expect([rig.sink.settled.get(1), socket.isClosed]).toEqual(["END\r\n", false]);
    }
  });

  test("of a server that does not answer questions ends the connection after a few timeouts", async () => {
    const rig = createConnectionRig({ timeoutMs: 400 });
    rig.get(0);
    const socket = await rig.opened();
    for (let token = 1; token < 5 && !socket.isClosed; token++) {
      rig.deadlines.reach(rig.turn.atMs + 400);
      await rig.endTurn();
      if (socket.isClosed) break;
      // Each question is refused, and each reply late.
      socket.says("+late\r\n-ERR no\r\n");
      rig.get(token);
      await rig.endTurn();
    }
    expect(socket.isClosed).toBe(true);
    expect(rig.connection.refusal?.kind).toBe("timeout");
  });

  test("is found out when the answer to a question comes too early, whatever the server refused before", async () => {
    const { rig, socket } = await timedOut();
    socket.says("+late\r\n-LOADING\r\n");
    rig.get(1);
    await rig.endTurn();
    rig.deadlines.reach(1300);
    await rig.endTurn();
    socket.says(stepAnswer(socket));
    expect(socket.isClosed).toBe(true);
  });

  test("on a connection where no question can be asked ends it after a few timeouts", async () => {
    const rig = createLeaseRig({ timeoutMs: 400 });
    const { lease, socket } = await rig.lend();
    const sink = new RecordingSink();
    const GET = Buffer.from("*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    for (let i = 0; i < 4 && !socket.isClosed; i++) {
      lease.send(GET, 0, GET.length, sink, i, 1);
      await rig.endTurn();
      // The first reply was lost: each answers the request before.
      if (i > 0) socket.says("+x\r\n");
      rig.deadlines.reach(rig.turn.atMs + 400);
    }
    expect(socket.isClosed).toBe(true);
    expect(lease.refusal?.kind).toBe("timeout");
    expect([...sink.settled.values()].every((what) => what === "timeout sent")).toBe(true);
  });
});

test("a server that was only slow keeps its connection, and its replies their requests", async () => {
  const rig = createConnectionRig({ timeoutMs: 1000 });
  rig.get(0, 3);
  const socket = await rig.opened();
  for (let token = 10; token < 30; token++) {
    rig.deadlines.reach(rig.turn.atMs + 100);
    rig.get(token);
    await rig.endTurn();
  }
  // After two seconds all that was asked is answered, in order.
  const valueAt = (index: number): string => `+${String(index).padStart(2, "0")}\r\n`;
  for (const answer of answersTo(socket.received, valueAt)) socket.says(answer);
  expect(socket.isClosed).toBe(false);
  const inTime = [...rig.sink.settled.values()].filter((what) => what.startsWith("+"));
  expect(inTime.length).toBeGreaterThan(5);
  await rig.endTurn();
  while (rig.connection.pendingCount > 0) {
    socket.says(stepAnswer(socket));
    await rig.endTurn();
  }
  rig.get(99);
  await rig.endTurn();
  socket.says("+99\r\n");
  expect([rig.sink.settled.get(99), socket.isClosed]).toEqual(["+99\r\n", false]);
});
