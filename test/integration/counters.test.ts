/** What is counted besides requests: errors of servers, parts, requests that were sent again, clients that moved. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import type { PoolFigures, SetFigures } from "../../src/api/stats.ts";
import {
  type OperatorRig,
  reloadWith,
  respClient,
  startOperatorRig,
  textClient,
} from "../support/operator-rig.ts";
import { mustRun } from "../support/run-command.ts";
import { stopAll } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

interface Figures {
  readonly pools: readonly PoolFigures[];
  readonly metrics: readonly SetFigures[];
}

async function figuresOf({ proxy }: OperatorRig): Promise<Figures> {
  return (await mustRun<{ status: Figures }>(proxy, "status")).status;
}

test("errors of servers are counted by kind, also over HTTP", async () => {
  const rig = await startOperatorRig(1);
  const client = await respClient(rig.main);
  const cache = await textClient(rig.cache);
  await client.ask("SET", "text", "x");
  for (let i = 0; i < 3; i++) expect(await client.ask("LPUSH", "text", "x")).toStartWith("-WRONG");
  expect(await client.ask("SET", "text", "x", "NOSUCH")).toStartWith("-ERR");
  await cache.ask("set n 0 0 1\r\nx\r\n");
  expect(await cache.ask("incr n 1\r\n")).toStartWith("CLIENT_ERROR");
  const { pools, metrics } = await figuresOf(rig);
  const valuesOf = (set: string): unknown => metrics.find((one) => one.set === set)?.values;
  expect(valuesOf("redis_errors")).toMatchObject({ WRONGTYPE: 3, ERR: 1, OOM: 0, other: 0 });
  expect(valuesOf("memcache_errors")).toMatchObject({ CLIENT_ERROR: 1, SERVER_ERROR: 0 });
  const main = pools.find(({ name }) => name === "main");
  expect(main!.servers[0]!.counters.error_replies).toBe(4);
  const text = await (await fetch(`${rig.admin}/metrics`)).text();
  expect(text).toContain(
    'proxy_server_error_replies_by_kind_total{pool="main",server="main-1",error="WRONGTYPE"} 3',
  );
  expect(text).toContain('proxy_server_error_replies_total{pool="main",server="main-1"} 4');
  expect(text).not.toContain("proxy_redis_errors");
});

test("clients that move are counted where they leave and where they come", async () => {
  const rig = await startOperatorRig(1);
  const client = await respClient(rig.main);
  await client.ask("SET", "k", "v");
  await reloadWith(rig, 2);
  expect(await client.ask("GET", "k")).toContain("v");
  const { pools } = await figuresOf(rig);
  const { counters } = pools.find(({ name }) => name === "main")!;
  expect([counters.moves_given, counters.moves_received]).toEqual([1, 1]);
});
