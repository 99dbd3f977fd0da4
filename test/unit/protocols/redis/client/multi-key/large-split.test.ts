/** Requests with very many keys are split, and their replies merged, over several turns of the event loop. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Failure, Route } from "../../../../../../src/api/upstream.ts";
import { outstandingBlockBytes } from "../../../../../../src/base/block-pool.ts";
import { KEYS_AT_ONCE } from "../../../../../../src/base/fairness-limits.ts";
import { answerTo, createRig, type Rig, serverOf } from "../../../../client/session-rig.ts";

const SERVERS = 3;
const AWAY: Failure = { kind: "refused", wasSent: false, text: "away" };

const keysOf = (count: number, kind = "v"): string[] =>
  Array.from({ length: count }, (_, i) => `${kind}${i}`);

const requestsOf = ({ connections }: Rig): number =>
  connections.reduce((sum, { requests }) => sum + requests.length, 0);

/** What keeps of the pool's route, and may be changed. */
type OpenRoute = { -readonly [Field in keyof Route]: Route[Field] };
const routeOf = ({ pool }: Rig): OpenRoute => pool.route;

/** Turns pass until the parts of a request are sent. */
async function untilSent(rig: Rig): Promise<void> {
  for (let turns = 0; requestsOf(rig) < SERVERS; turns++) {
    expect(turns).toBeLessThan(100);
    await rig.turn();
  }
}

/** Compared as a whole: what differs in thousands of keys is no help. */
function expectSame(actual: string, expected: string): void {
  expect([actual.length, actual === expected]).toEqual([expected.length, true]);
}

describe("a request with very many keys", () => {
  test("gets what it would get at once, in its place among others", async () => {
    const commands = fc.constantFrom("MGET", "MSET", "DEL");
    const kinds = fc.constantFrom("v", "v", "v", "n", "e", "f");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(commands, fc.integer({ min: 1, max: 5 * KEYS_AT_ONCE }), kinds), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.constantFrom<"whole" | "element">("whole", "element"),
        async (asked, mgetErrors) => {
          const rig = createRig({ servers: SERVERS, mgetErrors });
          const expected: string[] = [];
          for (const [i, [name, count, kind]] of asked.entries()) {
            // One key of them is of a kind of its own.
            const keys = [...keysOf(count), `${kind}7`];
            rig.ask(name, ...(name === "MSET" ? keys.flatMap((key) => [key, "x"]) : keys));
            rig.ask("GET", `v${i}`);
            expected.push(replyTo(name, keys, mgetErrors), answerTo(["GET", `v${i}`], 0)!);
          }
          await rig.settle();
          expectSame(rig.stream.output, expected.join(""));
          expect(rig.session.isIdle).toBe(true);
          expect(rig.session.unread.heldBytes).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  test("takes so many keys in a turn, and other clients are served in between", async () => {
    const rig = createRig({ servers: SERVERS });
    const other = createRig({ servers: SERVERS });
    const route = routeOf(rig);
    const { pick } = route;
    let picked = 0;
    route.pick = (request) => {
      picked++;
      return pick.call(route, request);
    };
    const keys = keysOf(10 * KEYS_AT_ONCE);
    rig.ask("MGET", ...keys);
    rig.ask("GET", "v1");
    let turns = 0;
    for (; requestsOf(rig) < SERVERS; turns++) {
      expect(picked).toBeLessThanOrEqual(KEYS_AT_ONCE);
      picked = 0;
      other.ask("GET", `v${turns}`);
      await rig.turn();
      expect(requestsOf(other)).toBe(turns + 1);
      for (const connection of other.connections) connection.answer();
    }
    expect(turns).toBeGreaterThan(10);
    // What follows waits for its reply, which is put together over turns, too.
    for (const connection of rig.connections) connection.answer();
    let merging = 0;
    for (; rig.stream.output === ""; merging++) await rig.turn();
    expect(merging).toBeGreaterThan(5);
    await rig.settle();
    expectSame(rig.stream.output, answerTo(["MGET", ...keys], 0)! + answerTo(["GET", "v1"], 0)!);
  });

  test("is not sent when its client goes before; afterwards all of it is", async () => {
    for (const command of ["MGET", "DEL"]) {
      const before = outstandingBlockBytes();
      const rig = createRig({ servers: SERVERS });
      rig.ask(command, ...keysOf(5 * KEYS_AT_ONCE));
      await rig.turn();
      rig.session.close();
      await rig.settle();
      expect(requestsOf(rig)).toBe(0);

      const sent = createRig({ servers: SERVERS });
      sent.ask(command, ...keysOf(5 * KEYS_AT_ONCE));
      while (requestsOf(sent) === 0) await sent.turn();
      sent.session.close();
      await untilSent(sent);
      for (const connection of sent.connections) connection.answer();
      await sent.settle();
      expect(sent.session.host.memory.bytes).toBe(0);
      expect(outstandingBlockBytes()).toBe(before);
    }
  });

  test("whose client goes while its reply is put together leaves nothing behind", async () => {
    const before = outstandingBlockBytes();
    const rig = createRig({ servers: SERVERS });
    rig.ask("MGET", ...keysOf(5 * KEYS_AT_ONCE));
    await untilSent(rig);
    for (const connection of rig.connections) {
      connection.answer();
      await rig.turn();
    }
    expect(rig.session.host.memory.bytes).toBeGreaterThan(0);
    expect(rig.stream.output).toBe("");
    rig.session.close();
    await rig.settle();
    expect([rig.session.host.memory.bytes, outstandingBlockBytes()]).toEqual([0, before]);
  });

  test("goes where its keys are when it is sent", async () => {
    const rig = createRig({ servers: SERVERS });
    const route = routeOf(rig);
    const keys = keysOf(3 * KEYS_AT_ONCE);
    rig.ask("DEL", ...keys);
    await rig.turn();
    // All that were looked up so far are elsewhere now.
    route.pick = ({ bytes, keyStart, keyEnd }) => {
      const key = bytes.toString("latin1", keyStart, keyEnd);
      return rig.upstreams[(serverOf(key, SERVERS) + 1) % SERVERS]!;
    };
    route.epoch++;
    await untilSent(rig);
    for (const [i, { requests }] of rig.connections.entries()) {
      const own = keys.filter((key) => (serverOf(key, SERVERS) + 1) % SERVERS === i);
      expectSame(requests.map((each) => each.join(" ")).join(), `DEL ${own.join(" ")}`);
    }
    await rig.settle();
    expect(rig.stream.output).toBe(`:${keys.length}\r\n`);
  });

  test("waits for a server connection that is full, and is not sent at all where one refuses", async () => {
    const rig = createRig({ servers: SERVERS });
    rig.connections[1]!.isFull = true;
    rig.ask("DEL", ...keysOf(3 * KEYS_AT_ONCE));
    for (let i = 0; i < 20; i++) await rig.turn();
    expect(requestsOf(rig)).toBe(0);
    rig.connections[1]!.makeRoom();
    await rig.settle();
    expect(rig.stream.output).toBe(`:${3 * KEYS_AT_ONCE}\r\n`);

    const refused = createRig({ servers: SERVERS });
    refused.ask("DEL", ...keysOf(3 * KEYS_AT_ONCE));
    refused.connections[2]!.refusal = AWAY;
    await refused.settle();
    expect([refused.stream.output, requestsOf(refused)]).toEqual(["-ERR away\r\n", 0]);

    const nowhere = createRig({ servers: SERVERS });
    nowhere.ask("DEL", ...keysOf(3 * KEYS_AT_ONCE));
    routeOf(nowhere).pick = () => null;
    await nowhere.settle();
    expect(nowhere.stream.output).toStartWith("-ERR");
    expect([requestsOf(nowhere), nowhere.session.unread.heldBytes]).toEqual([0, 0]);
  });

  test("goes whole where all keys go to one server", async () => {
    const rig = createRig({ servers: 1 });
    routeOf(rig).only = rig.upstreams[0]!;
    const keys = keysOf(3 * KEYS_AT_ONCE);
    rig.ask("MGET", ...keys);
    expectSame(rig.connections[0]!.requests[0]!.join(" "), `MGET ${keys.join(" ")}`);
    await rig.settle();
    expectSame(rig.stream.output, answerTo(["MGET", ...keys], 0)!);
  });

  test("does not move to another process before it is answered", async () => {
    const rig = createRig({ servers: SERVERS });
    rig.ask("MGET", ...keysOf(3 * KEYS_AT_ONCE));
    for (let i = 0; i < 20; i++) {
      expect(rig.session.isReadyToMove).toBe(false);
      await rig.turn();
    }
    await rig.settle();
    expect(rig.session.isReadyToMove).toBe(true);
  });
});

/** What the client of the rig gets for keys of which the servers say what `answerTo` says. */
function replyTo(name: string, keys: readonly string[], mgetErrors: "whole" | "element"): string {
  const byServer = Array.from({ length: SERVERS }, (_, i) =>
    keys.filter((key) => serverOf(key, SERVERS) === i),
  );
  const argsOf = (own: readonly string[]): string[] => [
    name,
    ...(name === "MSET" ? own.flatMap((key) => [key, "x"]) : own),
  ];
  // In the order of their first keys, as parts are numbered: the error of the first is told.
  const order = [...new Set(keys.map((key) => serverOf(key, SERVERS)))];
  const replies = order.map((server) => {
    return answerTo(argsOf(byServer[server]!), server) ?? `-ERR lost ${server}\r\n`;
  });
  if (name === "MGET" && mgetErrors === "element") {
    const failed = new Map(
      order.flatMap((server, i) => (replies[i]!.startsWith("-") ? [[server, replies[i]!]] : [])),
    );
    const elements = keys.map(
      (key) => failed.get(serverOf(key, SERVERS)) ?? answerTo(["GET", key], 0)!,
    );
    return `*${keys.length}\r\n${elements.join("")}`;
  }
  const error = replies.find((reply) => reply.startsWith("-"));
  return error ?? answerTo(argsOf(keys), 0)!;
}
