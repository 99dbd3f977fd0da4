/**
 * The proxy must be invisible: the same requests, straight to one Redis and through the proxy over one and over four,
 * give the same bytes.
 *
 * PROPERTY_RUNS=n runs n random scripts however long it takes; PROPERTY_SEED=n repeats a run.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ChoppingRelay, startChoppingRelay } from "../support/chopping-relay.ts";
import { cut, sendInPieces } from "../support/chunked-client.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, redisPool, startProxy } from "../support/proxy-process.ts";
import { anyStep, encode, everyTemplate, type Step } from "../support/random-commands.ts";
import { exchange } from "../support/redis-exchange.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient, show } from "../support/resp-client.ts";
import type { Endpoint } from "../support/server-process.ts";
import { tracked } from "../support/tracked.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 0);
const SEED = Number(process.env["PROPERTY_SEED"] ?? Date.now() % 2 ** 31);
const TIME_LIMIT_MS = 12_000;
const DEADLINE_MS = 5_000;

let model: RedisServer;
let servers: RedisServer[] = [];
const proxies: ProxyProcess[] = [];
const relays: ChoppingRelay[] = [];
/** Through the proxy: over one server, over four, and over two whose replies arrive in pieces. */
const targets: { readonly name: string; readonly endpoint: Endpoint }[] = [];

beforeAll(async () => {
  const started = await Promise.all(Array.from({ length: 8 }, () => startRedis()));
  const [first, ...others] = started;
  if (first === undefined) throw new Error("no server");
  model = first;
  servers = [...others];
  const [one = [], four = [], two = []] = [others.splice(0, 1), others.splice(0, 4), others];
  relays.push(...two.map((server) => startChoppingRelay(server, Math.random)));
  await startTarget("over one server", one);
  await startTarget("over four servers", four);
  await startTarget("over two servers that answer in pieces", relays);
});

afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  for (const relay of relays) relay.stop();
  await Promise.all([model, ...servers].map((server) => server?.stop()));
});

async function startTarget(
  name: string,
  behind: readonly { host: string; port: number }[],
): Promise<void> {
  const port = freePort();
  const listen = `127.0.0.1:${port}`;
  const config = redisPool({ listen, servers: behind, lines: [`hash_tag: "{}"`] });
  proxies.push(await startProxy({ config }));
  targets.push({ name, endpoint: { host: "127.0.0.1", port } });
}

async function flushAll(): Promise<void> {
  const all = [model, ...servers];
  await Promise.all(all.map((server) => exchange(server, [["FLUSHALL"]])));
}

/** Sends a whole script, cut at the given offsets, in one of the protocol's versions, and returns the replies. */
async function run(
  endpoint: Endpoint,
  script: readonly Step[],
  cuts: readonly number[],
  version: 2 | 3,
): Promise<Buffer[]> {
  const client = await RespClient.connect(endpoint, DEADLINE_MS);
  try {
    if (version === 3) {
      client.command(["HELLO", "3"]);
      expect(`${await client.reply()}`).toStartWith("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n");
    }
    const bytes = Buffer.from(script.map((step) => step.request).join(""), "latin1");
    const sending = sendInPieces(client, cut(bytes, cuts));
    const replies = await client.replies(script.filter((step) => step.compare !== "none").length);
    await sending;
    // Nothing may follow the last reply, and the connection must still be open.
    client.command(["ECHO", "the end"]);
    expect(`${await client.reply()}`).toBe("$7\r\nthe end\r\n");
    return replies;
  } finally {
    client.close();
  }
}

function compare(script: readonly Step[], wanted: readonly Buffer[], got: readonly Buffer[]): void {
  const answered = script.filter((step) => step.compare !== "none");
  for (const [index, step] of answered.entries()) {
    const want = wanted[index] ?? Buffer.alloc(0);
    const have = got[index] ?? Buffer.alloc(0);
    if (isSame(step, want, have)) continue;
    const request = show(Buffer.from(step.request, "latin1"));
    throw new Error(`request ${index}, ${request}: want ${show(want)}, got ${show(have)}`);
  }
}

function isSame(step: Step, want: Buffer, have: Buffer): boolean {
  if (want.equals(have)) return true;
  if (step.compare === "error") return want[0] === have[0] && `${have}`.startsWith("-ERR unknown");
  return step.compare === "unordered" && sorted(want) === sorted(have);
}

/** A multi-bulk reply with its lines in order: equal for replies that differ only in the order of their elements. */
function sorted(reply: Buffer): string {
  return reply.toString("latin1").split("\r\n").sort().join("\r\n");
}

async function compareEverywhere(
  script: readonly Step[],
  cuts: readonly number[],
  version: 2 | 3 = 2,
): Promise<void> {
  await flushAll();
  const wanted = await run(model, script, [], version);
  for (const { name, endpoint } of targets) {
    let got: Buffer[];
    try {
      got = await run(endpoint, script, cuts, version);
      compare(script, wanted, got);
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`);
    }
  }
}

describe("the same bytes as one Redis", () => {
  test("every command, one after the other", async () => {
    const script = everyTemplate(4);
    expect(script.length).toBeGreaterThan(500);
    await compareEverywhere(script, []);
    await compareEverywhere(script, [1, 3, 1000, 5000, 10_000, 20_000]);
    await compareEverywhere(script, [2, 700, 9000], 3);
  });

  test("random scripts in random pieces", async () => {
    console.log(`PROPERTY_SEED=${SEED}`);
    const comparing = tracked(compareEverywhere);
    const property = fc.asyncProperty(
      fc.array(anyStep, { minLength: 1, maxLength: 40 }),
      fc.array(fc.nat({ max: 3000 }), { maxLength: 12 }),
      fc.constantFrom<2 | 3>(2, 3),
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

  test("every byte in a piece of its own", async () => {
    const script: Step[] = [
      ["MSET", "{a}1", "x", "{b}1", "\r\n", "{c}1", ""],
      ["MGET", "{c}1", "{b}1", "{a}1", "none"],
      ["SET", "{d}1", "+OK\r\n"],
      ["GET", "{d}1"],
      ["DEL", "{a}1", "{b}1", "{c}1", "{d}1", "none"],
    ].map((args) => ({ request: encode(args), compare: "bytes" }));
    script.push({ request: "GET '{a}1'\r\n", compare: "bytes" });
    const length = script.reduce((sum, step) => sum + step.request.length, 0);
    await compareEverywhere(
      script,
      Array.from({ length }, (_, offset) => offset),
    );
  });

  test("a pipeline far deeper than any queue", async () => {
    const keys = Array.from({ length: 400 }, (_, index) => `key:${index}`);
    const script = Array.from({ length: 20 }, (_, round) => [
      ...keys.map((key) => ["SET", key, `${round}`.repeat(50)]),
      ["MGET", ...keys],
      ...keys.map((key) => ["GET", key]),
      ["EXISTS", ...keys],
    ])
      .flat()
      .map((args): Step => ({ request: encode(args), compare: "bytes" }));
    await compareEverywhere(script, [70_000, 140_001, 300_000]);
  });
});

describe("malformed requests get the answer of Redis, and the same end", () => {
  const sentinel = encode(["ECHO", "sentinel"]);

  /** All that comes back until the connection closes or the sentinel's reply is there. */
  async function outcome(endpoint: Endpoint, request: string): Promise<string> {
    const client = await RespClient.connect(endpoint, DEADLINE_MS);
    try {
      client.send(request + sentinel);
      let received = "";
      for (;;) {
        try {
          received += (await client.reply()).toString("latin1");
        } catch (error) {
          if (!client.isClosed) throw error;
          return `${received}${client.unread.toString("latin1")}(closed)`;
        }
        if (received.endsWith("$8\r\nsentinel\r\n")) return `${received}(open)`;
      }
    } finally {
      client.close();
    }
  }

  const cases = [
    "*1\r\n$03\r\nfoo\r\n",
    "*2\r\n$3\r\nGET\r\n$-1\r\n",
    "*2\r\n$3\r\nGET\r\n$ 1\r\na\r\n",
    "*2\r\n$3\r\nGET\r\n$+1\r\na\r\n",
    "*2\r\n$3\r\nGET\r\n$\r\na\r\n",
    "*2\r\n$3\r\nGET\r\n$1x\r\na\r\n",
    "*2\r\n$3\r\nGET\r\n$536870913\r\n",
    "*2\r\n$3\r\nGET\r\n$18446744073709551617\r\n",
    "*2\r\n$3\r\nGET\r\na\r\n",
    "*2\r\n:3\r\nGET\r\n",
    "*1\r\n\r\n",
    "*1\n$4\nPING\n",
    "*-1\r\n",
    "*-2\r\n",
    "*0\r\n",
    "*01\r\n$4\r\nPING\r\n",
    "*+1\r\n$4\r\nPING\r\n",
    "* 1\r\n$4\r\nPING\r\n",
    "*x\r\n",
    "*\r\n",
    "*2147483648\r\n",
    "*99999999999999999999\r\n",
    "*1\r\n$0\r\n\r\n",
    "$4\r\nPING\r\n",
    "+PING\r\n",
    "\r\n\r\nPING\r\n",
    "PING\n",
    "  PING  \r\n",
    "\tPING\t\r\n",
    'SET a "b\r\n',
    "SET a 'b\r\n",
    'SET a "b"c\r\n',
    "SET a 'b'c\r\n",
    'SET a "b\\"\r\n',
    'ECHO "\\x41\\n\\q"\r\n',
    "ECHO 'it\\'s'\r\n",
    'ECHO a"b\r\n',
    `ECHO ${"a".repeat(60_000)}\r\n`,
  ];

  test.each(cases.map((request) => [request.length > 60 ? request.length : request, request]))(
    "%j",
    async (_, request) => {
      const wanted = await outcome(model, request as string);
      for (const { name, endpoint } of targets) {
        expect(`${name}: ${await outcome(endpoint, request as string)}`).toBe(`${name}: ${wanted}`);
      }
    },
  );

  // No sentinel: unread bytes at the close would turn it into a reset, which may overtake the error.
  const endless = [
    ["an inline request without an end", "a".repeat(64 * 1024 + 1)],
    ["a count without an end", `*${"1".repeat(64 * 1024)}`],
    ["a length without an end", `*1\r\n$${"1".repeat(64 * 1024)}`],
  ] as const;

  test.each(endless)("%s", async (_, request) => {
    const untilClosed = async (endpoint: Endpoint): Promise<string> => {
      const client = await RespClient.connect(endpoint, DEADLINE_MS);
      client.send(request);
      return (await client.untilClosed()).toString("latin1");
    };
    const wanted = await untilClosed(model);
    expect(wanted).toStartWith("-ERR Protocol error");
    for (const { endpoint } of targets) expect(await untilClosed(endpoint)).toBe(wanted);
  });

  test("what came before is answered first, what comes after is not", async () => {
    const request = `${encode(["SET", "{a}1", "1"])}${encode(["GET", "{a}1"])}*1\r\n$x\r\n${encode(["SET", "{a}1", "2"])}`;
    for (const { name, endpoint } of [{ name: "redis", endpoint: model }, ...targets]) {
      const received = await outcome(endpoint, request);
      const wanted = "+OK\r\n$1\r\n1\r\n-ERR Protocol error: invalid bulk length\r\n(closed)";
      expect(`${name}: ${received}`).toBe(`${name}: ${wanted}`);
      const [after] = await exchange(endpoint, [["GET", "{a}1"]]);
      expect(`${after}`).toBe("1");
    }
  });
});
