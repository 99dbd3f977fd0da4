/** Subscribed clients through reloads and upgrades, while messages flow: every message once, in order. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { moveRounds } from "../support/move-rounds.ts";
import { keysByServer, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun } from "../support/run-command.ts";
import type { Endpoint } from "../support/server-process.ts";
import { SteadyNews } from "../support/steady-news.ts";
import { clientOf, start, stopAll, stops, type UpgradeResult } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

test("upgrades and reloads in a row: nothing is lost, doubled or out of order", async () => {
  const rig = await start();
  const proxy = { host: "127.0.0.1", port: rig.port };
  const news = await SteadyNews.start(proxy, [proxy, proxy, ...rig.servers], 12);
  const { configFile } = rig.proxy;
  const config = readFileSync(configFile, "utf8");
  const rounds = moveRounds();
  for (let round = 1; round <= rounds; round++) {
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

test("a client with very many channels keeps them all, and others that share some do, too", async () => {
  const rig = await start();
  const names = Array.from({ length: 20_000 }, (_, i) => `channel:${i}`);
  const [many, few] = [await clientOf(rig), await clientOf(rig)];
  await few.ask("HELLO", "3");
  many.command(["SUBSCRIBE", ...names]);
  for (const [i, name] of names.entries()) {
    expect(`${await many.reply()}`).toEndWith(`${name}\r\n:${i + 1}\r\n`);
  }
  for (const name of [names[0]!, names.at(-1)!]) await few.ask("SUBSCRIBE", name);
  const servers = [
    await RespClient.connect(rig.servers[0]!),
    await RespClient.connect(rig.servers[1]!),
  ];
  for (const server of servers) stops.push(async () => server.close());
  for (let round = 1; round <= 2; round++) {
    const { crew } = await mustRun<UpgradeResult>(rig.proxy, "upgrade");
    expect(crew).toMatchObject({ crew: round + 1, lost: 0, left: 0 });
    for (const server of servers) {
      const counts = `${await server.ask("PUBSUB", "NUMSUB", ...names)}`;
      expect(counts.match(/^:[1-9]/gm)).toHaveLength(names.length);
    }
    for (const [i, server] of servers.entries()) {
      for (const name of [names[0]!, names[12_345]!, names.at(-1)!]) {
        await server.ask("PUBLISH", name, `text ${i}`);
        expect(`${await many.reply()}`).toContain(`${name}\r\n$6\r\ntext ${i}`);
        if (name !== names[12_345]) expect(`${await few.reply()}`).toContain(`text ${i}`);
      }
    }
  }
  many.command(["UNSUBSCRIBE"]);
  for (const name of names) expect(`${await many.reply()}`).toContain(`${name}\r\n`);
  few.close();
  for (const server of servers) {
    // Its own names are gone when that is confirmed; those of the other follow its connection.
    let left = "";
    do left = `${await server.ask("PUBSUB", "CHANNELS")}`;
    while (left !== "*0\r\n");
  }
});

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
