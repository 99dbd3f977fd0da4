/** The embedded memcached answers what memcached answers, byte for byte, however the bytes arrive. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type MemcachedServer, startMemcached } from "../../../support/memcached-server.ts";
import { createConnection } from "./connection-rig.ts";
import { randomBinaryRequest } from "./random-binary.ts";
import { type RandomRequest, randomTextRequest } from "./random-text.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 300);
/** Begins with an empty line, for a request before it that announced a byte too many. */
const END_OF_TEXT = { request: "\r\nmg the-end k\r\n", reply: "EN kthe-end\r\n" };
const END_OPAQUE = "\xde\xad\xbe\xef";
const END_OF_BINARY = {
  request: `\x80\x0a${"\0".repeat(10)}${END_OPAQUE}${"\0".repeat(8)}`,
  reply: `\x81\x0a${"\0".repeat(10)}${END_OPAQUE}${"\0".repeat(8)}`,
};

let memcached: MemcachedServer;

beforeAll(async () => {
  // One request at a time: one that waits to be read keeps its item from being changed in place, which shows.
  memcached = await startMemcached({ unix: true, args: ["-R", "1"] });
});

afterAll(() => memcached.stop());

/** Sends bytes on a connection of its own and reads until the answer ends with `last`, or the server closes. */
async function askMemcached(bytes: string, last: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let answer = "";
  const socket = await Bun.connect({
    unix: memcached.socketPath ?? "",
    socket: {
      data(_, chunk) {
        answer += chunk.toString("latin1");
        if (answer.endsWith(last)) resolve(answer);
      },
      close: () => resolve(`${answer}<closed>`),
    },
  });
  socket.write(Buffer.from(bytes, "latin1"));
  try {
    return await promise;
  } finally {
    socket.end();
  }
}

/** Empties memcached. @returns the CAS that its next item will get */
async function nextCas(): Promise<bigint> {
  const answer = await askMemcached(
    "flush_all\r\nset probe 0 0 1\r\n1\r\ngets probe\r\ndelete probe\r\nmn\r\n",
    "MN\r\n",
  );
  return BigInt(/ (\d+)\r\n1\r\nEND/.exec(answer)?.[1] ?? 0) + 1n;
}

async function bothAnswer(
  requests: readonly RandomRequest[],
  end: { request: string; reply: string },
  cuts: readonly number[],
): Promise<void> {
  const first = await nextCas();
  const rig = createConnection(64 * 1024 * 1024);
  while (BigInt(rig.shard.store.nextCas()) + 1n < first);
  const script = requests.map((request) => request((offset) => first + BigInt(offset))).join("");
  const expected = await askMemcached(script + end.request, end.reply);
  let actual = "";
  let from = 0;
  const all = script + end.request;
  for (const cut of [...cuts, all.length]) {
    const to = Math.max(from, Math.min(all.length, cut));
    if (to > from) actual += rig.ask(all.substring(from, to));
    from = to;
  }
  const answer = rig.isClosed ? `${actual}<closed>` : actual;
  if (answer !== expected) expect(shown(script, answer)).toBe(shown(script, expected));
}

function shown(script: string, answer: string): string {
  return `${JSON.stringify(script)} → ${JSON.stringify(answer)}`;
}

const cutPoints = fc.array(fc.nat(600), { maxLength: 8 }).map((list) => list.sort((a, b) => a - b));

test("random text scripts", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(randomTextRequest, { minLength: 1, maxLength: 25, size: "max" }),
      cutPoints,
      (requests, cuts) => bothAnswer(requests, END_OF_TEXT, cuts),
    ),
    { numRuns: RUNS, timeout: 30_000, interruptAfterTimeLimit: 30_000 },
  );
}, 120_000);

test("random binary scripts", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(randomBinaryRequest, { minLength: 1, maxLength: 25, size: "max" }),
      cutPoints,
      (requests, cuts) => bothAnswer(requests, END_OF_BINARY, cuts),
    ),
    { numRuns: RUNS, timeout: 30_000, interruptAfterTimeLimit: 30_000 },
  );
}, 120_000);
