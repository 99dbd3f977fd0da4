/** Clients that read nothing and leave: whatever the proxy holds for them goes with them. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { freePort } from "../support/free-port.ts";
import { redisPool, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";

const CLIENTS = 32;
const ROUNDS = 5;
const VALUE_BYTES = 4096;
/** More replies than the kernel takes for a client that does not read, and fewer than it may have unread. */
const REQUESTS = 3000;
const PIPELINE = "*2\r\n$3\r\nGET\r\n$5\r\nvalue\r\n".repeat(REQUESTS);
/** Generous: the descriptors are closed within moments, and tests share their machine. */
const DEADLINE_MS = 30_000;

const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

function connected(endpoint: { host: string; port: number }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(endpoint, () => {
      socket.off("error", reject);
      socket.on("error", () => {});
      resolve(socket);
    });
    socket.on("error", reject);
  });
}

test("of clients that leave in the middle of a turn in which replies are written to them nothing stays", async () => {
  const server = await startRedis();
  const endpoint = { host: "127.0.0.1", port: freePort() };
  const config = redisPool({ listen: `${endpoint.host}:${endpoint.port}`, servers: [server] });
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  const client = await RespClient.connect(endpoint);
  const sockets: Socket[] = [];
  try {
    const [worker = -1] = proxy.workerPids();
    await client.ask("SET", "value", "v".repeat(VALUE_BYTES));
    const atStart = openFiles(worker);
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < CLIENTS; i++) {
        const socket = await connected(endpoint);
        sockets.push(socket);
        socket.pause();
      }
      for (const socket of sockets) socket.write(PIPELINE);
      // Now they get replies, most likely in each turn of the worker, which has hardly a moment in which it is idle.
      await client.ask("GET", "value");
      process.kill(worker, "SIGSTOP");
      // Their connections are reset, as they have not read what came. The turn that was stopped ends with writing to them.
      await Promise.all(
        sockets.splice(0).map((socket) => {
          const closed = new Promise((resolve) => socket.once("close", resolve));
          socket.destroy();
          return closed;
        }),
      );
      process.kill(worker, "SIGCONT");
      await client.ask("PING");
    }
    const deadline = performance.now() + DEADLINE_MS;
    // Clients that came all at once had another connection to the server, which stays for a while.
    const most = atStart + 1;
    while (openFiles(worker) > most && performance.now() < deadline) await Bun.sleep(20);
    expect(openFiles(worker)).toBeLessThanOrEqual(most);
  } finally {
    for (const socket of sockets) socket.destroy();
    client.close();
    await proxy.stop();
    await server.stop();
  }
}, 120_000);
