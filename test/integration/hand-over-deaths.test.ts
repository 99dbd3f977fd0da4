/** A worker that dies while it hands its clients over: those that it took along are lost, and the command says so. */
import { afterEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import type { GenerationResult, ProcessStatus } from "../../src/api/control-socket.ts";
import { freePort } from "../support/free-port.ts";
import { eventually } from "../support/identity-rig.ts";
import { redisPool, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun, statusOf } from "../support/run-command.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

afterEach(stopAll);

const CLIENTS = 20;

test("clients that died with their old worker are counted as lost", async () => {
  const server = await startRedis();
  stops.push(() => server.stop());
  const port = freePort();
  const config = (timeoutMs: number): string =>
    redisPool({
      listen: `127.0.0.1:${port}`,
      servers: [server],
      lines: [`timeout: ${timeoutMs}`],
    });
  const proxy = await startProxy({ config: config(4000), args: ["--workers", "1"] });
  stops.push(() => proxy.stop());
  const clients: RespClient[] = [];
  stops.push(async () => {
    for (const client of clients) client.close();
  });
  while (clients.length < CLIENTS)
    clients.push(await RespClient.connect({ host: "127.0.0.1", port }));
  for (const client of clients) expect(await client.ask("PING")).toBe("+PONG\r\n");
  const [old] = proxy.workerPids();
  const statusOfOld = async (): Promise<ProcessStatus | undefined> =>
    (await statusOf(proxy)).processes.find(({ pid }) => pid === old);
  const areKnown = async (): Promise<boolean> => (await statusOfOld())?.clients === CLIENTS;
  await eventually("the supervisor knows of them", areKnown);
  // It hears that it is to hand over, and does nothing.
  process.kill(old!, "SIGSTOP");
  writeFileSync(proxy.configFile, config(4001));
  const reloaded = mustRun<{ readonly crew: GenerationResult }>(proxy, "reload");
  await eventually("it is asked", async () => (await statusOfOld())?.state === "leaving");
  process.kill(old!, "SIGKILL");
  const { crew } = await reloaded;
  expect(crew).toMatchObject({ moved: 0, left: 0, lost: CLIENTS });
  expect(proxy.stderr()).toMatch(/a worker died while it handed its clients over.* clients=20/);
}, 120_000);
