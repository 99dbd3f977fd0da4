/** Subscribed clients through reloads and upgrades, while messages flow: every message once, in order. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { until } from "../support/echo-proxy.ts";
import { mustRun } from "../support/run-command.ts";
import { SteadyNews } from "../support/steady-news.ts";
import { start, stopAll, type UpgradeResult } from "../support/upgrade-rig.ts";

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
