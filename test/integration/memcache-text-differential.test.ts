/**
 * The proxy must be invisible: the same text requests, straight to one memcached and through the proxy over one and
 * over four, give the same bytes. Only CAS values and times are compared by being there.
 *
 * PROPERTY_RUNS=n runs n random scripts however long it takes; PROPERTY_SEED=n repeats a run.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { cut } from "../support/chunked-client.ts";
import { type MemcacheTargets, startMemcacheTargets } from "../support/memcache-targets.ts";
import { anyTextRequest } from "../support/random-text.ts";
import { SEED } from "../support/seed.ts";
import type { Endpoint } from "../support/server-process.ts";
import { TextClient } from "../support/text-client.ts";
import { tracked } from "../support/tracked.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 0);
const TIME_LIMIT_MS = 12_000;

let rig: MemcacheTargets;

beforeAll(async () => {
  rig = await startMemcacheTargets();
});

afterAll(() => rig.stop());

async function flushAll(): Promise<void> {
  const endpoints = rig.servers.map(({ host, port }) => ({ host, port }));
  await Promise.all(
    endpoints.map(async (endpoint) => {
      const client = await TextClient.connect(endpoint);
      expect(await client.ask("flush_all\r\n")).toBe("OK\r\n");
      client.close();
    }),
  );
}

/** Ends every script: a line that a wrong size before it may swallow, and a reply that nothing else gives. */
const SENTINEL = `${"x".repeat(40)}\r\nmd no-such-key Osentinel\r\n`;
const END = "NF Osentinel\r\n";

/** All that a script gives, which is sent cut at `offsets`. */
async function run(
  endpoint: Endpoint,
  script: string,
  offsets: readonly number[],
): Promise<string> {
  const client = await TextClient.connect(endpoint);
  try {
    const sending = client.sendPieces(cut(Buffer.from(script + SENTINEL, "latin1"), offsets));
    const replies = await client.until(END);
    await sending;
    expect(client.unread.length).toBe(0);
    return replies.toString("latin1");
  } finally {
    client.close();
  }
}

/** Without what differs from server to server, or from second to second. */
function comparable(replies: string): string {
  return replies
    .replaceAll(/^(VALUE \S+ \d+ \d+) \d+\r\n/gm, "$1 (cas)\r\n")
    .replaceAll(/^((?:VA|HD|EN|NF|EX|NS)\b.*?) c\d+/gm, "$1 c(cas)")
    .replaceAll(/^((?:VA|HD)\b.*?) t\d+/gm, "$1 t(time)")
    .replaceAll(/^((?:VA|HD)\b.*?) l\d+/gm, "$1 l(time)")
    .replaceAll(
      /^(ME [\s\S]+?) exp=(-?)\d+ la=\d+ cas=\d+/gm,
      "$1 exp=$2(time) la=(time) cas=(cas)",
    );
}

async function compareEverywhere(
  script: readonly string[],
  offsets: readonly number[],
): Promise<void> {
  await flushAll();
  const bytes = script.join("");
  const wanted = comparable(await run(rig.model, bytes, []));
  for (const { name, endpoint } of rig.targets) {
    let got = "";
    try {
      got = comparable(await run(endpoint, bytes, offsets));
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`);
    }
    if (got === wanted) continue;
    let at = 0;
    while (got[at] === wanted[at]) at++;
    const part = (text: string): string => JSON.stringify(text.substring(at - 60, at + 100));
    throw new Error(`${name}, at ${at}: want ${part(wanted)}, got ${part(got)}`);
  }
}

describe("the same bytes as one memcached", () => {
  test("each request by itself", async () => {
    const requests = fc.sample(anyTextRequest, { seed: SEED, numRuns: 300 });
    const failed: string[] = [];
    await flushAll();
    for (const request of new Set(requests)) {
      try {
        await compareEverywhere(["set a 0 0 1\r\n1\r\nset b 5 0 2\r\nbb\r\n", request], []);
      } catch (error) {
        failed.push(`${JSON.stringify(request).substring(0, 200)}: ${(error as Error).message}`);
      }
    }
    expect(failed).toEqual([]);
  }, 120_000);

  test("random scripts in random pieces", async () => {
    console.log(`PROPERTY_SEED=${SEED}`);
    const comparing = tracked(compareEverywhere);
    const property = fc.asyncProperty(
      fc.array(anyTextRequest, { minLength: 1, maxLength: 40 }),
      fc.array(fc.nat({ max: 3000 }), { maxLength: 12 }),
      comparing.check,
    );
    await fc.assert(property, {
      seed: SEED,
      ...(RUNS > 0
        ? { numRuns: RUNS }
        : { numRuns: 100_000, interruptAfterTimeLimit: TIME_LIMIT_MS }),
    });
    await comparing.settled();
  }, 3_600_000);
});
