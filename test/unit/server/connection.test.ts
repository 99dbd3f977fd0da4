import { describe, expect, test } from "bun:test";
import { SERVER } from "../../../src/api/stats.ts";
import type { Failure } from "../../../src/api/upstream.ts";
import { REPLY_BYTES_MAX, UPSTREAM_QUEUE_HIGH_BYTES } from "../../../src/base/limits.ts";
import { CountingWaiter, createConnectionRig, GET, PING, stepAnswer } from "./upstream-rig.ts";

const stopped = [true, false].map((wasSent) => ({ kind: "stopping", wasSent, text: "" })) as [
  Failure,
  Failure,
];
const text = (bytes: Buffer, times = 1): string => bytes.toString().repeat(times);

describe("opening a connection", () => {
  test("the first request opens it; requests wait until it stands", async () => {
    const rig = createConnectionRig();
    expect(rig.attempts.length).toBe(0);
    rig.get(0);
    rig.get(1, 2);
    expect(rig.attempts.length).toBe(1);
    const socket = await rig.opened();
    expect(socket.received).toBe(text(GET, 3));
    socket.says("+a\r\n+b\r\n+c\r\n");
    expect([...rig.sink.settled]).toEqual([
      [0, "+a\r\n"],
      [1, "+b\r\n"],
      [2, "+c\r\n"],
    ]);
    expect(rig.heard).toEqual({ up: 1, lost: 0, trouble: 0, outOfStep: 0, reply: 1 });
  });

  test("a refused connection fails what waits, and everything until a probe is answered", async () => {
    const rig = createConnectionRig();
    rig.get(0);
    rig.attempts[0]!.events.onError("ECONNREFUSED");
    expect(rig.sink.settled.get(0)).toBe("refused");
    expect(rig.sink.failures.get(0)!.text).toStartWith("Connection refused");
    expect(rig.connection.refusal).not.toBeNull();
    expect(rig.heard.trouble).toBe(1);
    expect(rig.heard.lost).toBe(1);
    rig.timers.at(-1)!.callback();
    const socket = await rig.opened();
    expect(socket.received).toBe(text(PING));
    expect(rig.connection.refusal).not.toBeNull();
    expect(rig.heard.up).toBe(0);
    socket.says("+PO");
    expect(rig.heard.up).toBe(0);
    socket.says("NG\r\n");
    expect(rig.heard.up).toBe(1);
    expect(rig.connection.refusal).toBeNull();
    rig.get(1);
    await rig.endTurn();
    expect(socket.received).toBe(text(PING) + text(GET));
    socket.says("+x\r\n");
    expect(rig.sink.settled.get(1)).toBe("+x\r\n");
  });

  test("a server that is loading, or has no room, is not up", async () => {
    for (const answer of ["-LOADING Redis is loading", "-ERR max number of clients reached"]) {
      const rig = createConnectionRig();
      rig.get(0);
      rig.attempts[0]!.events.onError("ECONNREFUSED");
      rig.timers.at(-1)!.callback();
      const socket = await rig.opened();
      socket.says(`${answer}\r\n`);
      expect(rig.heard.up).toBe(0);
      expect(rig.connection.refusal?.kind).toBe("handshake");
    }
  });

  test("retries wait longer each time", () => {
    const rig = createConnectionRig();
    rig.get(0);
    const delays: number[] = [];
    for (let i = 0; i < 4; i++) {
      rig.attempts.at(-1)!.events.onError("ECONNREFUSED");
      delays.push(rig.timers.at(-1)!.delayMs);
      rig.timers.at(-1)!.callback();
    }
    expect(delays).toEqual([10, 20, 30, 40]);
    expect(rig.attempts.length).toBe(5);
  });

  test("a server that does not answer the handshake in time is given up", async () => {
    const rig = createConnectionRig({ password: "secret" });
    rig.get(0);
    const socket = await rig.opened();
    expect(socket.received).toBe("*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n");
    rig.deadlines.reach(1049);
    expect(rig.sink.settled.size).toBe(0);
    rig.deadlines.reach(1050);
    expect(rig.sink.settled.get(0)).toBe("refused");
    expect(socket.isClosed).toBe(true);
  });

  test("an attempt that takes too long is abandoned", () => {
    const rig = createConnectionRig();
    rig.get(0);
    rig.deadlines.reach(1050);
    expect(rig.attempts[0]!.isAbandoned).toBe(true);
    expect(rig.sink.failures.get(0)!.text).toStartWith("Connection timed out");
  });

  test("a refused handshake is told, and requests do not pass", async () => {
    const rig = createConnectionRig({ password: "wrong" });
    rig.get(0);
    const socket = await rig.opened();
    socket.says("-WRONGPASS no\r\n");
    expect(rig.sink.failures.get(0)).toMatchObject({
      kind: "handshake",
      text: "server s refused AUTH: WRONGPASS no",
    });
    expect(socket.received).not.toContain("GET");
    expect([socket.isClosed, rig.connection.refusal?.kind]).toEqual([true, "handshake"]);
    expect(rig.counters[SERVER.server_connections]).toBe(0);
  });

  test("bytes behind the handshake that nobody asked for answer no request", async () => {
    const rig = createConnectionRig({ password: "secret" });
    rig.get(0);
    const socket = await rig.opened();
    socket.says("+OK\r\n+somebody else's\r\n");
    expect(rig.sink.settled.get(0)).toBe("garbage");
    expect(socket.isClosed).toBe(true);
  });
});

describe("losing a connection", () => {
  test("each request is told whether it was sent", async () => {
    const rig = createConnectionRig();
    rig.get(0);
    const socket = await rig.opened();
    socket.room = GET.length + 3;
    rig.get(1);
    rig.get(2);
    rig.get(3);
    await rig.endTurn();
    socket.says("+a\r\n");
    socket.hangsUp("ECONNRESET");
    expect([...rig.sink.settled]).toEqual([
      [0, "+a\r\n"],
      [1, "closed sent"],
      [2, "closed sent"],
      [3, "closed"],
    ]);
    expect(rig.heard.trouble).toBe(1);
    expect(rig.connection.refusal).toBeNull();
    for (const gauge of ["in_queue", "in_queue_bytes", "out_queue", "out_queue_bytes"] as const) {
      expect(rig.counters[SERVER[gauge]]).toBe(0);
    }
  });

  test("an idle connection may go in peace; the next request opens another", async () => {
    const rig = createConnectionRig();
    rig.get(0);
    const socket = await rig.opened();
    socket.says("+a\r\n");
    socket.hangsUp();
    expect(rig.heard).toMatchObject({ lost: 1, trouble: 0 });
    rig.get(1);
    const next = await rig.opened(1);
    expect(next.received).toBe(text(GET));
    next.says("+b\r\n");
    expect(rig.sink.settled.get(1)).toBe("+b\r\n");
  });

  test.each(["$5\r\nab", "*3\r\n$1\r\na\r\n$1", "+a"])(
    "half a reply (%j) of a lost connection has no part in the next one",
    async (half) => {
      const rig = createConnectionRig();
      rig.get(0);
      const socket = await rig.opened();
      socket.says(half);
      socket.hangsUp();
      rig.get(1);
      const next = await rig.opened(1);
      next.says("+fresh\r\n");
      expect(rig.sink.settled.get(1)).toBe("+fresh\r\n");
    },
  );

  test.each([
    ["garbage", "%%%\r\n"],
    ["a reply that nobody asked for", "+a\r\n+b\r\n"],
    ["the beginning of a reply that nobody asked for", "+a\r\n$100\r\nsecr"],
  ])("%s costs the connection, and nobody gets it", async (_what, said) => {
    const rig = createConnectionRig();
    rig.get(0);
    const socket = await rig.opened();
    socket.says(said);
    expect(socket.isClosed).toBe(true);
    expect(rig.sink.settled.get(0)).toBe(said.startsWith("+a") ? "+a\r\n" : "garbage sent");
  });

  test("a reply without end costs the connection, not the worker", async () => {
    const rig = createConnectionRig();
    rig.get(0);
    await rig.opened();
    // Hardly any of it is touched, so it takes no memory.
    const bytes = Buffer.alloc(REPLY_BYTES_MAX + 100);
    const bulk = 2 ** 29;
    const header = `$${bulk}\r\n`;
    bytes.write(`*9\r\n${header}`);
    bytes.write(`\r\n${header}`, 4 + header.length + bulk);
    bytes.write(`\r\n${header}`, 6 + 2 * (header.length + bulk));
    const half = Buffer.from(bytes.buffer, 0, REPLY_BYTES_MAX);
    rig.attempts[0]!.streamEvents.onBytes(half, 0, half.length, true);
    expect(rig.sink.settled.size).toBe(0);
    rig.connection.close(...stopped);
    const other = createConnectionRig();
    other.get(0);
    await other.opened();
    other.attempts[0]!.streamEvents.onBytes(bytes, 0, bytes.length, true);
    expect(other.sink.failures.get(0)!.text).toStartWith("Message too long");
  });

  test("bytes on an idle connection cost it", async () => {
    const rig = createConnectionRig();
    rig.get(0);
    const socket = await rig.opened();
    socket.says("+a\r\n");
    socket.says("+b");
    expect(socket.isClosed).toBe(true);
    rig.get(1);
    const next = await rig.opened(1);
    next.says("+c\r\n");
    expect(rig.sink.settled.get(1)).toBe("+c\r\n");
  });

  test("an eager one connects again by itself, later each time while nothing comes of it", async () => {
    const rig = createConnectionRig({ isEager: true });
    rig.connection.open();
    for (let i = 1; i <= 3; i++) {
      (await rig.opened()).hangsUp();
      expect(rig.timers.at(-1)!.delayMs).toBe(10 * i);
      expect(rig.attempts.length).toBe(i);
      rig.timers.at(-1)!.callback();
    }
  });

  test("closed for good: everything fails, nothing is tried again", async () => {
    const rig = createConnectionRig();
    rig.get(0);
    const socket = await rig.opened();
    const failure = { kind: "stopping", wasSent: true, text: "stop" } as const;
    rig.connection.close(failure, { ...failure, wasSent: false });
    expect(rig.sink.settled.get(0)).toBe("stopping sent");
    expect(socket.isClosed).toBe(true);
    rig.connection.open();
    expect(rig.attempts.length).toBe(1);
    expect(rig.timers.filter((timer) => !timer.isCancelled).length).toBe(0);
  });
});

describe("deadlines", () => {
  test("a late reply is swallowed, and the next request gets its own", async () => {
    const rig = createConnectionRig();
    rig.get(0, 2);
    const socket = await rig.opened();
    rig.turn.atMs = 1080;
    rig.get(2);
    await rig.endTurn();
    socket.says("+a\r\n");
    rig.turn.atMs = 1100;
    rig.deadlines.reach(1100);
    expect([...rig.sink.settled]).toEqual([
      [0, "+a\r\n"],
      [1, "timeout sent"],
    ]);
    await rig.endTurn();
    socket.says(`+late\r\n+c\r\n${stepAnswer(socket)}`);
    expect(rig.sink.settled.get(2)).toBe("+c\r\n");
    expect(rig.counters[SERVER.server_timedout]).toBe(1);
    expect(socket.isClosed).toBe(false);
    expect(rig.connection.pendingCount).toBe(0);
  });

  test("a server that always answers late is in trouble, and its late replies do not clear it", async () => {
    const rig = createConnectionRig();
    rig.get(0);
    const socket = await rig.opened();
    for (let round = 1; round <= 3; round++) {
      rig.turn.atMs += 120;
      rig.deadlines.reach(rig.turn.atMs);
      await rig.endTurn();
      socket.says(`+late\r\n${stepAnswer(socket)}`);
      rig.get(round);
      await rig.endTurn();
    }
    expect(rig.heard.trouble).toBe(3);
    expect(rig.heard.reply).toBe(0);
    expect(socket.isClosed).toBe(false);
  });

  test("requests that were never sent are forgotten when nobody waits any more", async () => {
    const rig = createConnectionRig({ timeoutMs: 20 });
    rig.get(0);
    rig.get(1);
    rig.turn.atMs = 1020;
    rig.deadlines.reach(1020);
    expect(rig.sink.settled.size).toBe(2);
    const socket = await rig.opened();
    expect(socket.received).toBe("");
    rig.get(2);
    await rig.endTurn();
    socket.says("+c\r\n");
    expect(rig.sink.settled.get(2)).toBe("+c\r\n");
  });

  test("a connection that stays silent is given up and must answer a probe", async () => {
    const rig = createConnectionRig();
    rig.get(0);
    const socket = await rig.opened();
    for (let ms = 1000; ms <= 2100; ms += 50) {
      rig.turn.atMs = ms;
      if (rig.connection.refusal === null && ms > 1000) rig.get(ms);
      rig.deadlines.reach(ms);
    }
    expect(socket.isClosed).toBe(true);
    expect(rig.connection.refusal?.kind).toBe("timeout");
    expect(rig.heard.trouble).toBeGreaterThan(3);
    expect([...rig.sink.settled.values()].every((what) => what === "timeout sent")).toBe(true);
    rig.timers.at(-1)!.callback();
    expect((await rig.opened()).received).toBe(text(PING));
  });

  test("without a timeout nothing expires", async () => {
    const rig = createConnectionRig({ timeoutMs: null });
    rig.get(0);
    await rig.opened();
    rig.deadlines.reach(1e9);
    expect(rig.sink.settled.size).toBe(0);
  });
});

describe("waiting for room", () => {
  const filling = Buffer.alloc(UPSTREAM_QUEUE_HIGH_BYTES, "x");

  test("each waiter is woken once, when the queue has drained", async () => {
    const rig = createConnectionRig();
    rig.get(0);
    const socket = await rig.opened();
    socket.room = 0;
    rig.connection.send(filling, 0, filling.length, rig.sink, 1, 1);
    await rig.endTurn();
    expect(rig.connection.isFull).toBe(true);
    const waiters = [new CountingWaiter(), new CountingWaiter()];
    for (const waiter of waiters) rig.connection.waitForRoom(waiter);
    socket.room = 1000;
    rig.connection.onDrain();
    await rig.endTurn();
    expect(waiters.map(({ wakes }) => wakes)).toEqual([0, 0]);
    socket.room = Number.POSITIVE_INFINITY;
    rig.connection.onDrain();
    rig.connection.onDrain();
    await rig.endTurn();
    await rig.endTurn();
    expect(waiters.map(({ wakes }) => wakes)).toEqual([1, 1]);
  });

  test("or when it is lost, or has nothing left to send", async () => {
    const lost = createConnectionRig();
    const forgotten = createConnectionRig({ timeoutMs: 20 });
    for (const rig of [lost, forgotten]) {
      rig.connection.send(filling, 0, filling.length, rig.sink, 0, 1);
      const waiter = new CountingWaiter();
      rig.connection.waitForRoom(waiter);
      if (rig === lost) rig.attempts[0]!.events.onError("ECONNREFUSED");
      else rig.deadlines.reach(1020);
      await rig.endTurn();
      expect(waiter.wakes).toBe(1);
    }
  });
});
