/** A worker with nothing to do sleeps. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { freePort } from "../support/free-port.ts";
import { redisPool, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

const SECONDS = 3;
/** What remains is the engine's own and the supervisor's question, each second, whether the worker is well. */
const WAKE_UPS_PER_SECOND_MAX = 30;

/** How often the worker's main thread has gone to sleep. */
function sleeps(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)![1]);
}

test("idle clients and server connections, with all limits of time set, wake no worker", async () => {
  const server = await startRedis({});
  const endpoint = { host: "127.0.0.1", port: freePort() };
  // Not so short that a busy machine reaches it.
  const lines = ["timeout: 2000", "server_connections: 4"];
  const config = redisPool({ listen: `127.0.0.1:${endpoint.port}`, servers: [server], lines });
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  const clients = await Promise.all(Array.from({ length: 20 }, () => RespClient.connect(endpoint)));
  try {
    for (const [index, client] of clients.entries()) {
      client.send(`SELECT ${index % 4}\r\nSET k${index} x\r\nWATCH k${index}\r\n`);
      for (let i = 0; i < 3; i++) expect((await client.reply()).toString()).toBe("+OK\r\n");
    }
    const [pid] = proxy.workerPids();
    // What the requests have left, above all timers that are not needed any more, comes to an end.
    await Bun.sleep(1000);
    const before = sleeps(pid!);
    await Bun.sleep(SECONDS * 1000);
    expect(sleeps(pid!) - before).toBeLessThan(WAKE_UPS_PER_SECOND_MAX * SECONDS);
  } finally {
    for (const client of clients) client.close();
    await proxy.stop();
    await server.stop();
  }
});
