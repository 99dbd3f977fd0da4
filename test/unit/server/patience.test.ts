/** How long a connection waits for its server, and how many requests wait for it. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
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

describe("queue_timeout", () => {
  test("what could not be sent in time is not sent any more, and its neighbours are unharmed", async () => {
    const { get, opened, deadlines, turn, sink, endTurn, connection } = createConnectionRig({
      timeoutMs: 10_000,
      queueMs: 100,
    });
    get(0);
    const socket = await opened();
    await endTurn();
    const sent = socket.received;
    socket.room = 3;
    get(1);
    await endTurn();
    get(2);
    turn.atMs += 60;
    get(3);
    await endTurn();
    deadlines.reach(turn.atMs + 40);
    // A part of 1 was sent: it is awaited. Nothing of 2 was, and 3 may wait on.
    expect([...sink.settled.keys()]).toEqual([2]);
    const failure = sink.failures.get(2)!;
    expect(failure.text).toContain("as long as queue_timeout allows; the command was not sent");
    expect([failure.wasSent, connection.pendingCount]).toEqual([false, 3]);
    socket.room = Number.POSITIVE_INFINITY;
    connection.onDrain();
    const request = sent.length;
    expect(socket.received.length).toBe(3 * request);
    for (const value of ["a", "b", "c"]) socket.says(`$1\r\n${value}\r\n`);
    const replies = [0, 1, 3].map((token) => sink.settled.get(token));
    expect(replies).toEqual(["$1\r\na\r\n", "$1\r\nb\r\n", "$1\r\nc\r\n"]);
  });

  test("a connection that does not come about in time fails what waits for it, and later requests have their own time", async () => {
    const { get, deadlines, turn, sink, connection } = createConnectionRig({
      ...{ timeoutMs: null, queueMs: 30 },
    });
    get(0);
    turn.atMs += 15;
    get(1);
    deadlines.reach(turn.atMs + 15);
    expect([...sink.settled.keys()]).toEqual([0]);
    deadlines.reach(turn.atMs + 15);
    expect([...sink.settled.keys()]).toEqual([0, 1]);
    expect([connection.pendingCount, connection.out.size, connection.out.held]).toEqual([0, 0, 0]);
  });

  test("whatever is sent, answered and taken out, each reply is its own request's", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("get", "get", "room", "pass", "answer"), { maxLength: 60 }),
        fc.infiniteStream(fc.nat(50)),
        async (steps, numbers) => {
          const { get, opened, deadlines, turn, sink, endTurn, connection } = createConnectionRig({
            ...{ timeoutMs: null, queueMs: 100 },
          });
          const next = (): number => numbers.next().value;
          get(0, 1, "k0.");
          const socket = await opened();
          await endTurn();
          socket.room = 0;
          let token = 0;
          let answered = 0;
          // Each request has its number in it.
          const asked = (): string[] =>
            [...socket.received.matchAll(/k(\d+)\.\r\n/g)].map(([, number]) => number!);
          const answer = (most: number): void => {
            for (const number of asked().slice(answered, answered + most)) {
              answered++;
              socket.says(`$${number.length}\r\n${number}\r\n`);
            }
          };
          for (const step of steps) {
            if (step === "get") get(++token, 1, `k${token}.`);
            else if (step === "room") {
              socket.room += next();
              connection.onDrain();
            } else if (step === "pass") deadlines.reach(turn.atMs + next());
            else answer(1 + (next() % 3));
            await endTurn();
          }
          socket.room = Number.POSITIVE_INFINITY;
          connection.onDrain();
          answer(Number.POSITIVE_INFINITY);
          expect(connection.pendingCount).toBe(0);
          for (let each = 0; each <= token; each++) {
            const settled = sink.settled.get(each);
            const wasSent = asked().includes(`${each}`);
            if (wasSent) expect(settled).toBe(`$${`${each}`.length}\r\n${each}\r\n`);
            else expect(settled).toBe("timeout");
          }
        },
      ),
      { numRuns: 100 },
    );
  }, 60_000);
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
