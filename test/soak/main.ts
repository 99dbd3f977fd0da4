/**
 * `npm run soak`: a real proxy with real servers under load of which every reply is checked, while servers hang and lose their
 * connections, and the proxy is reloaded and upgraded, for as long as is wanted.
 */
import { readdirSync, readFileSync } from "node:fs";
import { Checker } from "../simulation/checker.ts";
import type { ClientRig, SimulatedClient } from "../simulation/client.ts";
import { MemcacheClient } from "../simulation/memcache-client.ts";
import { planClient } from "../simulation/plan.ts";
import { Random } from "../simulation/random.ts";
import { RedisClient } from "../simulation/redis-client.ts";
import type { Server } from "../simulation/server.ts";
import { freePort } from "../support/free-port.ts";
import { startMemcached } from "../support/memcached-server.ts";
import { startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf } from "../support/run-command.ts";
import { realNetwork, realWorld } from "./real-world.ts";

const HELP = `npm run soak -- [--minutes N] [--clients N] [--seed N] [--report SECONDS]
Runs what PROXY_BINARY names, or the sources. Ends with 1 when a reply was wrong or did not come.
`;
const SERVERS = 3;
const HEALTHY_MS = 8_000;
const TIMEOUT_MS = 1_000;

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

/** A server as the checker sees it, and what is done to it. */
interface Victim {
  readonly server: Server;
  readonly pid: number;
  /** Ends all of its connections. */
  cut(): Promise<void>;
}

async function soak(): Promise<boolean> {
  const seed = option("seed", Date.now() % 2 ** 31);
  const minutes = option("minutes", 60);
  console.log(`seed ${seed}, ${minutes} minutes`);
  const random = new Random(seed);
  const redis = await Promise.all(Array.from({ length: SERVERS }, () => startRedis()));
  const memcached = await Promise.all(
    Array.from({ length: SERVERS }, () => startMemcached({ args: ["-m", "256"] })),
  );
  const [redisPort, memcachePort] = [freePort(), freePort()];
  const pool = (
    port: number,
    protocol: string,
    prefix: string,
    servers: readonly { readonly port: number }[],
  ): string[] => [
    `  ${protocol}:`,
    `    listen: 127.0.0.1:${port}`,
    `    protocol: ${protocol}`,
    `    timeout: ${TIMEOUT_MS}ms`,
    '    hash_tag: "{}"',
    `    servers: [${servers.map((server, at) => `127.0.0.1:${server.port}:1 ${prefix}${at}`).join(", ")}]`,
  ];
  const config = [
    "workers: 2",
    "pools:",
    ...pool(redisPort, "redis", "r", redis),
    ...pool(memcachePort, "memcache", "m", memcached),
    "",
  ].join("\n");
  const proxy = await startProxy({ config });
  const world = realWorld(seed);
  const asServer = (name: string): Server =>
    ({
      name,
      troubleMs: Number.NEGATIVE_INFINITY,
      lieMs: Number.NEGATIVE_INFINITY,
    }) as unknown as Server;
  const victims: Victim[] = [
    ...redis.map((server, at) => ({
      ...{ server: asServer(`r${at}`), pid: server.pid },
      cut: async () => {
        const client = await RespClient.connect(server);
        await client.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        client.close();
      },
    })),
    ...memcached.map((server, at) => ({
      ...{ server: asServer(`m${at}`), pid: server.pid },
      cut: async () => {},
    })),
  ];
  const checker = new Checker(
    world,
    victims.map(({ server }) => server),
    { healthyMs: HEALTHY_MS, troubledMs: TIMEOUT_MS + HEALTHY_MS, recoveryMs: 6_000, liesMs: 0 },
    false,
  );
  const way = { leastMs: 0, mostMs: 0, pieces: 1, capacity: 0 };
  const createClient = (id: number): SimulatedClient<unknown> => {
    const isRedis = id % 2 === 0;
    const rig: ClientRig = {
      world,
      checker,
      way,
      network: realNetwork(isRedis ? redisPort : memcachePort),
    };
    const Client = isRedis ? RedisClient : MemcacheClient;
    return new Client(
      id,
      rig,
      planClient(random, { isFine: false, isHeavy: false }),
    ) as unknown as SimulatedClient<unknown>;
  };
  let ids = 0;
  const clients = Array.from({ length: option("clients", 60) }, () => createClient(ids++));
  const counts = { hangs: 0, cuts: 0, reloads: 0, upgrades: 0, failed: 0 };
  const memory: number[] = [];
  const descriptors: number[] = [];

  const report = (): void => {
    const workers = proxy.workerPids();
    const rss = workers.reduce((sum, pid) => sum + rssOf(pid), 0) / workers.length;
    const files = workers.reduce((sum, pid) => sum + filesOf(pid), 0);
    memory.push(rss);
    descriptors.push(files);
    const atS = ((world.nowMs - world.startMs) / 1000).toFixed(0);
    console.log(
      `${atS} s: ${checker.answered} replies, ${checker.failed} errors, ${checker.violations.length} wrong or lost; ${workers.length} workers of ${rss.toFixed(1)} MiB, ${files} descriptors; ${JSON.stringify(counts)}`,
    );
  };

  const disturb = async (): Promise<void> => {
    const victim = random.pick(victims);
    const kind = random.below(10);
    if (kind < 4) {
      const forMs = random.between(50, 2_500);
      counts.hangs++;
      victim.server.troubleMs = world.nowMs + forMs;
      process.kill(victim.pid, "SIGSTOP");
      await Bun.sleep(forMs);
      process.kill(victim.pid, "SIGCONT");
      victim.server.troubleMs = world.nowMs;
    } else if (kind < 6) {
      counts.cuts++;
      victim.server.troubleMs = world.nowMs;
      await victim.cut();
      victim.server.troubleMs = world.nowMs;
    } else {
      const isReload = kind < 8 || process.env["PROXY_BINARY"] === undefined;
      const verb = isReload ? "reload" : "upgrade";
      counts[isReload ? "reloads" : "upgrades"]++;
      const { code, output, errors } = await commandOf(proxy, verb);
      if (code === 0) return;
      counts.failed++;
      console.log(`proxy ${verb}: exit code ${code}: ${output}${errors}`);
    }
  };

  const endMs = world.startMs + minutes * 60_000;
  const ticking = setInterval(report, 1_000 * option("report", 30));
  while (world.nowMs < endMs) {
    await Bun.sleep(random.between(200, 4_000));
    await disturb();
    // Clients come and go, and with them the keys that are known.
    const at = random.below(clients.length);
    clients[at]!.leave();
    clients[at] = createClient(ids++);
  }
  clearInterval(ticking);
  await Bun.sleep(6_000);
  for (const client of clients) client.stop();
  for (let i = 0; i < 60 && !clients.every(({ isIdle }) => isIdle); i++) await Bun.sleep(250);
  for (const client of clients) client.verify();
  for (let i = 0; i < 60 && !clients.every(({ isIdle }) => isIdle); i++) await Bun.sleep(250);
  for (const client of clients)
    if (!client.isIdle) checker.fail(`client ${client.id} gets no answer`);
  report();
  for (const client of clients) client.leave();
  for (const violation of checker.violations) console.log(violation);
  const half = Math.floor(memory.length / 2);
  console.log(
    `seed ${seed}: ${checker.answered} replies, ${checker.violations.length} wrong or lost, ${counts.failed} commands failed; memory ${mean(memory, 0, half)} then ${mean(memory, half, memory.length)} MiB, descriptors ${mean(descriptors, 0, half)} then ${mean(descriptors, half, descriptors.length)}`,
  );
  await proxy.stop();
  await Promise.all([...redis, ...memcached].map((server) => server.stop()));
  return checker.violations.length === 0 && counts.failed === 0;
}

function mean(values: readonly number[], from: number, to: number): string {
  let sum = 0;
  for (let at = from; at < to; at++) sum += values[at]!;
  return to > from ? (sum / (to - from)).toFixed(1) : "-";
}

/** MiB. */
function rssOf(pid: number): number {
  try {
    const line = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return Number(line?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

function filesOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

if (process.argv.includes("--help")) process.stdout.write(HELP);
else process.exit((await soak()) ? 0 : 1);
