/** Where reads land, by `read_from`, counted on real servers: a primary and two replicas that are in step, and then one of the replicas is cut off, and one syncs. */
import { freePort } from "../../test/support/free-port.ts";
import { startProxy } from "../../test/support/proxy-process.ts";
import { type RedisServer, startRedis } from "../../test/support/redis-server.ts";
import { RespClient } from "../../test/support/resp-client.ts";
import { ask, callsAt } from "./asked.ts";
import { say } from "./report.ts";

const POLICIES = ["primary", "prefer_replica", "replica", "any", "nearest"];
const CLIENTS = 64;
const READS = 50;
/** 20 s of a sync, at 200 µs each. */
const KEYS = 100_000;
const MAX_LAG_MS = 1_000;

export async function measureReplicas(): Promise<void> {
  const primary = await startRedis({ args: ["--repl-diskless-sync-delay", "0"] });
  const follow = { args: ["--replicaof", primary.host, `${primary.port}`] };
  const servers = [primary, await startRedis(follow), await startRedis(follow)];
  await inStep(primary, 2);
  const [at, ...others] = servers.map(({ port }) => `"127.0.0.1:${port}"`);
  const ports = POLICIES.map(() => freePort());
  const config = [
    "pools:",
    ...POLICIES.flatMap((policy, i) => [
      `  ${policy}:`,
      `    listen: 127.0.0.1:${ports[i]}`,
      `    read_from: ${policy}`,
      ...(policy === "primary" ? [] : [`    max_lag: ${MAX_LAG_MS}ms`]),
      `    servers: [{ address: ${at}, name: one, replicas: [${others.join(", ")}] }]`,
    ]),
    "",
  ].join("\n");
  const proxy = await startProxy({ config, args: ["--workers", "2"] });
  const count = async (what: string): Promise<void> => {
    for (const [i, policy] of POLICIES.entries()) {
      const before = await Promise.all(servers.map((server) => callsAt(server, "get")));
      const errors = await read(ports[i]!);
      const after = await Promise.all(servers.map((server) => callsAt(server, "get")));
      const counts = after.map((calls, n) => calls - before[n]!);
      say(`${what}, ${policy}: primary ${counts.join(", replicas ")}; ${errors} errors`);
    }
  };
  await ask(primary, "SET", "k", "v");
  await inStep(primary, 2);
  await Bun.sleep(2_000);
  await count("all in step");
  // Its link is down: it falls behind.
  await ask(servers[2]!, "REPLICAOF", "127.0.0.1", "1");
  await Bun.sleep(3 * MAX_LAG_MS + 500);
  await count("the second is cut off");
  // It starts anew, and what it is to get comes slowly: meanwhile it is not to be read.
  await fill(primary);
  await ask(primary, "CONFIG", "SET", "rdb-key-save-delay", "200");
  const { port } = servers[2]!;
  await servers[2]!.stop();
  servers[2] = await startRedis({ port, ...follow });
  let isSyncing = false;
  while (!isSyncing) {
    isSyncing = ((await ask(servers[2]!, "INFO", "replication")) ?? "").includes(
      "master_sync_in_progress:1",
    );
    await Bun.sleep(20);
  }
  await count("the second syncs");
  const info = (await ask(servers[2]!, "INFO", "replication")) ?? "";
  say(`it still synced at the end: ${info.includes("master_sync_in_progress:1")}`);
  await ask(primary, "CONFIG", "SET", "rdb-key-save-delay", "0");
  await proxy.stop();
  for (const server of servers) await server.stop();
}

async function inStep(primary: RedisServer, replicas: number): Promise<void> {
  while ((await ask(primary, "WAIT", `${replicas}`, "1000")) !== `:${replicas}\r\n`) {
    await Bun.sleep(50);
  }
}

async function fill(primary: RedisServer): Promise<void> {
  const client = await RespClient.connect({ host: primary.host, port: primary.port });
  for (let at = 0; at < KEYS; at += 1000) {
    client.command(
      ...Array.from({ length: 1000 }, (_, i): [string, ...string[]] => ["SET", `f:${at + i}`, "x"]),
    );
    await client.replies(1000);
  }
  client.close();
}

/** @returns how many were errors */
async function read(port: number): Promise<number> {
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () => RespClient.connect({ host: "127.0.0.1", port })),
  );
  let errors = 0;
  await Promise.all(
    clients.map(async (client) => {
      for (let i = 0; i < READS; i++) {
        if ((await client.ask("GET", "k")).startsWith("-")) errors++;
      }
      client.close();
    }),
  );
  return errors;
}
