/**
 * Every option that can be set while the proxy runs is looked at when it is needed: one that is read at the start only fails here. Which there are the
 * table of options says.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import type { ServerConfig } from "../../src/api/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { namedOptions } from "../../src/config/option-path.ts";
import { PROTOCOLS } from "../../src/protocols/registry.ts";
import { freePort } from "../support/free-port.ts";
import { startFullServer } from "../support/full-server.ts";
import { askAll, deadServer, eventually, liveRig, serverAt } from "../support/live-rig.ts";
import { startMemcached } from "../support/memcached-server.ts";
import type { PoolRig } from "../support/pool-rig.ts";
import { startRedis } from "../support/redis-server.ts";
import { TextClient } from "../support/text-client.ts";

setDefaultTimeout(60_000);

const rig = liveRig();

async function readsOf(
  lines: readonly string[],
  servers: readonly ServerConfig[],
  stir: (pool: PoolRig) => Promise<void>,
): Promise<ReadonlySet<string>> {
  const read = new Set<string>();
  let isStarted = false;
  const pool = await rig.start(lines, servers, {
    onRead: (field) => isStarted && read.add(field),
    onSlow: () => {},
  });
  isStarted = true;
  pool.set("connect_timeout", "2s");
  await stir(pool);
  return read;
}

/** Fields of the live options that a pool of this protocol has. */
function fieldsOf(protocol: string): readonly string[] {
  const text = `pools:\n  pool: { listen: "h:1", protocol: ${protocol}, servers: ["h:2:1"] }\n`;
  const { config } = loadConfig(text, "f.yaml", PROTOCOLS);
  const named = namedOptions(config!, PROTOCOLS);
  return named
    .filter(({ option, pool }) => option.isLive && pool !== null)
    .map(({ field }) => field);
}

const EJECTING = ["auto_eject_hosts: true", "server_failure_limit: 1", "slowlog: 1ms"];
const PROBING = ["auto_eject_hosts: true", "health_check: 20ms", "health_check_fall: 1"];

async function untilEjected(pool: PoolRig, ask: () => Promise<unknown>): Promise<void> {
  await eventually("the dead server is ejected", async () => {
    await ask();
    return pool.shown().get("dead")?.ejected === 1;
  });
}

/** Also what is needed only where servers are asked whether they serve. */
async function readsWithProbes(
  lines: readonly string[],
  port: number,
  revive: (port: number) => Promise<{ stop(): unknown }>,
): Promise<ReadonlySet<string>> {
  const dead = freePort();
  const servers = [serverAt(port, "one"), serverAt(dead, "dead")];
  return await readsOf([...PROBING, ...lines], servers, async (pool) => {
    await untilEjected(pool, () => Bun.sleep(5));
    const revived = await revive(dead);
    rig.atEnd(() => revived.stop());
    await eventually("it is back", () => pool.shown().get("dead")?.ejected === 0);
  });
}

/** By the sweeper of a pool of Memcached, for each key that it moves. Redis reads all options of a pool together. */
const SWEPT: ReadonlySet<string> = new Set(["options.migrate_rate", "options.migrate_latency"]);

function expectAllRead(protocol: string, ...reads: readonly ReadonlySet<string>[]): void {
  const unread = fieldsOf(protocol).filter((field) => !reads.some((read) => read.has(field)));
  expect(unread).toEqual([]);
}

test("in a pool of Redis", async () => {
  const servers = [serverAt(rig.port, "one"), deadServer()];
  const read = await readsOf(EJECTING, servers, async (pool) => {
    const client = await rig.connect(pool);
    await untilEjected(pool, () => askAll(client));
    await client.ask("PROXY", "SHOW", "HELP");
    const slow = "local n = 0; for i = 1, 3000000 do n = n + i end; return n";
    await client.ask("EVAL", slow, "1", "key:1");
  });
  const probed = await readsWithProbes([], rig.port, (port) => startRedis({ port }));
  expectAllRead("redis", read, probed);
});

test("in a pool of Memcached", async () => {
  const memcached = await startMemcached();
  rig.atEnd(() => memcached.stop());
  const servers = [serverAt(memcached.port, "one"), deadServer()];
  const lines = [...EJECTING, "protocol: memcache"];
  const read = await readsOf(lines, servers, async (pool) => {
    const client = await TextClient.connect({ host: "127.0.0.1", port: pool.port });
    rig.atEnd(() => client.close());
    await untilEjected(pool, async () => {
      const keys = Array.from({ length: 24 }, (_, i) => `get key:${i}\r\n`);
      client.send(`${keys.join("")}version\r\n`);
      await client.until("VERSION ");
      await client.until("\r\n");
    });
    client.send("stats proxy help\r\n");
    await client.until("\r\n");
    process.kill(memcached.pid, "SIGSTOP");
    client.send("get key:1\r\n");
    await Bun.sleep(50);
    process.kill(memcached.pid, "SIGCONT");
    await client.until("\r\n");
  });
  const probed = await readsWithProbes(["protocol: memcache"], memcached.port, (port) =>
    startMemcached({ port }),
  );
  expectAllRead("memcache", read, probed, SWEPT);
});

test("queue_timeout counts for what waits already", async () => {
  // It accepts none, and its queue is full: what is for it waits to be sent.
  const full = await startFullServer();
  rig.atEnd(() => full.stop());
  const pool = await rig.start(
    ["connect_timeout: 1h", "timeout: none"],
    [serverAt(rig.port, "one"), serverAt(full.port, "full")],
  );
  const client = await rig.connect(pool);
  const asked = askAll(client);
  await client.sent();
  pool.set("queue_timeout", "50ms");
  const replies = await asked;
  const late = replies.filter((reply) => reply.includes("as long as queue_timeout allows"));
  expect(late.length).toBeGreaterThan(0);
  expect(replies.filter((reply) => reply === "$-1\r\n").length).toBe(replies.length - late.length);
});
