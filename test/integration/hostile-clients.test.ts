/**
 * Broken requests harm only the connection they came on: no bytes of theirs may upset a server connection that others
 * share, and no worker may die of them.
 *
 * PROPERTY_RUNS=n sends n broken scripts however long it takes; PROPERTY_SEED=n repeats a run.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { FAMILIES } from "../support/command-templates.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, redisPool, startProxy } from "../support/proxy-process.ts";
import { odd, type Step, stepOf, TAGS } from "../support/random-commands.ts";
import { silenced, subscribed, transaction } from "../support/random-scripts.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { SEED } from "../support/seed.ts";
import { tracked } from "../support/tracked.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 0);
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

/** What would take away what others have just written. */
const WIPES = ["keyspace", "swaps"];
const families = FAMILIES.filter((family) => !WIPES.includes(family));

/** Single commands, transactions, subscriptions: all that a connection can be told. */
const sound: fc.Arbitrary<Step[]> = fc.oneof(
  { weight: 8, arbitrary: stepOf(families, TAGS).map((step): Step[] => [step]) },
  { weight: 1, arbitrary: odd.map((step): Step[] => [step]) },
  { weight: 2, arbitrary: transaction("tagged", TAGS) },
  { weight: 1, arbitrary: silenced(TAGS) },
  { weight: 1, arbitrary: subscribed() },
);

/** A sound script with some bytes replaced, inserted or removed. */
const broken = fc
  .tuple(
    fc.array(sound, { minLength: 1, maxLength: 6 }),
    fc.array(fc.oneof(anywhere, inHeader), { minLength: 1, maxLength: 3 }),
  )
  .map(([blocks, edits]) => {
    let script = blocks
      .flat()
      .map((step) => step.request)
      .join("");
    for (const { at, isHeader, remove, insert } of edits) {
      const start = at % (script.length + 1);
      const offset = start + (isHeader ? script.substring(start).search(/[*$]/) + 1 : 0);
      script = script.substring(0, offset) + insert + script.substring(offset + remove);
    }
    return script;
  });

/** Clients that do nothing wrong, each in another state, and what they must receive in every round. */
class Innocents {
  // On both servers, and none that a script may touch.
  static readonly #keys = ["innocent{red}", "innocent{blue}", "innocent{green}", "innocent{gold}"];
  #round = 0;
  readonly #plain: RespClient;
  readonly #counting: RespClient;
  readonly #waiting: RespClient;
  readonly #listening: RespClient;

  private constructor([plain, counting, waiting, listening]: readonly RespClient[]) {
    if (!(plain && counting && waiting && listening)) throw new Error("four clients");
    this.#plain = plain;
    this.#counting = counting;
    this.#waiting = waiting;
    this.#listening = listening;
  }

  static async gather(): Promise<Innocents> {
    const clients = await Promise.all(
      Array.from({ length: 4 }, () => RespClient.connect(endpoint)),
    );
    const innocents = new Innocents(clients);
    await innocents.#listening.ask("SUBSCRIBE", "innocent");
    return innocents;
  }

  async askedAgain(): Promise<void> {
    this.#round += 1;
    const round = `${this.#round}`;
    const value = `$${round.length}\r\n${round}\r\n`;
    this.#waiting.command(["BLPOP", "{blue}innocents", "0"]);
    this.#counting.command(["MULTI"], ["INCR", "{red}innocents"], ["EXEC"]);
    const pairs = Innocents.#keys.flatMap((key) => [key, round]);
    this.#plain.command(["MSET", ...pairs], ["MGET", ...Innocents.#keys]);
    expect((await this.#plain.replies(2)).map(String)).toEqual([
      "+OK\r\n",
      `*4\r\n${value.repeat(4)}`,
    ]);
    expect((await this.#counting.replies(3)).map(String)).toEqual([
      "+OK\r\n",
      "+QUEUED\r\n",
      `*1\r\n:${round}\r\n`,
    ]);
    expect(await this.#plain.ask("RPUSH", "{blue}innocents", round)).toStartWith(":");
    expect(`${await this.#waiting.reply()}`).toBe(`*2\r\n$15\r\n{blue}innocents\r\n${value}`);
    // A broken script may have subscribed to whatever there is.
    expect(await this.#plain.ask("PUBLISH", "innocent", round)).toMatch(/^:[1-9]\d*\r\n$/);
    const message = `*3\r\n$7\r\nmessage\r\n$8\r\ninnocent\r\n${value}`;
    expect(`${await this.#listening.reply()}`).toBe(message);
  }

  close(): void {
    for (const client of [this.#plain, this.#counting, this.#waiting, this.#listening]) {
      client.close();
    }
  }
}

test("broken requests harm nobody else", async () => {
  console.log(`PROPERTY_SEED=${SEED}`);
  const workers = proxy.workerPids();
  expect(workers.length).toBe(1);
  const innocents = await Innocents.gather();
  const attack = tracked(async (script: string, isReset: boolean) => {
    const hostile = await RespClient.connect(endpoint);
    hostile.send(script);
    await innocents.askedAgain();
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
  innocents.close();
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
