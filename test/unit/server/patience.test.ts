/** How long a connection waits for its server, and how many requests wait for it. */
import { describe, expect, test } from "bun:test";
import { SLOW_START_REQUESTS } from "../../../src/base/health-limits.ts";
import { createConnectionRig } from "./upstream-rig.ts";

describe("first_byte_timeout", () => {
  test("a server that sends nothing while it owes replies is too late, whatever timeout is", async () => {
    for (const timeoutMs of [null, 10_000]) {
      const { get, opened, deadlines, turn, sink, heard, endTurn } = createConnectionRig({
        timeoutMs,
        firstByteMs: 100,
      });
      get(0);
      const socket = await opened();
      turn.atMs += 60;
      get(1);
      await endTurn();
      deadlines.reach(turn.atMs + 40);
      expect([...sink.settled]).toEqual([[0, "timeout sent"]]);
      expect(sink.failures.get(0)!.text).toContain("has sent nothing for 100 ms");
      expect(heard.trouble).toBe(1);
      // It comes late, is swallowed, and its neighbour is unharmed.
      socket.says("$1\r\na\r\n");
      socket.says("$1\r\nb\r\n");
      expect(sink.settled.get(1)).toBe("$1\r\nb\r\n");
    }
  });

  test("a reply may take longer as long as something of it comes", async () => {
    const { get, opened, deadlines, turn, sink } = createConnectionRig({
      timeoutMs: 10_000,
      firstByteMs: 100,
    });
    get(0);
    const socket = await opened();
    socket.says("$100\r\n");
    for (let part = 0; part < 10; part++) {
      deadlines.reach(turn.atMs + 90);
      socket.says("0123456789");
    }
    socket.says("\r\n");
    expect(sink.settled.get(0)).toContain("0123456789");
  });
});

test("a request that could not be sent in time says so", async () => {
  const { get, opened, deadlines, turn, sink, endTurn } = createConnectionRig({ timeoutMs: 100 });
  get(0);
  const socket = await opened();
  socket.room = 0;
  get(1);
  await endTurn();
  deadlines.reach(turn.atMs + 100);
  expect(sink.failures.get(0)!.text).toContain("no reply from server s within 100 ms");
  expect(sink.failures.get(1)!.text).toContain("could not be sent to server s within 100 ms");
});

test("server_queue: beyond so many requests further ones are refused, and told why", async () => {
  const { get, opened, connection } = createConnectionRig({ pendingMax: 3 });
  get(0, 2);
  expect(connection.refusal).toBe(null);
  get(2);
  const { refusal } = connection;
  expect(refusal?.text).toContain("3 requests wait for server s");
  expect(refusal?.wasSent).toBe(false);
  // The same for all.
  expect(connection.refusal).toBe(refusal);
  const socket = await opened();
  socket.says("$1\r\na\r\n");
  expect(connection.refusal).toBe(null);
});

test("a server that was down begins with few requests, and has more with each reply", async () => {
  const { get, opened, connection, attempts, timers, sink } = createConnectionRig();
  get(0);
  attempts[0]!.events.onError("ECONNREFUSED");
  timers.at(-1)!.callback();
  const socket = await opened();
  socket.says("+PONG\r\n");
  for (let token = 1; token <= SLOW_START_REQUESTS; token++) {
    expect(connection.isFull).toBe(false);
    get(token);
  }
  expect(connection.isFull).toBe(true);
  await new Promise((resolve) => setImmediate(resolve));
  socket.says("$1\r\na\r\n");
  get(100);
  expect(connection.isFull).toBe(false);
  get(101);
  expect(connection.isFull).toBe(true);
  expect(sink.settled.get(1)).toBe("$1\r\na\r\n");
});
