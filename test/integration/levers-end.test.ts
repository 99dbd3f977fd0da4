/** Every kind of lever that there is holds in all workers, also in those of the program that replaces this one, and ends by itself. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { LEVER_KINDS, type LeverKind } from "../../src/api/steering.ts";
import { freePort } from "../support/free-port.ts";
import { startProxy } from "../support/proxy-process.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun, statusOf } from "../support/run-command.ts";

setDefaultTimeout(180_000);

const WORKERS = 2;
const DEADLINE_MS = 100_000;
const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Pool {
  readonly name: string;
  readonly port: number;
  /** The second one, whose name is "two". */
  readonly server: RedisServer;
}

/** How each is pulled, and whether it holds for the clients of a pool, one in each worker; `others` are such of a pool without levers. */
interface Case {
  readonly pull: (pool: string) => readonly string[];
  /** The flag that says how long. */
  readonly flag: string;
  holdsFor(
    clients: readonly RespClient[],
    pool: Pool,
    others: readonly RespClient[],
  ): Promise<boolean>;
}

const CASES: Readonly<Record<LeverKind, Case>> = {
  pause: {
    pull: (pool) => ["pause", pool],
    flag: "--at-most",
    async holdsFor(clients, _, others) {
      for (const client of clients) {
        client.command(["ECHO", "held"]);
        await client.sent();
      }
      // Each worker has read that when it answers this; the second time its answer to the first would be here.
      for (let round = 0; round < 2; round++) await areAll(others, ["GET", "a"], /^/);
      return clients.every(({ unread }) => unread.length === 0);
    },
  },
  readonly: {
    pull: (pool) => ["readonly", pool],
    flag: "--for",
    holdsFor: (clients) => areAll(clients, ["SET", "a", "1"], /^-ERR writes are refused/),
  },
  block: {
    pull: (pool) => ["block", "GET blocked:*", "--pool", pool],
    flag: "--for",
    holdsFor: (clients) => areAll(clients, ["GET", "blocked:1"], /^-ERR refused for a while/),
  },
  drain: {
    pull: (pool) => ["drain", "two", "--pool", pool],
    flag: "--for",
    async holdsFor(clients, { server }) {
      const before = await getsOf(server);
      for (const client of clients) {
        const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
        client.command(...keys.map((key): [string, string] => ["GET", key]));
        await client.replies(keys.length);
      }
      return (await getsOf(server)) === before;
    },
  },
  drain_to: {
    pull: (pool) => ["drain", "--to", "10.9.9.9", "--pool", pool],
    flag: "--for",
    async holdsFor(clients) {
      const on = ["CLIENT", "MAINT_NOTIFICATIONS"] as const;
      for (const client of clients) {
        client.command(["HELLO", "3"], [...on, "OFF"], [...on, "ON"]);
        await client.replies(3);
      }
      const isTold = ({ unread }: RespClient): boolean => unread.includes("MOVING");
      const untilMs = Date.now() + 2000;
      while (!clients.every(isTold) && Date.now() < untilMs) await Bun.sleep(20);
      return clients.some(isTold);
    },
  },
};

test("every lever outlasts a program and a worker, and ends when it must", async () => {
  const servers = await Promise.all([startRedis(), startRedis()]);
  for (const server of servers) stops.push(() => server.stop());
  const pools = [...LEVER_KINDS].flatMap((kind): Pool[] =>
    ["short", "long"].map((term) => ({
      ...{ name: `${kind}-${term}`, port: freePort(), server: servers[1]! },
    })),
  );
  const free: Pool = { name: "free", port: freePort(), server: servers[1]! };
  const proxy = await startProxy({ config: configOf([...pools, free], servers) });
  stops.push(() => proxy.stop());
  const clientsOf = new Map<Pool, readonly RespClient[]>();
  const connectToAll = async (): Promise<void> => {
    for (const pool of [...pools, free]) clientsOf.set(pool, await connectAll(pool));
  };
  await connectToAll();
  for (const pool of pools) {
    const [kind, term] = pool.name.split("-") as [LeverKind, string];
    const { pull, flag } = CASES[kind];
    const [verb = "", ...words] = pull(pool.name);
    // Pauses have a limit.
    const time = term === "short" ? "5s" : kind === "pause" ? "60s" : "1h";
    await mustRun(proxy, verb, ...words, flag, time);
  }
  // The last one has begun.
  expect(await holds(pools.at(-1)!)).toBe(true);

  await mustRun(proxy, "upgrade", "--trust");
  await until("the new program serves", async () =>
    proxy.stderr().includes("ready after an upgrade"),
  );
  const [killed] = proxy.workerPids();
  process.kill(killed!, "SIGKILL");
  await until("all workers serve", async () => {
    const workers = (await statusOf(proxy)).processes.filter(({ role }) => role === "worker");
    return (
      workers.length === WORKERS &&
      workers.every(({ state, pid }) => state === "serving" && pid !== killed)
    );
  });
  // The killed worker's clients are gone.
  await connectToAll();
  const isShort = ({ pool }: { readonly pool: string | null }): boolean =>
    pool?.endsWith("short") === true;
  await until(
    "those for a short time are over",
    async () => !(await statusOf(proxy)).levers?.some(isShort),
  );
  const left = (await statusOf(proxy)).levers ?? [];
  expect(new Set(left.map(({ kind }) => kind))).toEqual(new Set(LEVER_KINDS));
  for (const pool of pools) {
    expect(await holds(pool), pool.name).toBe(pool.name.endsWith("long"));
  }
  for (const kind of LEVER_KINDS) {
    expect(proxy.stderr()).toMatch(
      new RegExp(`a lever's time is over lever=\\d+ kind=${kind} pool=${kind}-short`),
    );
  }
  await mustRun(proxy, "release", "all");
  await connectToAll();
  for (const pool of pools) expect(await holds(pool), pool.name).toBe(false);

  async function holds(pool: Pool): Promise<boolean> {
    const [kind] = pool.name.split("-") as [LeverKind];
    return await CASES[kind].holdsFor(clientsOf.get(pool)!, pool, clientsOf.get(free)!);
  }
});

function configOf(pools: readonly Pool[], servers: readonly RedisServer[]): string {
  const [one, two] = servers.map(({ host, port }) => `${host}:${port}:1`);
  return [
    `workers: ${WORKERS}`,
    "accept: dispatch",
    "pools:",
    ...pools.flatMap(({ name, port }) => [
      `  ${name}:`,
      `    listen: 127.0.0.1:${port}`,
      "    proxy_commands: true",
      `    servers: ["${one} one", "${two} two"]`,
    ]),
    "",
  ].join("\n");
}

/** One in each worker. */
async function connectAll({ port }: Pool): Promise<RespClient[]> {
  const clients: RespClient[] = [];
  for (let at = 0; at < WORKERS; at++) {
    const client = await RespClient.connect({ host: "127.0.0.1", port });
    stops.push(() => client.close());
    clients.push(client);
  }
  return clients;
}

async function areAll(
  clients: readonly RespClient[],
  command: [string, ...string[]],
  expected: RegExp,
): Promise<boolean> {
  const replies = await Promise.all(clients.map((client) => client.ask(...command)));
  return replies.every((reply) => expected.test(reply));
}

/** GETs that the server has executed. */
async function getsOf({ port }: RedisServer): Promise<number> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  const text = await client.ask("INFO", "commandstats");
  client.close();
  return Number(/cmdstat_get:calls=(\d+)/.exec(text)?.[1] ?? 0);
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAtMs = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > giveUpAtMs) throw new Error(`waited in vain: ${what}`);
  }
}
