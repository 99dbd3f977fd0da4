import { describe, expect, test } from "bun:test";
import { SERVER } from "../../../src/api/stats.ts";
import { connectionKind } from "../../../src/api/upstream.ts";
import {
  answer,
  ask,
  createLeaseRig,
  expectNothingLeft,
  type LeaseRig,
  listen,
} from "./lease-rig.ts";
import { RecordingSink } from "./upstream-rig.ts";

describe("a lease that moves", () => {
  test("leaves without a word: the connection stays open for its receiver", async () => {
    const rig = createLeaseRig();
    const { lease, socket } = await rig.lend();
    const sink = new RecordingSink();
    const log = listen(lease);
    ask(lease, sink, 1);
    await rig.endTurn();
    // A reply that nobody may wait for any more would be taken for the next one.
    expect(lease.isMovable).toBe(false);
    lease.mayBlock = true;
    expect([lease.isMovable, lease.fd]).toEqual([true, socket.fd]);
    socket.isMovable = false;
    expect(lease.isMovable).toBe(false);
    socket.isMovable = true;
    socket.says("$6\r\n00");
    expect(lease.isMovable).toBe(false);
    socket.says("0001\r\n");
    ask(lease, sink, 2);
    await rig.endTurn();
    lease.leave();
    expect([socket.isDetached, socket.isClosed]).toEqual([true, false]);
    expect([[...sink.settled.keys()], log]).toEqual([[1], []]);
    expect(lease.isMovable).toBe(false);
    expectNothingLeft(rig);
  });

  test("its receiver gets the reply that is owed, and goes on; nobody else gets the connection", async () => {
    const rig = createLeaseRig();
    const lease = rig.pool.adopt(41, connectionKind(0), "10.0.0.1");
    const sink = new RecordingSink();
    lease.mayBlock = true;
    lease.expect(sink, 5);
    expect([rig.adoptions[0]!.fd, lease.isMovable]).toEqual([41, false]);
    const socket = rig.adoptions[0]!.opens()!;
    expect(lease.isMovable).toBe(true);
    rig.turn.atMs += 1e6;
    rig.deadlines.reach(rig.turn.atMs);
    socket.says(answer(5));
    expect(sink.settled.get(5)).toBe(answer(5));
    lease.mayBlock = false;
    ask(lease, sink, 6);
    await rig.endTurn();
    expect(socket.received).toContain("000006");
    socket.says(answer(6));
    expect(sink.settled.get(6)).toBe(answer(6));
    // The first request was counted where it was sent.
    expect([rig.counters[SERVER.requests], rig.counters[SERVER.responses]]).toEqual([1, 2]);
    lease.release(true);
    expect(socket.isClosed).toBe(true);
    expectNothingLeft(rig);
  });

  test("says nothing about the health of the server", () => {
    const rig = createLeaseRig();
    rig.pool.adopt(41, connectionKind(0), "10.0.0.1");
    rig.adoptions[0]!.opens();
    expect(rig.heard.up).toBe(0);
  });

  const deaths: [string, (rig: LeaseRig) => void][] = [
    ["is no connection any more", ({ adoptions }) => adoptions[0]!.fails()],
    ["was lost on the way", ({ adoptions }) => adoptions[0]!.opens()!.hangsUp()],
    ["does not come about", ({ deadlines, turn }) => deadlines.reach(turn.atMs + 60)],
  ];
  test.each(deaths)("when it %s, what is owed may or may not have happened", async (_, die) => {
    const rig = createLeaseRig();
    const lease = rig.pool.adopt(41, connectionKind(0), "10.0.0.1");
    const sink = new RecordingSink();
    const log = listen(lease);
    lease.mayBlock = true;
    lease.expect(sink, 5);
    die(rig);
    expect(sink.settled.get(5)).toBe("closed sent");
    expect(log).toEqual(["lost: closed"]);
    expect(rig.heard.trouble).toBe(0);
    expectNothingLeft(rig);
  });

  test("when its client leaves before it stands again, it is closed as soon as it does", () => {
    const rig = createLeaseRig();
    const lease = rig.pool.adopt(41, connectionKind(0), "10.0.0.1");
    lease.expect(new RecordingSink(), 5);
    lease.release(false);
    expect(rig.adoptions[0]!.opens()).toBe(null);
    expectNothingLeft(rig);
  });
});
