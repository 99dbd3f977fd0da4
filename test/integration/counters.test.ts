/** What was counted stays, whatever happens to the processes that counted it. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import type { Status } from "../../src/api/control-socket.ts";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun, statusOf } from "../support/run-command.ts";
import { start, stopAll, variant } from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(stopAll);

const GAUGES = new Set([
  ...["client_connections", "shared_subscriptions", "server_connections"],
  ...["in_queue", "in_queue_bytes", "out_queue", "out_queue_bytes"],
  ...["in_trouble", "ejected", "trouble_since", "trouble_kind"],
]);

/** All counters, by pool or set, server and name. */
function countersOf({ pools = [], metrics = [] }: Status): Map<string, number> {
  const sources = [
    ...pools.map(({ name, counters }) => [name, counters] as const),
    ...pools.flatMap(({ name, servers }) =>
      servers.map((server) => [`${name}/${server.name}`, server.counters] as const),
    ),
    ...metrics.map(
      ({ set, labels, values }) => [`${set} ${JSON.stringify(labels)}`, values] as const,
    ),
  ];
  const all = new Map<string, number>();
  for (const [where, counters] of sources) {
    for (const [name, value] of Object.entries(counters)) {
      if (typeof value === "number" && !GAUGES.has(name)) all.set(`${where} ${name}`, value);
    }
  }
  return all;
}

test("over respawn, reload, upgrade and the way back no counter falls, and none is forgotten", async () => {
  const rig = await start();
  const { proxy, port } = rig;
  const endpoint = { host: "127.0.0.1", port };
  const [pool = ""] = (await statusOf(proxy)).pools?.map(({ name }) => name) ?? [];
  const foreign = `redis {"pool":${JSON.stringify(pool)}} foreign_clients`;
  let last = new Map<string, number>();
  let rounds = 0;
  /** Each round counts ten requests and a client that speaks another protocol. */
  const round = async (): Promise<void> => {
    rounds += 1;
    const client = await RespClient.connect(endpoint);
    for (let n = 0; n < 10; n++) expect(`${await client.ask("SET", `k${n}`, "v")}`).toBe("+OK\r\n");
    client.close();
    const stranger = await RespClient.connect(endpoint);
    stranger.send("get foo\r\nversion\r\n");
    await until("it is disconnected", () => stranger.isClosed);
    // Until all is counted.
    let now: Map<string, number>;
    do now = countersOf(await statusOf(proxy));
    while (
      now.get(foreign) !== rounds ||
      now.get(`${pool} client_connections_total`) !== 2 * rounds
    );
    for (const [name, value] of last) {
      expect([name, (now.get(name) ?? -1) >= value]).toEqual([name, true]);
    }
    expect(now.get(`${pool} requests`)).toBeGreaterThanOrEqual(10 * rounds);
    last = now;
  };
  await round();
  const victims = proxy.workerPids();
  for (const pid of victims) process.kill(pid, "SIGKILL");
  await until(
    "all workers are replaced",
    () => proxy.workerPids().filter((pid) => !victims.includes(pid)).length === victims.length,
  );
  await round();
  writeFileSync(
    proxy.configFile,
    `${readFileSync(proxy.configFile, "utf8")}
added:
  listen: 127.0.0.1:${freePort()}
  servers: ["127.0.0.1:${freePort()}:1"]
`,
  );
  await mustRun(proxy, "reload");
  await round();
  await mustRun(proxy, "upgrade", variant(rig.directory, "other"));
  await round();
  await mustRun(proxy, "upgrade");
  await round();
});
