/** Subscribed clients through reloads and upgrades, while messages flow: every message once, in order. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { keysByServer, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun } from "../support/run-command.ts";
import type { Endpoint } from "../support/server-process.ts";
import { SteadyNews } from "../support/steady-news.ts";
import { start, stopAll, stops, type UpgradeResult } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

test("twenty upgrades and reloads: nothing is lost, doubled or out of order", async () => {
  const rig = await start();
  const proxy = { host: "127.0.0.1", port: rig.port };
  const news = await SteadyNews.start(proxy, [proxy, proxy, ...rig.servers], 12);
  const { configFile } = rig.proxy;
  const config = readFileSync(configFile, "utf8");
  for (let round = 1; round <= 20; round++) {
    const before = news.published;
    const isReload = round % 2 === 0;
    if (isReload) {
      const timeout = `redis: true\n  timeout: ${10_000 + round}`;
      writeFileSync(configFile, config.replace("redis: true", timeout));
    }
    const verb = isReload ? "reload" : "upgrade";
    const { crew } = await mustRun<UpgradeResult>(rig.proxy, verb);
    expect(crew).toMatchObject({ crew: round + 1, left: 0, lost: 0 });
    await until("messages flow", () => news.published > before + 100 || news.errors.length > 0);
    expect(news.errors).toEqual([]);
  }
  await news.stop();
  expect(news.errors).toEqual([]);
}, 240_000);

test("a server that does not answer, and a client that waits for it, keep no other subscriber from moving", async () => {
  const servers = [await startRedis(), await startRedis()];
  for (const server of servers) stops.push(() => server.stop());
  const endpoint = { host: "127.0.0.1", port: freePort() };
  const names = servers.map(({ port }, i) => `"127.0.0.1:${port}:1 s${i}"`);
  const pool = `  p:\n    listen: 127.0.0.1:${endpoint.port}\n    timeout: 0\n`;
  const config = `drain_timeout: 4s\npools:\n${pool}    servers: [${names}]\n`;
  const proxy = await startProxy({ config, args: ["--workers", "1"] });
  stops.push(() => proxy.stop());
  const connect = async (to: Endpoint = endpoint): Promise<RespClient> => {
    const client = await RespClient.connect(to);
    stops.push(async () => client.close());
    return client;
  };
  const [plain, other, waiting, joining] = [
    await connect(),
    await connect(),
    await connect(),
    await connect(),
  ];
  await waiting.ask("HELLO", "3");
  for (const client of [plain, other, waiting]) await client.ask("SUBSCRIBE", "news");
  const key = keysByServer(2, 1)[1]![0]!;
  expect(await waiting.ask("GET", key)).toBe("_\r\n");
  process.kill(servers[1]!.pid, "SIGSTOP");
  stops.push(async () => void process.kill(servers[1]!.pid, "SIGCONT"));
  waiting.command(["GET", key]);
  joining.command(["SUBSCRIBE", "more"]);
  const { crew } = await mustRun<UpgradeResult>(proxy, "upgrade");
  expect(crew).toMatchObject({ moved: 3, lost: 0 });
  expect(`${await joining.reply()}`).toBe("*3\r\n$9\r\nsubscribe\r\n$4\r\nmore\r\n:1\r\n");
  const publisher = await connect(servers[0]!);
  for (const name of ["news", "more"]) await publisher.ask("PUBLISH", name, "text");
  for (const client of [plain, other, joining]) expect(`${await client.reply()}`).toContain("text");
  await waiting.untilClosed();
});
