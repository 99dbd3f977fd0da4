import { describe, expect, test } from "bun:test";
import { connectionKind, type Failure, type Lease } from "../../../src/api/upstream.ts";
import { LEASE_IDLE_MS, LEASES_FREE_MAX, LEASES_MAX } from "../../../src/base/limits.ts";
import {
  answer,
  ask,
  createLeaseRig,
  expectNothingLeft,
  type LeaseRig,
  listen,
} from "./lease-rig.ts";
import { type FakeSocket, RecordingSink } from "./upstream-rig.ts";

const ORIGIN = "10.0.0.1";
const STOP: Failure = { kind: "stopping", wasSent: false, text: "stop" };
const STOP_SENT: Failure = { kind: "stopping", wasSent: true, text: "stop" };

describe("a lease that is given back", () => {
  test("is the next one's, if it is of the right kind and nothing is left on it", async () => {
    const rig = createLeaseRig();
    const { lease, socket } = await rig.lend();
    const sink = new RecordingSink();
    ask(lease, sink, 1);
    await rig.endTurn();
    socket.says(answer(1));
    lease.mayBlock = true;
    lease.release(true);
    expect(socket.isClosed).toBe(false);
    expect(rig.pool.lease(connectionKind(1), ORIGIN)).not.toBe(lease);
    const again = rig.pool.lease(connectionKind(0), ORIGIN)!;
    expect(again).toBe(lease);
    expect(again.mayBlock).toBe(false);
    let ready: unknown = "no";
    again.whenReady((failure) => {
      ready = failure;
    });
    expect(ready).toBe(null);
    expect(rig.attempts).toHaveLength(1);
  });

  test("may be so while its last reply is handed out", async () => {
    const rig = createLeaseRig();
    const { lease, socket } = await rig.lend();
    const sink = new RecordingSink();
    const told = sink.onReplies.bind(sink);
    sink.onReplies = (...reply) => {
      lease.release(true);
      told(...reply);
    };
    ask(lease, sink, 7);
    await rig.endTurn();
    socket.says(answer(7));
    expect(sink.settled.get(7)).toBe(answer(7));
    expect(socket.isClosed).toBe(false);
    expect(rig.pool.lease(connectionKind(0), ORIGIN)).toBe(lease);
  });

  const dirty: [string, (lease: Lease, socket: FakeSocket, rig: LeaseRig) => Promise<void>][] = [
    [
      "a reply is owed",
      async (lease, _, rig) => {
        ask(lease, new RecordingSink(), 1);
        await rig.endTurn();
      },
    ],
    ["a request is unsent", async (lease) => ask(lease, new RecordingSink(), 1)],
    [
      "a reply was late",
      async (lease, _, rig) => {
        ask(lease, new RecordingSink(), 1);
        await rig.endTurn();
        rig.turn.atMs += 150;
        rig.deadlines.reach(rig.turn.atMs);
      },
    ],
  ];
  test.each(dirty)("is closed when %s", async (_, soil) => {
    const rig = createLeaseRig();
    const { lease, socket } = await rig.lend();
    const log = listen(lease);
    await soil(lease, socket, rig);
    lease.release(true);
    await rig.endTurn();
    expect(socket.isClosed).toBe(true);
    expect(log).toEqual([]);
    expect(rig.pool.lease(connectionKind(0), ORIGIN)).not.toBe(lease);
    rig.pool.takeDown(STOP_SENT, STOP);
    expectNothingLeft(rig);
  });

  test("is closed between two replies: nobody gets the second", async () => {
    for (const end of ["release", "takeDown"]) {
      const rig = createLeaseRig();
      const { lease, socket } = await rig.lend();
      const [first, second] = [new RecordingSink(), new RecordingSink()];
      first.onReplies = () => {
        if (end === "release") lease.release(false);
        else rig.pool.takeDown(STOP_SENT, STOP);
      };
      ask(lease, first, 1);
      ask(lease, second, 1);
      await rig.endTurn();
      socket.says(answer(1) + answer(1));
      expect([...second.settled.values()]).toEqual(end === "release" ? [] : ["stopping sent"]);
      expectNothingLeft(rig);
    }
  });

  test("is closed when its session says so; what was asked is told nothing any more", async () => {
    const rig = createLeaseRig();
    const { lease, socket } = await rig.lend();
    const sink = new RecordingSink();
    const log = listen(lease);
    ask(lease, sink, 1);
    await rig.endTurn();
    lease.release(false);
    lease.release(false);
    lease.release(true);
    await rig.endTurn();
    expect(socket.isClosed).toBe(true);
    expect([[...sink.settled], log]).toEqual([[], []]);
    expect(rig.heard.trouble).toBe(0);
    expectNothingLeft(rig);
  });

  test("before it stands: the attempt is abandoned", async () => {
    const rig = createLeaseRig();
    const lease = rig.pool.lease(connectionKind(0), ORIGIN)!;
    ask(lease, new RecordingSink(), 1);
    lease.release(true);
    expect(rig.attempts[0]!.isAbandoned).toBe(true);
    expectNothingLeft(rig);
  });

  test("is kept for a while, and only so many are", async () => {
    const rig = createLeaseRig();
    const lent: { lease: Lease; socket: FakeSocket }[] = [];
    for (let i = 0; i < LEASES_FREE_MAX + 3; i++) lent.push(await rig.lend());
    for (const { lease } of lent) lease.release(true);
    expect(lent.filter(({ socket }) => socket.isClosed)).toHaveLength(3);
    expect(rig.limit.lent).toBe(LEASES_FREE_MAX);
    rig.turn.atMs += LEASE_IDLE_MS - 10;
    rig.deadlines.reach(rig.turn.atMs);
    // The one that was used last is used again, so that the others can go.
    const used = rig.pool.lease(connectionKind(0), ORIGIN)!;
    expect(used).toBe(lent[LEASES_FREE_MAX - 1]!.lease);
    used.release(true);
    rig.turn.atMs += 20;
    rig.deadlines.reach(rig.turn.atMs);
    expect(rig.limit.lent).toBe(1);
    rig.turn.atMs += LEASE_IDLE_MS;
    rig.deadlines.reach(rig.turn.atMs);
    expectNothingLeft(rig);
  });
});

describe("limits", () => {
  /** Takes as many as it gets, for clients at `origin`. */
  function takeAll({ pool }: LeaseRig, origin: string): Lease[] {
    const taken: Lease[] = [];
    for (
      let lease = pool.lease(connectionKind(0), origin);
      lease !== null;
      lease = pool.lease(connectionKind(0), origin)
    ) {
      taken.push(lease);
    }
    return taken;
  }

  test("so many per server; a free one of another kind makes room", () => {
    const rig = createLeaseRig();
    const all: Lease[] = [];
    for (let host = 1; all.length < LEASES_MAX; host++) all.push(...takeAll(rig, `10.0.0.${host}`));
    expect(all.length).toBe(LEASES_MAX);
    expect(rig.pool.lease(connectionKind(0), "10.1.0.0")).toBe(null);
    all[0]!.whenReady(() => {});
    rig.attempts[0]!.opens();
    all[0]!.release(true);
    expect(rig.pool.lease(connectionKind(1), "10.1.0.0")).not.toBe(null);
    expect(rig.pool.lease(connectionKind(1), "10.1.0.0")).toBe(null);
    all[1]!.release(false);
    expect(rig.pool.lease(connectionKind(1), "10.1.0.0")).not.toBe(null);
    rig.pool.takeDown(STOP_SENT, STOP);
    expectNothingLeft(rig);
  });

  test("one address alone gets three quarters, and others are served nevertheless", () => {
    const rig = createLeaseRig();
    const greedy = takeAll(rig, ORIGIN);
    expect(greedy.length).toBe((LEASES_MAX * 3) / 4);
    expect(rig.pool.whyNoLease(ORIGIN)).toBe(
      "3072 of the 4096 connections that server s may lend in this worker are in use (transactions, blocking commands) of clients at 10.0.0.1, and the rest is kept for clients elsewhere; end some of them, or run more workers",
    );
    // Another, as greedy, and still there is something for a third, and a fourth.
    expect(takeAll(rig, "10.0.0.2").length).toBe(768);
    expect(takeAll(rig, "10.0.0.3").length).toBe(192);
    const modest = rig.pool.lease(connectionKind(0), "10.0.0.4");
    expect(modest).not.toBe(null);
    // What is given back is everybody's again, by the same rule.
    modest!.release(false);
    for (const lease of greedy) lease.release(false);
    expect(takeAll(rig, "10.0.0.4").length).toBeGreaterThan(2000);
    rig.pool.takeDown(STOP_SENT, STOP);
    expectNothingLeft(rig);
  });

  test("many addresses that take what they can get nearly the same each, and nearly all", () => {
    const rig = createLeaseRig();
    const held = Array.from({ length: 100 }, () => 0);
    for (let hasTaken = true; hasTaken; ) {
      hasTaken = false;
      for (const host of held.keys()) {
        if (rig.pool.lease(connectionKind(0), `10.0.0.${host}`) === null) continue;
        held[host]!++;
        hasTaken = true;
      }
    }
    expect(Math.max(...held) - Math.min(...held)).toBeLessThan(3);
    expect(held.reduce((sum, each) => sum + each, 0)).toBeGreaterThan(0.98 * LEASES_MAX);
  });

  test("of few descriptors one address gets no more than three quarters, over all servers", () => {
    const rig = createLeaseRig();
    rig.limit.free = 0;
    Object.defineProperty(rig.limit, "free", { get: () => 100 - rig.limit.lent });
    expect(takeAll(rig, ORIGIN).length).toBe(75);
    expect(rig.pool.whyNoLease(ORIGIN)).toContain("limit of open files, 100064, leaves no more");
    expect(takeAll(rig, "10.0.0.2").length).toBeGreaterThan(10);
  });

  test("so many as the process has descriptors for; a free one is lent nevertheless", async () => {
    const rig = createLeaseRig();
    const { lease } = await rig.lend();
    lease.release(true);
    rig.limit.free = 0;
    expect(rig.pool.lease(connectionKind(0), ORIGIN)).toBe(lease);
    expect(rig.pool.lease(connectionKind(0), ORIGIN)).toBe(null);
  });
});

describe("a lease that is lost", () => {
  test("tells its requests, then its session, once; nobody tries again, and the server is not blamed", async () => {
    const rig = createLeaseRig();
    const { lease, socket } = await rig.lend();
    const sink = new RecordingSink();
    const log = listen(lease);
    const tell = sink.onFailure.bind(sink);
    sink.onFailure = (token, count, failure) => {
      tell(token, count, failure);
      log.push(`failed: ${token}`);
    };
    ask(lease, sink, 1);
    await rig.endTurn();
    ask(lease, sink, 2);
    socket.hangsUp("ECONNRESET");
    expect([...sink.settled]).toEqual([
      [1, "closed sent"],
      [2, "closed"],
    ]);
    expect(log).toEqual(["failed: 1", "failed: 2", "lost: closed"]);
    expect(lease.refusal?.kind).toBe("closed");
    expect(rig.heard.trouble).toBe(0);
    expect(rig.attempts).toHaveLength(1);
    lease.release(false);
    expectNothingLeft(rig);
  });

  test("while it is idle in its session's hands: the session hears of it", async () => {
    const rig = createLeaseRig();
    const { lease, socket } = await rig.lend();
    const log = listen(lease);
    socket.hangsUp();
    expect(log).toEqual(["lost: closed"]);
    expectNothingLeft(rig);
  });

  test("while it is free: nobody gets it", async () => {
    const rig = createLeaseRig();
    const { lease, socket } = await rig.lend();
    const log = listen(lease);
    lease.release(true);
    socket.hangsUp();
    expect(log).toEqual([]);
    expectNothingLeft(rig);
    expect(rig.pool.lease(connectionKind(0), ORIGIN)).not.toBe(lease);
  });

  test("while it is free, by words that nobody asked for", async () => {
    const rig = createLeaseRig();
    const { lease, socket } = await rig.lend();
    lease.release(true);
    socket.says("+OK\r\n");
    expect(socket.isClosed).toBe(true);
    expectNothingLeft(rig);
  });

  test("because nobody answers: its request, whoever waits for it, and the server hear of it", () => {
    const rig = createLeaseRig();
    const lease = rig.pool.lease(connectionKind(0), ORIGIN)!;
    const sink = new RecordingSink();
    const log = listen(lease);
    lease.whenReady((failure) => log.push(`ready: ${failure?.kind}`));
    ask(lease, sink, 1);
    rig.attempts[0]!.events.onError("ECONNREFUSED");
    expect(sink.settled.get(1)).toBe("refused");
    expect(log).toEqual(["ready: refused", "lost: refused"]);
    expect(rig.heard.trouble).toBe(1);
    lease.whenReady((failure) => log.push(`again: ${failure?.kind}`));
    expect(log.at(-1)).toBe("again: refused");
    expectNothingLeft(rig);
  });

  test("because its handshake is refused", async () => {
    const rig = createLeaseRig();
    const lease = rig.pool.lease(connectionKind(2), ORIGIN)!;
    const sink = new RecordingSink();
    ask(lease, sink, 1);
    const socket = await rig.opened();
    expect(socket.received).toContain("AUTH");
    expect(socket.received).not.toContain("GET");
    socket.says("-WRONGPASS no\r\n");
    expect(sink.settled.get(1)).toBe("handshake");
    expect(socket.isClosed).toBe(true);
    expectNothingLeft(rig);
  });

  test("because the server is taken down: requests hear whether they were sent", async () => {
    const rig = createLeaseRig();
    const { lease } = await rig.lend();
    const sink = new RecordingSink();
    const log = listen(lease);
    ask(lease, sink, 1);
    await rig.endTurn();
    ask(lease, sink, 2);
    rig.pool.takeDown(STOP_SENT, STOP);
    expect([...sink.settled.values()]).toEqual(["stopping sent", "stopping"]);
    expect(log).toEqual(["lost: stopping"]);
    expectNothingLeft(rig);
  });
});

describe("deadlines", () => {
  test("a connection must come about in time, whatever is asked over it", () => {
    const rig = createLeaseRig();
    const lease = rig.pool.lease(connectionKind(0), ORIGIN)!;
    const sink = new RecordingSink();
    lease.mayBlock = true;
    ask(lease, sink, 1);
    rig.deadlines.reach(rig.turn.atMs + 40);
    expect(sink.settled.size).toBe(0);
    rig.deadlines.reach(rig.turn.atMs + 60);
    expect(sink.settled.get(1)).toBe("refused");
    expectNothingLeft(rig);
  });

  test("what may block may take as long as it likes, anything else may not", async () => {
    const rig = createLeaseRig();
    const { lease, socket } = await rig.lend();
    const sink = new RecordingSink();
    lease.mayBlock = true;
    ask(lease, sink, 1);
    await rig.endTurn();
    rig.turn.atMs += 1e6;
    rig.deadlines.reach(rig.turn.atMs);
    expect(sink.settled.size).toBe(0);
    socket.says(answer(1));
    lease.mayBlock = false;
    ask(lease, sink, 2);
    await rig.endTurn();
    rig.turn.atMs += 101;
    rig.deadlines.reach(rig.turn.atMs);
    expect([...sink.settled.values()]).toEqual([answer(1), "timeout sent"]);
  });

  test("a silent one is given up, and not tried again", async () => {
    const rig = createLeaseRig();
    const { lease, socket } = await rig.lend();
    const sink = new RecordingSink();
    const log = listen(lease);
    ask(lease, sink, 1);
    await rig.endTurn();
    rig.turn.atMs += 1500;
    rig.deadlines.reach(rig.turn.atMs);
    expect(sink.settled.get(1)).toBe("timeout sent");
    expect(log).toEqual(["lost: timeout"]);
    expect(socket.isClosed).toBe(true);
    expect(rig.heard.trouble).toBe(1);
    expectNothingLeft(rig);
  });
});
