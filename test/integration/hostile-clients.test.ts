/**
 * Broken requests harm only the connection they came on: no bytes of theirs may upset a server connection that others
 * share, and no worker may die of them.
 *
 * PROPERTY_RUNS=n sends n broken scripts however long it takes; PROPERTY_SEED=n repeats a run.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, redisPool, startProxy } from "../support/proxy-process.ts";
import { anyStep } from "../support/random-commands.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { tracked } from "../support/tracked.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 0);
const SEED = Number(process.env["PROPERTY_SEED"] ?? Date.now() % 2 ** 31);
const TIME_LIMIT_MS = 5_000;

let servers: RedisServer[] = [];
let proxy: ProxyProcess;
const endpoint = { host: "127.0.0.1", port: freePort() };

beforeAll(async () => {
  servers = await Promise.all([startRedis(), startRedis()]);
  const listen = `${endpoint.host}:${endpoint.port}`;
  const config = redisPool({ listen, servers, lines: [`hash_tag: "{}"`] });
  proxy = await startProxy({ config, args: ["--workers", "1"] });
});

afterAll(async () => {
  await proxy?.stop();
  await Promise.all(servers.map((server) => server.stop()));
});

const anywhere = fc.record({
  at: fc.nat(),
  /** Where framing is decided: right behind the next "*" or "$". */
  isHeader: fc.constant(false),
  remove: fc.nat({ max: 3 }),
  insert: fc.constantFrom(..."|\r\n|\r|\n|*|$|*1\r\n|$-1\r\n|$0|*3\r\n|\"|'|\0|\xff".split("|")),
});

const inHeader = fc.record({
  at: fc.nat(),
  isHeader: fc.constant(true),
  remove: fc.nat({ max: 2 }),
  insert: fc.constantFrom(
    ..."|0|00|1|9|-|-1|+|+1| | 1|\t|x|99999999999999999999|\r\n|\r|\n".split("|"),
  ),
});

/** A sound script with some bytes replaced, inserted or removed. */
const broken = fc
  .tuple(
    fc.array(anyStep, { minLength: 1, maxLength: 8 }),
    fc.array(fc.oneof(anywhere, inHeader), { minLength: 1, maxLength: 3 }),
  )
  .map(([steps, edits]) => {
    let script = steps.map((step) => step.request).join("");
    for (const { at, isHeader, remove, insert } of edits) {
      const start = at % (script.length + 1);
      const offset = start + (isHeader ? script.substring(start).search(/[*$]/) + 1 : 0);
      script = script.substring(0, offset) + insert + script.substring(offset + remove);
    }
    return script;
  });

test("broken requests harm nobody else", async () => {
  console.log(`PROPERTY_SEED=${SEED}`);
  const workers = proxy.workerPids();
  expect(workers.length).toBe(1);
  // One key on each server, and none that a script may touch.
  const keys = ["innocent{1}", "innocent{2}", "innocent{3}", "innocent{4}"];
  const innocent = await RespClient.connect(endpoint);
  let round = 0;
  const attack = tracked(async (script: string, isReset: boolean) => {
    const hostile = await RespClient.connect(endpoint);
    hostile.send(script);
    round += 1;
    innocent.command(["MSET", ...keys.flatMap((key) => [key, `${round}`])], ["MGET", ...keys]);
    const value = `$${`${round}`.length}\r\n${round}\r\n`;
    const replies = (await innocent.replies(2)).map(String);
    expect(replies).toEqual(["+OK\r\n", `*4\r\n${value.repeat(4)}`]);
    if (isReset) hostile.reset();
    else hostile.close();
  });
  const property = fc.asyncProperty(broken, fc.boolean(), attack.check);
  await fc.assert(property, {
    seed: SEED,
    ...(RUNS > 0
      ? { numRuns: RUNS }
      : { numRuns: 100_000, interruptAfterTimeLimit: TIME_LIMIT_MS }),
  });
  await attack.settled();
  innocent.close();
  expect(proxy.workerPids()).toEqual(workers);
}, 3_600_000);

test("random bytes are no worse", async () => {
  const workers = proxy.workerPids();
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
      const hostile = await RespClient.connect(endpoint);
      hostile.send(Buffer.from(bytes));
      const other = await RespClient.connect(endpoint);
      expect(await other.ask("SET", "innocent", "x")).toBe("+OK\r\n");
      hostile.reset();
      other.close();
    }),
    { seed: SEED, numRuns: 300 },
  );
  expect(proxy.workerPids()).toEqual(workers);
});
