/** redis_exporter shows a pool of several servers as it shows one: with every series, and the sums of all. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type FourShards, startFourShards } from "../support/four-shards.ts";
import { freePort } from "../support/free-port.ts";
import type { RedisCommand } from "../support/redis-exchange.ts";
import { makeDirectory, type ServerProcess, startServer } from "../support/server-process.ts";

setDefaultTimeout(60_000);

let rig: FourShards;
let exporter: ServerProcess;
let port = 0;

beforeAll(async () => {
  rig = await startFourShards();
  port = freePort();
  exporter = await startServer(
    [
      ...["prometheus-redis-exporter", `-web.listen-address=127.0.0.1:${port}`, "-redis.addr="],
      ...["-export-client-list", "-include-system-metrics", "-include-config-metrics"],
      "-redis-only-metrics",
    ],
    makeDirectory("redis-exporter"),
    [{ host: "127.0.0.1", port }],
  );
});

afterAll(async () => {
  await exporter.stop();
  await rig.stop();
});

type Series = ReadonlyMap<string, number>;

async function scrape(target: { readonly host: string; readonly port: number }): Promise<Series> {
  const url = `http://127.0.0.1:${port}/scrape?target=redis://${target.host}:${target.port}`;
  const lines = (await (await fetch(url)).text()).split("\n");
  return new Map(
    lines
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line): [string, number] => {
        const end = line.lastIndexOf(" ");
        return [line.substring(0, end), Number(line.substring(end + 1))];
      }),
  );
}

/** About one process: there is one of the pool, too, with other labels. */
const SINGLE =
  /^redis_(process_id$|instance_info|connected_clients_details|config_key_value\{key="(dir|port|unixsocket)")/;
/** Of the exporter itself. */
const OWN = /^redis_exporter_|^redis_up$/;
/** What says how a server is set up, or that all is well, is the same of all. */
const SAME =
  /^redis_(config_|aof_last_|rdb_last_bgsave_status|replication_backlog_bytes|second_repl_offset|total_system_memory|aof_current_rewrite_duration|rdb_(last|current)_bgsave_duration|rdb_last_save_timestamp)/;
/** The worst of the servers, or the last: it is between the least and the most of them. */
const BETWEEN =
  /^redis_(uptime_in_seconds|start_time_seconds|allocator_(frag|rss)_ratio|mem_fragmentation_ratio|latency_percentiles_usec\{|client_recent_max|db_avg_ttl_seconds|slowlog_last_id|last_slow_execution)/;

/** How long the commands take that the exporter asks: each scrape may be the slowest so far. */
const ASKED = /^redis_latency_percentiles_usec\{cmd="(?!(set|get|lpush|expire)")/;

/** What a pool of these servers is to show, at least and at most. */
function bounds(
  name: string,
  before: readonly Series[],
  after: readonly Series[],
): [number, number] {
  const values = (all: readonly Series[]): number[] => all.map((series) => series.get(name) ?? 0);
  const sum = (all: readonly Series[]): number => values(all).reduce((a, b) => a + b);
  const all = [...values(before), ...values(after)];
  if (SAME.test(name) || BETWEEN.test(name)) return [Math.min(...all), Math.max(...all)];
  // The exporter itself is connected to each of them, and to none of those of the pool.
  const own = name === "redis_connected_clients" ? before.length : 0;
  const sums = [sum(before) - own, sum(after)];
  return [Math.min(...sums), Math.max(...sums)];
}

test("a pool of four servers has all series, with the right sums", async () => {
  const commands = Array.from({ length: 200 }, (_, i): RedisCommand[] => [
    ["SET", `k${i}`, "v"],
    ["GET", `k${i}`],
    ["GET", `none${i}`],
    ["LPUSH", `l${i}`, "v"],
    ["EXPIRE", `l${i}`, "1000"],
    ["GET", `l${i}`],
  ]);
  await rig.overMany(...commands.flat());
  // Commands that the exporter asks are counted as well: all of them have been asked once.
  for (const server of [...rig.shards, ...rig.shards]) await scrape(server);
  const straight = async (): Promise<Series[]> => await Promise.all(rig.shards.map(scrape));
  const before = await straight();
  const pool = await scrape(rig.many as { readonly host: string; readonly port: number });
  const after = await straight();
  const names = new Set(before.flatMap((series) => [...series.keys()]));
  const missing = [...names].filter((name) => !pool.has(name) && !SINGLE.test(name));
  expect(missing).toEqual([]);
  expect(names.size).toBeGreaterThan(300);
  const wrong: string[] = [];
  for (const [name, value] of pool) {
    if (SINGLE.test(name) || OWN.test(name) || ASKED.test(name) || !names.has(name)) continue;
    const [least, most] = bounds(name, before, after);
    // What is in use goes up and down meanwhile.
    const slack = /_bytes|_mem_/.test(name) ? 0.3 * Math.abs(most) : 1e-6;
    if (value < least - slack || value > most + slack) {
      wrong.push(`${name}: ${value}, not ${least} to ${most}`);
    }
  }
  expect(wrong).toEqual([]);
  expect([...pool.keys()].some((name) => name.startsWith("redis_instance_info{"))).toBe(true);
  expect(pool.get('redis_db_keys{db="db0"}')).toBe(400);
  expect(pool.get('redis_db_keys_expiring{db="db0"}')).toBe(200);
  expect(pool.get('redis_commands_total{cmd="set"}')).toBe(200);
  expect(pool.get("redis_up")).toBe(1);
});
