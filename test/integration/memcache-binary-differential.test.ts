/**
 * The proxy must be invisible: the same binary requests, straight to one memcached and through the proxy over one and
 * over four, give the same bytes. Only CAS values are compared by being there: each server counts its own.
 *
 * PROPERTY_RUNS=n runs n random scripts however long it takes; PROPERTY_SEED=n repeats a run.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  BinaryClient,
  type BinaryReply,
  type BinaryRequest,
  encodeRequest,
  storageExtras,
} from "../support/binary-client.ts";
import { cut, sendInPieces } from "../support/chunked-client.ts";
import { type MemcacheTargets, startMemcacheTargets } from "../support/memcache-targets.ts";
import { anyEnd, anyScript } from "../support/random-binary.ts";
import { SEED } from "../support/seed.ts";
import type { Endpoint } from "../support/server-process.ts";
import { tracked } from "../support/tracked.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 0);
const TIME_LIMIT_MS = 8_000;
const LIMITS = {
  seed: SEED,
  ...(RUNS > 0 ? { numRuns: RUNS } : { numRuns: 100_000, interruptAfterTimeLimit: TIME_LIMIT_MS }),
};
/** Opaque of the request that ends a script; none of the script has it. */
const END = 0xffffffff;
const noop = encodeRequest({ opcode: 0x0a, opaque: END });

let rig: MemcacheTargets;

beforeAll(async () => {
  rig = await startMemcacheTargets();
});

afterAll(() => rig.stop());

async function flushAll(): Promise<void> {
  await Promise.all(
    rig.servers.map(async ({ host, port }) => {
      const client = await BinaryClient.connect({ host, port });
      await client.ask({ opcode: 0x08 });
      client.close();
    }),
  );
}

/** What comes back to a script; `isClosed`: and then the connection was closed. */
interface Outcome {
  readonly replies: readonly BinaryReply[];
  readonly isClosed: boolean;
}

async function run(
  endpoint: Endpoint,
  script: readonly BinaryRequest[],
  end: Buffer,
  cuts: readonly number[],
): Promise<Outcome> {
  const client = await BinaryClient.connect(endpoint);
  try {
    // Behind an end nothing may be unread: a reset could overtake the replies.
    const bytes = Buffer.concat([...script.map(encodeRequest), end]);
    const sending = sendInPieces(client, cut(bytes, cuts));
    if (end === noop) {
      const replies = await client.repliesUpTo(END);
      await sending;
      return { replies, isClosed: client.isClosed };
    }
    await sending;
    client.send(noop);
    const replies: BinaryReply[] = [];
    while (replies.at(-1)?.opaque !== END) {
      try {
        replies.push(await client.reply());
      } catch (error) {
        if (!client.isClosed) throw error;
        break;
      }
    }
    return { replies, isClosed: client.isClosed };
  } finally {
    client.close();
  }
}

/** A reply for comparison and for people. */
function shown(reply: BinaryReply | undefined): string {
  if (reply === undefined) return "nothing";
  const bytes = Buffer.from(reply.bytes);
  bytes.fill(reply.cas === 0n ? 0 : 1, 16, 24);
  return JSON.stringify(bytes.toString("latin1"));
}

function compare(wanted: Outcome, got: Outcome): void {
  const count = Math.max(wanted.replies.length, got.replies.length);
  for (let index = 0; index < count; index++) {
    const [want, have] = [shown(wanted.replies[index]), shown(got.replies[index])];
    if (want !== have) throw new Error(`reply ${index}: want ${want}, got ${have}`);
  }
  expect(got.isClosed).toBe(wanted.isClosed);
}

async function compareEverywhere(
  script: readonly BinaryRequest[],
  end: Buffer,
  cuts: readonly number[],
): Promise<Outcome> {
  await flushAll();
  const wanted = await run(rig.model, script, end, []);
  for (const { name, endpoint } of rig.targets) {
    try {
      compare(wanted, await run(endpoint, script, end, cuts));
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`);
    }
  }
  return wanted;
}

const cutsArbitrary = fc.array(fc.nat({ max: 4000 }), { maxLength: 12 });

describe("the same bytes as one memcached", () => {
  test("random scripts in random pieces", async () => {
    console.log(`PROPERTY_SEED=${SEED}`);
    const comparing = tracked(compareEverywhere);
    const property = fc.asyncProperty(anyScript, cutsArbitrary, (script, cuts) =>
      comparing.check(script, noop, cuts),
    );
    await fc.assert(property, LIMITS);
    await comparing.settled();
  }, 3_600_000);

  test("random scripts that end with QUIT or a malformed request", async () => {
    const comparing = tracked(compareEverywhere);
    const property = fc.asyncProperty(anyScript, anyEnd, cutsArbitrary, comparing.check);
    await fc.assert(property, LIMITS);
    await comparing.settled();
  }, 3_600_000);

  test("every byte in a piece of its own", async () => {
    const script: BinaryRequest[] = [
      { opcode: 0x01, key: "a", extras: storageExtras(7), value: "1", opaque: 1 },
      { opcode: 0x11, key: "b", extras: storageExtras(8), value: "", opaque: 2 },
      { opcode: 0x09, key: "a", opaque: 3 },
      { opcode: 0x0d, key: "none", opaque: 4 },
      { opcode: 0x0d, key: "b", opaque: 5 },
      { opcode: 0x1b, value: "four", opaque: 6 },
      { opcode: 0x14, key: "none", opaque: 7 },
    ];
    const length = Buffer.concat(script.map(encodeRequest)).length + noop.length;
    const cuts = Array.from({ length }, (_, offset) => offset);
    const { replies } = await compareEverywhere(script, noop, cuts);
    expect(replies.map(({ opaque }) => opaque)).toEqual([1, 3, 5, 6, 7, END]);
  });

  test("a series of quiet gets far longer than any queue", async () => {
    const keys = Array.from({ length: 3000 }, (_, index) => `key:${index}`);
    const script: BinaryRequest[] = keys
      .filter((_, index) => index % 3 !== 0)
      .map((key) => ({ opcode: 0x11, key, extras: storageExtras(), value: key.repeat(10) }));
    for (const [opaque, key] of keys.entries()) script.push({ opcode: 0x0d, key, opaque });
    const { replies } = await compareEverywhere(script, noop, [70_000, 140_001, 200_000]);
    expect(replies.length).toBe(2001);
  });

  test("values that the server finds too large", async () => {
    const value = Buffer.alloc(1_200_000, "x");
    const script = [0x01, 0x11, 0x02, 0x0e, 0x19].map((opcode, opaque): BinaryRequest => {
      const extras = opcode === 0x0e || opcode === 0x19 ? Buffer.alloc(0) : storageExtras();
      return { opcode, key: "a", extras, value, opaque };
    });
    const { replies } = await compareEverywhere(script, noop, [10, 500_000, 3_000_000]);
    expect(replies.map(({ status }) => status)).toEqual([3, 3, 3, 3, 3, 0]);
  });
});
