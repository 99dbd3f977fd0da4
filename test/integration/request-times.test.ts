/** How long requests take, as the proxy measures it. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import type { HistogramFigures } from "../../src/api/stats.ts";
import { added, percentile } from "../../src/metrics/percentiles.ts";
import { until } from "../support/echo-proxy.ts";
import { startFakeServer } from "../support/fake-server.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, redisPool, startProxy } from "../support/proxy-process.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun, statusOf } from "../support/run-command.ts";
import { clientOf, type Rig, start, stopAll, stops, variant } from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(stopAll);

const NONE: HistogramFigures = { count: 0, sum: 0, buckets: [] };

/** A histogram, over all blocks of the set in which the labels have those values. */
async function histogramOf(
  proxy: ProxyProcess,
  set: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<HistogramFigures> {
  const { metrics = [] } = await statusOf(proxy);
  return metrics
    .filter((one) => one.set === set)
    .filter((one) => Object.entries(labels).every(([key, value]) => one.labels[key] === value))
    .map(({ values }) => values[name] as HistogramFigures)
    .reduce(added, NONE);
}

/** Until it is so; the test's own time limit ends a wait in vain. */
async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo()));
}

const DELAY_MS = 20;

test("percentiles are those that clients see", async () => {
  const server = startFakeServer((_args, connection) => {
    setTimeout(() => connection.send("$1\r\nx\r\n"), DELAY_MS);
    return null;
  });
  stops.push(async () => server.stop());
  const proxy = await startProxy({
    config: redisPool({ listen: `127.0.0.1:${freePort()}`, servers: [server] }),
    args: ["--workers", "1"],
  });
  stops.push(() => proxy.stop());
  const client = await RespClient.connect(proxy.endpoints[0]!);
  const seenUs: number[] = [];
  for (let n = 0; n < 50; n++) {
    const startMs = performance.now();
    await client.ask("GET", "k");
    seenUs.push(Math.ceil((performance.now() - startMs) * 1000));
  }
  client.close();
  const total = await histogramOf(proxy, "times", "total_us", { family: "read" });
  const inServer = await histogramOf(proxy, "server_times", "server_us", { server: "s0" });
  const inQueue = await histogramOf(proxy, "server_times", "queue_us", { server: "s0" });
  expect([total.count, inServer.count, inQueue.count]).toEqual([50, 50, 50]);
  seenUs.sort((a, b) => a - b);
  for (const share of [0.5, 0.9, 1]) {
    const seen = seenUs[Math.ceil(share * seenUs.length) - 1]!;
    const told = percentile(total, share);
    // What the proxy sees is within what the client sees, but for the width of a bucket.
    expect(told).toBeLessThanOrEqual(seen * 1.016);
    expect(told).toBeGreaterThanOrEqual(DELAY_MS * 1000 * 0.97);
    expect(percentile(inServer, share)).toBeLessThanOrEqual(told);
    expect(percentile(inServer, share)).toBeGreaterThanOrEqual(DELAY_MS * 1000 * 0.97);
  }
  // In the proxy itself a request spends no such time.
  expect(total.sum - inServer.sum - inQueue.sum).toBeGreaterThanOrEqual(-50);
  expect(inQueue.sum).toBeLessThan(inServer.sum);
});

test("each request counts in the family of its command; sizes and depth of pipelines are counted", async () => {
  const rig = await start("--workers", "1");
  const client = await clientOf(rig);
  const pipeline = Array.from({ length: 10 }, (_, n) => `*2\r\n$3\r\nGET\r\n$2\r\nk${n}\r\n`);
  client.send(pipeline.join(""));
  await client.replies(10);
  for (const command of [
    ["SET", "k", "x".repeat(3000)],
    ["GET", "k"],
    ["MGET", "a", "b", "c", "d"],
    ["EVAL", "return 1", "1", "k"],
    ["BLPOP", "list", "0.01"],
    ["PING"],
    ["MULTI"],
    ["EXEC"],
  ] as const) {
    await client.ask(...command);
  }
  const countOf = async (family: string): Promise<number> =>
    (await histogramOf(rig.proxy, "times", "total_us", { family })).count;
  await eventually(async () => (await countOf("session")) === 2);
  const families = ["read", "write", "multi", "script", "blocking", "admin"];
  expect(await Promise.all(families.map(countOf))).toEqual([11, 1, 1, 1, 1, 1]);
  const requestBytes = await histogramOf(rig.proxy, "client", "request_bytes");
  expect(requestBytes.count).toBe(18);
  // The pipeline came in one piece or more; each request in it has the same size.
  expect(requestBytes.buckets.find(([largest]) => largest === 21)?.[1]).toBe(10);
  expect(requestBytes.buckets.some(([largest]) => largest >= 3000)).toBe(true);
  const replyBytes = await histogramOf(rig.proxy, "client", "reply_bytes");
  expect(replyBytes.buckets.some(([largest]) => largest >= 3000)).toBe(true);
  const depth = await histogramOf(rig.proxy, "client", "pipeline_depth");
  expect(depth.buckets.some(([largest]) => largest === 1)).toBe(true);
  expect(depth.buckets.some(([largest]) => largest > 1)).toBe(true);
  expect((await histogramOf(rig.proxy, "loop", "turn_us")).count).toBeGreaterThan(0);
});

test("over kill -9, reload, upgrade and the way back each request is counted once", async () => {
  const rig = await start();
  const { proxy } = rig;
  let asked = 0;
  const round = async (): Promise<void> => {
    const client = await clientOf(rig);
    for (let n = 0; n < 20; n++) await client.ask("SET", `k${n}`, "v");
    client.close();
    asked += 20;
    await expectCounted(rig, asked);
  };
  await round();
  const victims = proxy.workerPids();
  for (const pid of victims) process.kill(pid, "SIGKILL");
  await until(
    "all workers are replaced",
    () => proxy.workerPids().filter((pid) => !victims.includes(pid)).length === victims.length,
  );
  await round();
  await mustRun(proxy, "reload");
  await round();
  await mustRun(proxy, "upgrade", variant(rig.directory, "other"));
  await round();
  await mustRun(proxy, "upgrade");
  await round();
});

/** What is counted is there when the reply is, or in a moment. */
async function expectCounted({ proxy }: Rig, asked: number): Promise<void> {
  const counts = async (): Promise<number[]> => [
    (await histogramOf(proxy, "times", "total_us", { family: "write" })).count,
    (await histogramOf(proxy, "server_times", "server_us")).count,
    (await histogramOf(proxy, "server_times", "queue_us")).count,
  ];
  await eventually(async () => (await counts()).every((count) => count >= asked));
  expect(await counts()).toEqual([asked, asked, asked]);
}
