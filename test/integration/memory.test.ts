/** Clients that read nothing and leave: what was held for them goes back to the system. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { freePort } from "../support/free-port.ts";
import { redisPool, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

const MIB = 1024 * 1024;
const VALUE_BYTES = 10 * MIB;
const CLIENTS = 2;
const REQUESTS = 16;
/** Clients stay so long: only what has been held for a while is not collected by itself. */
const HELD_MS = 10_000;
/** Generous: memory comes back within 20 s, and tests share their machine. */
const DEADLINE_MS = 60_000;

/** Resident memory of a process. */
function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Resolves when `isTrue` is; meanwhile `step` is done again and again. */
async function until(
  what: string,
  isTrue: () => boolean,
  step: () => Promise<unknown>,
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`);
    await step();
    await Bun.sleep(10);
  }
}

test("memory held for clients that read nothing is given back when they have left", async () => {
  const server = await startRedis();
  const endpoint = { host: "127.0.0.1", port: freePort() };
  const config = redisPool({ listen: `${endpoint.host}:${endpoint.port}`, servers: [server] });
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  const client = await RespClient.connect(endpoint);
  const silent: Socket[] = [];
  try {
    const [worker = -1] = proxy.workerPids();
    await client.ask("SET", "large", "v".repeat(VALUE_BYTES));
    const traffic = (): Promise<unknown> =>
      Promise.all(Array.from({ length: 10 }, () => client.ask("GET", "small")));
    for (let i = 0; i < 1000; i++) await traffic();
    const atStart = residentBytes(worker);
    for (let i = 0; i < CLIENTS; i++) {
      const socket = connect(endpoint);
      socket.pause();
      socket.on("error", () => {});
      socket.write("*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n".repeat(REQUESTS));
      silent.push(socket);
    }
    const wanted = atStart + (CLIENTS * REQUESTS * VALUE_BYTES) / 2;
    await until("replies wait", () => residentBytes(worker) > wanted, traffic);
    const held = performance.now();
    await until("it is old", () => performance.now() - held > HELD_MS, traffic);
    for (const socket of silent) socket.destroy();
    // Well below what was held, and above what the worker takes for its own garbage in between.
    const enough = atStart + 64 * MIB;
    await until("memory is given back", () => residentBytes(worker) < enough, traffic);
    expect(residentBytes(worker)).toBeLessThan(enough);
  } finally {
    for (const socket of silent) socket.destroy();
    client.close();
    await proxy.stop();
    await server.stop();
  }
}, 180_000);
