/**
 * What a session holds is what it accounts for, whatever comes in whatever pieces, and nothing is left when the client is gone.
 *
 * The bytes that really are held are found by walking over everything that can be reached from the session and from the
 * sinks that servers have for it.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { POOL } from "../../../src/api/stats.ts";
import { connectionKind } from "../../../src/api/upstream.ts";
import { outstandingBlockBytes } from "../../../src/base/block-pool.ts";
import { reachableBytes } from "../../support/reachable-bytes.ts";
import { FakeLease } from "../protocols/redis/client/transaction/rig.ts";
import { createRig, multibulk, type Rig } from "./session-rig.ts";

const SERVERS = 3;
/** What a session takes for its own bookkeeping, and every gather for its. */
const CONSTANT_BYTES = 64 * 1024;
const GATHER_BYTES = 2048;

const LARGE = "l".repeat(200_000);

/** Answers of every size at which something changes: by key, so that a request says what it wants. */
const SIZES = [0, 5, 300, 5000, 20_000, 64 * 1024, 70_000, 300_000];

function answerOf(args: readonly string[]): string {
  if (args[0] === "SET" || args[0] === "MULTI") return "+OK\r\n";
  if (args[0] === "PING" || args[0] === "PUBLISH") return "+QUEUED\r\n";
  if (args[0] === "CLIENT") return ":7\r\n";
  if (args[0] === "EXEC" || args[0] === "BLPOP") return "*-1\r\n";
  const values = args.slice(1).map((key) => {
    const size = SIZES[Number(key.at(-2))]!;
    return `$${size}\r\n${"v".repeat(size)}\r\n`;
  });
  return args[0] === "MGET" ? `*${values.length}\r\n${values.join("")}` : values[0]!;
}

const key = fc
  .tuple(fc.nat({ max: SIZES.length - 1 }), fc.nat({ max: SERVERS - 1 }))
  .map(([size, server]) => `k${size}${server}`);
const command = fc.oneof(
  { weight: 5, arbitrary: key.map((each) => ["GET", each]) },
  {
    weight: 2,
    arbitrary: fc.array(key, { minLength: 2, maxLength: 6 }).map((keys) => ["MGET", ...keys]),
  },
  // What the proxy keeps of commands: in a transaction whose server is not known yet, in a wait.
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ["MULTI"],
      ["EXEC"],
      ["DISCARD"],
      ["RESET"],
      ["PUBLISH", "channel0", "LARGE"],
      ["CLIENT", "SETINFO", "lib-name", "LARGE"],
      ["BLPOP", "LARGE0", "0"],
    ),
  },
);

const event = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ commands: fc.array(command, { minLength: 1, maxLength: 10 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      server: fc.nat({ max: SERVERS - 1 }),
      count: fc.integer({ min: 1, max: 4 }),
      otherBytes: fc.constantFrom(0, 1000, 500_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ room: fc.constantFrom(1, 1000, 100_000, 1_000_000) }) },
);

type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

function play(rig: LendingRig, each: Event, input: string[]): void {
  if ("commands" in each) {
    const whole = (arg: string): string => arg.replace("LARGE", LARGE);
    input.push(...each.commands.map((args) => multibulk(args.map(whole))));
  } else if ("server" in each) {
    const connection = rig.connections[each.server]!;
    connection.otherBytes = each.otherBytes;
    connection.answer(each.count);
    for (const lease of rig.leases) if (lease.upstream.id === each.server) lease.answer(each.count);
  } else if (!rig.session.isOpen) {
    return;
  } else {
    rig.stream.room = each.room;
    rig.session.onDrain();
  }
  if (rig.stream.isPaused || input.length === 0) return;
  // As they may come: behind a large value, which a server gets at once.
  const text = `${multibulk(["SET", "k00", LARGE])}${input.splice(0).join("")}`;
  rig.input(text);
}

type LendingRig = Rig & { readonly leases: readonly FakeLease[] };

/** Servers that lend connections, too. */
function createLendingRig(): LendingRig {
  const leases: FakeLease[] = [];
  const rig = createRig({
    ...{ servers: SERVERS, answerOf },
    lend: (upstream, variant, turn) => {
      const answer = (args: readonly string[]): string => answerOf(args);
      const lease = new FakeLease(upstream, connectionKind(variant), turn, answer, () => {});
      leases.push(lease);
      return lease;
    },
  });
  rig.pool.variants.access.opensTransactions = true;
  return Object.assign(rig, { leases });
}

/** What the session and the sinks of its requests refer to, long texts among it. */
function reachable(rig: LendingRig): { readonly bytes: number; readonly gathers: number } {
  const { session, stream, connections, leases } = rig;
  const sinks = [...connections, ...leases].flatMap((connection) =>
    connection.waiting.map(({ sink }) => sink),
  );
  const gathers = new Set(sinks.filter((sink) => sink !== session)).size;
  const beyond = new Set<object>([stream, session.host, rig.pool, ...connections, ...leases]);
  return { bytes: reachableBytes([session, ...sinks], beyond), gathers };
}

test("a session holds what it accounts for, and nothing when its client is gone", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 1, maxLength: 60, size: "max" }),
      fc.boolean(),
      async (events, isReceivedStable) => {
        const before = outstandingBlockBytes();
        const rig = createLendingRig();
        rig.isReceivedStable = isReceivedStable;
        rig.stream.keepsOutput = false;
        rig.stream.room = 0;
        const input: string[] = [];
        for (const each of events) {
          play(rig, each, input);
          await rig.turn();
          const { bytes, gathers } = reachable(rig);
          const { unread, intake } = rig.session;
          const accounted = unread.bytes + unread.keptBytes + intake.input.size * 1.4;
          const constant = CONSTANT_BYTES + gathers * GATHER_BYTES;
          expect(bytes).toBeLessThanOrEqual(accounted * 1.5 + constant);
          // Its worker knows.
          const { memory } = rig.session.host;
          expect(memory.bytes).toBe(unread.bytes + unread.keptBytes + intake.input.held);
          expect(memory.bytes).toBe(unread.heldBytes);
          expect(rig.counters[POOL.client_bytes]).toBe(memory.bytes);
          // A block that is partly written apart, what is accounted for is not much more than what is unread.
          expect(rig.session.out.held).toBeLessThanOrEqual(rig.session.out.size * 2 + 600_000);
        }
        rig.session.close();
        expect(rig.session.host.memory.bytes).toBe(0);
        const left = reachable(rig);
        expect(left.bytes).toBeLessThanOrEqual(CONSTANT_BYTES + left.gathers * GATHER_BYTES);
        expect(outstandingBlockBytes()).toBe(before);
        // Its servers answer all the same.
        for (const connection of rig.connections) connection.answer();
        for (const lease of rig.leases) lease.answer();
        await rig.turn();
        expect(reachable(rig).bytes).toBeLessThanOrEqual(CONSTANT_BYTES);
        expect(outstandingBlockBytes()).toBe(before);
      },
    ),
    { numRuns: 100 },
  );
}, 120_000);
