/**
 * The proxy must be invisible: the same requests, straight to one Redis and through the proxy over one, two and four,
 * give the same bytes, but for the differences listed in test/support/known-differences.ts.
 *
 * PROPERTY_SEED=n begins with that seed; `npm run differential` goes on for longer.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { checkRandomScripts, type DifferentialRig, startRig } from "../support/differential-rig.ts";
import { command, encode, everyTemplate, type Step, TAGS } from "../support/random-commands.ts";
import { familiesOf, type Script, type Spread } from "../support/random-scripts.ts";
import { exchange } from "../support/redis-exchange.ts";
import { RespClient } from "../support/resp-client.ts";
import { SEED } from "../support/seed.ts";
import type { Endpoint } from "../support/server-process.ts";

const SECONDS = 15;
const DEADLINE_MS = 30_000;

let rig: DifferentialRig;

beforeAll(async () => {
  rig = await startRig();
});

afterAll(() => rig?.stop());

function checkSteps(
  steps: readonly Step[],
  cuts: readonly number[] | null,
  version: 2 | 3 = 2,
  spread: Spread = "spread",
): Promise<void> {
  const script: Script = { spread, version, cuts, blocks: steps.map((step) => [step]) };
  return rig.check(script);
}

describe("the same bytes as one Redis", () => {
  test("on every server", async () => {
    const keys = TAGS.flatMap((tag) => [tag, "1"]);
    for (const { endpoint } of rig.targets) await exchange(endpoint, [["MSET", ...keys]]);
    const sizes = rig.servers.map(async (server) => (await exchange(server, [["DBSIZE"]]))[0]);
    expect(Math.min(...(await Promise.all(sizes)).map(Number))).toBeGreaterThan(0);
  });

  test("every command, one after the other", async () => {
    const spread = everyTemplate(familiesOf("spread"), TAGS, 4);
    expect(spread.length).toBeGreaterThan(1000);
    await checkSteps(spread, []);
    await checkSteps(spread, [1, 3, 1000, 5000, 10_000, 20_000]);
    await checkSteps(spread, [2, 700, 9000], 3);
    const tagged = everyTemplate(familiesOf("tagged"), ["{red}"], 2);
    await checkSteps(tagged, null, 2, "tagged");
    await checkSteps(tagged, null, 3, "tagged");
  });

  test("random scripts in random pieces", async () => {
    console.log(`PROPERTY_SEED=${SEED}`);
    const played = await checkRandomScripts(rig, { seed: SEED, seconds: SECONDS });
    expect(played).toBeGreaterThan(0);
  }, 3_600_000);

  test("every byte in a piece of its own", async () => {
    const script = [
      ["MSET", "{red}1", "x", "{blue}1", "\r\n", "{green}1", ""],
      ["MGET", "{green}1", "{blue}1", "{red}1", "none"],
      ["SET", "{gold}1", "+OK\r\n"],
      ["GET", "{gold}1"],
      ["DEL", "{red}1", "{blue}1", "{green}1", "{gold}1", "none"],
    ].map((args) => command(...args));
    script.push({ ...command("GET", "{red}1"), request: "GET '{red}1'\r\n" });
    const length = script.reduce((sum, step) => sum + step.request.length, 0);
    await checkSteps(
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
      .map((args) => command(...args));
    await checkSteps(script, [70_000, 140_001, 300_000]);
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
      const wanted = await outcome(rig.model, request as string);
      for (const { name, endpoint } of rig.targets) {
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
    const wanted = await untilClosed(rig.model);
    expect(wanted).toStartWith("-ERR Protocol error");
    for (const { endpoint } of rig.targets) expect(await untilClosed(endpoint)).toBe(wanted);
  });

  test("what came before is answered first, what comes after is not", async () => {
    const request = `${encode(["SET", "{red}1", "1"])}${encode(["GET", "{red}1"])}*1\r\n$x\r\n${encode(["SET", "{red}1", "2"])}`;
    for (const { name, endpoint } of [{ name: "redis", endpoint: rig.model }, ...rig.targets]) {
      const received = await outcome(endpoint, request);
      const wanted = "+OK\r\n$1\r\n1\r\n-ERR Protocol error: invalid bulk length\r\n(closed)";
      expect(`${name}: ${received}`).toBe(`${name}: ${wanted}`);
      const [after] = await exchange(endpoint, [["GET", "{red}1"]]);
      expect(`${after}`).toBe("1");
    }
  });
});
