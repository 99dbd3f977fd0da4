/**
 * Every option that can be set while the proxy runs takes effect then. Which there are the table of options says: one that is new, and is not shown to
 * have its effect, fails here.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { PoolHost } from "../../src/api/protocol-module.ts";
import { loadConfig } from "../../src/config/load.ts";
import { readRedisOptions } from "../../src/protocols/redis/options.ts";
import { Outages } from "../../src/protocols/redis/redirect/outages.ts";
import { type Parking, parkingOf } from "../../src/protocols/redis/redirect/parking.ts";
import { PROTOCOLS } from "../../src/protocols/registry.ts";
import { startFakeServer } from "../support/fake-server.ts";
import { freePort } from "../support/free-port.ts";
import { startFullServer } from "../support/full-server.ts";
import { askAll, deadServer, eventually, liveRig, serverAt } from "../support/live-rig.ts";
import { OPTIONS } from "../support/load-config.ts";
import { TextClient } from "../support/text-client.ts";

setDefaultTimeout(60_000);

const rig = liveRig();

/** Shown where what is needed for it is there anyhow: the file, and the name of the test. */
interface Elsewhere {
  readonly file: string;
  readonly test: string;
}

type Probe = () => Promise<void>;

const READ = "integration/live-options-read.test.ts";
const SETTINGS = "integration/settings.test.ts";
const SLOW = "unit/client/slow-requests.test.ts";
const KEYS = "unit/client/pool-keys.test.ts";

const SWEEP = "unit/protocols/redis/migrate/sweep-server.test.ts";
const READERS = "unit/protocols/redis/replicas/readers.test.ts";

/** Another value of the option has what waits for a lost server judged otherwise. */
function parked(option: string, value: string, judge: (outages: Outages) => unknown): Probe {
  return async () => {
    const text = 'pools:\n  pool: { listen: "h:1", protocol: redis, servers: ["h:2:1"] }\n';
    const parking = (...overrides: Parameters<typeof loadConfig>[4][]): Parking => {
      const { config } = loadConfig(text, "f.yaml", PROTOCOLS, undefined, overrides[0]);
      return parkingOf(readRedisOptions(config!.pools[0]!.options));
    };
    const now = parking();
    const outages = new Outages({} as PoolHost, now);
    const before = judge(outages);
    // As RedisProtocolPool does when values have changed.
    Object.assign(now, parking([{ keys: ["pools", "pool", option], text: value }]));
    expect(judge(outages)).not.toEqual(before);
  };
}

/** More than a limit of one in a second lets pass: some are refused, and none when there is no limit. */
function limited(option: string, value = "1", off = "0"): Probe {
  return async () => {
    const pool = await rig.start(["throttle: error", "throttle_burst: 1ms"]);
    const refused = async (): Promise<number> => {
      const client = await rig.connect(pool);
      client.command(
        ...Array.from({ length: 20 }, (_, i): [string, string, string] => [
          "SET",
          `key:${i}`,
          "v".repeat(600),
        ]),
      );
      return (await client.replies(20)).filter((reply) => `${reply}`.startsWith("-")).length;
    };
    expect(await refused()).toBe(0);
    pool.set(option, value);
    expect(await refused()).toBeGreaterThan(0);
    pool.set(option, off);
    expect(await refused()).toBe(0);
  };
}

/** Likewise of clients that come. */
function limitedClients(option: string): Probe {
  return async () => {
    const pool = await rig.start([]);
    const refused = async (): Promise<number> => {
      const clients = await Promise.all(Array.from({ length: 5 }, () => rig.connect(pool)));
      const replies = await Promise.all(
        clients.map((client) => client.ask("PING").catch(() => "-")),
      );
      return replies.filter((reply) => reply.startsWith("-")).length;
    };
    expect(await refused()).toBe(0);
    pool.set(option, "1");
    expect(await refused()).toBeGreaterThan(0);
    pool.set(option, "0");
    expect(await refused()).toBe(0);
  };
}

/** Its servers are asked whether they serve, and nothing else ejects one. */
const PROBED = ["auto_eject_hosts: true", "server_failure_limit: 100000", "health_check: 50ms"];

const EFFECTS: Readonly<Record<string, Probe | Elsewhere>> = {
  client_memory: {
    file: "integration/client-memory.test.ts",
    test: "the limit is live: without it clients may have more than it let them",
  },
  level: { file: SETTINGS, test: "the log level and the other values of the process" },
  drain_timeout: { file: SETTINGS, test: "the log level and the other values of the process" },
  rebalance: { file: SETTINGS, test: "clients are moved, or stay, as rebalance says just now" },
  client_connections: {
    file: SETTINGS,
    test: "commands are denied and allowed again, and clients limited, while all stay connected",
  },
  deny_commands: {
    file: SETTINGS,
    test: "commands are denied and allowed again, and clients limited, while all stay connected",
  },
  timeout: {
    file: SETTINGS,
    test: "a time-out is set in all workers, for requests that wait already, too; and taken back",
  },
  proxy_commands: {
    file: "integration/proxy-slowlog.test.ts",
    test: "without proxy_commands, and in a transaction, SLOWLOG is the servers'",
  },
  slowlog: {
    file: SLOW,
    test: "what is over the threshold is told at once, but for what blocks; settings change that",
  },
  slowlog_keys: {
    file: SLOW,
    test: "what is over the threshold is told at once, but for what blocks; settings change that",
  },
  slowlog_slowest: { file: SLOW, test: "how many of the slowest are told is what is set then" },
  hot_keys: { file: KEYS, test: "switched off nothing is read; hidden keys are forgotten" },
  big_keys: { file: KEYS, test: "switched off nothing is read; hidden keys are forgotten" },
  hot_keys_samples: {
    file: KEYS,
    test: "how much is looked at, and what is long, is what is set then",
  },
  big_keys_elements: {
    file: KEYS,
    test: "how much is looked at, and what is long, is what is set then",
  },
  client_requests_per_second: limited("client_requests_per_second"),
  address_requests_per_second: limited("address_requests_per_second"),
  user_requests_per_second: limited("user_requests_per_second"),
  pool_requests_per_second: limited("pool_requests_per_second"),
  client_bytes_per_second: limited("client_bytes_per_second", "1kb", "none"),
  address_bytes_per_second: limited("address_bytes_per_second", "1kb", "none"),
  user_bytes_per_second: limited("user_bytes_per_second", "1kb", "none"),
  pool_bytes_per_second: limited("pool_bytes_per_second", "1kb", "none"),
  address_connections: limitedClients("address_connections"),
  address_connections_per_second: limitedClients("address_connections_per_second"),
  pool_connections_per_second: limitedClients("pool_connections_per_second"),
  async throttle_burst() {
    const pool = await rig.start([
      "throttle: error",
      "client_requests_per_second: 10",
      "throttle_burst: 100ms",
    ]);
    expect((await askAll(await rig.connect(pool))).some((reply) => reply.startsWith("-"))).toBe(
      true,
    );
    pool.set("throttle_burst", "100s");
    expect((await askAll(await rig.connect(pool))).some((reply) => reply.startsWith("-"))).toBe(
      false,
    );
  },
  async throttle_mode() {
    const pool = await rig.start([
      "throttle: error",
      "client_requests_per_second: 10",
      "throttle_burst: 100s",
    ]);
    expect((await askAll(await rig.connect(pool))).some((reply) => reply.startsWith("-"))).toBe(
      false,
    );
    pool.set("throttle_mode", "window");
    expect((await askAll(await rig.connect(pool))).some((reply) => reply.startsWith("-"))).toBe(
      true,
    );
  },
  async connect_timeout() {
    // It accepts none, and its queue is full: connections to it neither come about nor are refused.
    const full = await startFullServer();
    rig.atEnd(() => full.stop());
    const pool = await rig.start(
      ["connect_timeout: 1h", "timeout: none", "server_failure_limit: 1000"],
      [serverAt(full.port, "full")],
    );
    const client = await rig.connect(pool);
    client.command(["GET", "a"]);
    await client.sent();
    // What waits for the connection has the new time, too.
    pool.set("connect_timeout", "50ms");
    expect(`${await client.reply()}`).toStartWith("-ERR Connection");
  },
  async server_failure_limit() {
    const pool = await rig.start(
      ["auto_eject_hosts: true", "server_failure_limit: 100000", "server_retry_timeout: 1h"],
      [serverAt(rig.port, "one"), deadServer()],
    );
    const client = await rig.connect(pool);
    for (let round = 0; round < 5; round++) await askAll(client);
    expect(pool.shown().get("dead")?.ejected).toBe(0);
    pool.set("server_failure_limit", "1");
    await eventually("it is ejected", async () => {
      await askAll(client);
      return pool.shown().get("dead")?.ejected === 1;
    });
  },
  async server_retry_timeout() {
    const port = freePort();
    const pool = await rig.start(
      ["auto_eject_hosts: true", "server_failure_limit: 1", "server_retry_timeout: 10ms"],
      [serverAt(rig.port, "one"), serverAt(port, "late")],
    );
    pool.set("server_retry_timeout", "1h");
    const client = await rig.connect(pool);
    await eventually("it is ejected", async () => {
      await askAll(client);
      return pool.shown().get("late")?.ejected === 1;
    });
    await rig.redis({ port });
    // With 10 ms it would be tried again many times by then.
    await Bun.sleep(300);
    expect(pool.shown().get("late")?.ejected).toBe(1);
  },
  async max_ejection_percent() {
    const pool = await rig.start(
      [
        "auto_eject_hosts: true",
        "server_failure_limit: 1",
        "server_retry_timeout: 100ms",
        "max_ejection_percent: 34",
      ],
      [serverAt(rig.port, "one"), deadServer("two"), deadServer("three")],
    );
    const client = await rig.connect(pool);
    const ejected = (): number =>
      [...pool.shown().values()].filter((counters) => counters.ejected > 0).length;
    await eventually("one is ejected", async () => {
      await askAll(client);
      return ejected() === 1;
    });
    for (let round = 0; round < 5; round++) await askAll(client);
    expect(ejected()).toBe(1);
    pool.set("max_ejection_percent", "100");
    await eventually("both are ejected", async () => {
      await askAll(client);
      return ejected() === 2;
    });
  },
  async first_byte_timeout() {
    const silent = startFakeServer(() => null);
    rig.atEnd(() => silent.stop());
    const pool = await rig.start(["timeout: none"], [serverAt(silent.port, "silent")]);
    const client = await rig.connect(pool);
    client.command(["GET", "a"]);
    await silent.received(1);
    pool.set("first_byte_timeout", "50ms");
    expect(`${await client.reply()}`).toStartWith("-ERR Connection timed out");
  },
  queue_timeout: { file: READ, test: "queue_timeout counts for what waits already" },
  async server_queue() {
    const silent = startFakeServer(() => null);
    rig.atEnd(() => silent.stop());
    const pool = await rig.start(["timeout: none"], [serverAt(silent.port, "silent")]);
    const [first, second] = await Promise.all([rig.connect(pool), rig.connect(pool)]);
    first.command(["GET", "a"]);
    await silent.received(1);
    pool.set("server_queue", "1");
    expect(await second.ask("GET", "b")).toStartWith("-");
  },
  async client_idle_timeout() {
    const pool = await rig.start([]);
    const client = await rig.connect(pool);
    expect(await client.ask("PING")).toBe("+PONG\r\n");
    pool.set("client_idle_timeout", "50ms");
    await client.untilClosed();
  },
  async request_timeout() {
    const pool = await rig.start([]);
    const client = await rig.connect(pool);
    pool.set("request_timeout", "50ms");
    client.send("*2\r\n$3\r\nGET\r\n");
    await client.untilClosed();
  },
  async health_check_fall() {
    const pool = await rig.start(
      [...PROBED, "health_check_fall: 100"],
      [serverAt(rig.port, "one"), deadServer()],
    );
    await eventually("probes fail", () => (pool.shown().get("dead")?.probe_failures ?? 0) > 4);
    expect(pool.shown().get("dead")?.ejected).toBe(0);
    pool.set("health_check_fall", "1");
    await eventually("it is ejected", () => pool.shown().get("dead")?.ejected === 1);
  },
  async health_check_rise() {
    const port = freePort();
    const pool = await rig.start(
      [...PROBED, "health_check_fall: 1", "health_check_rise: 100"],
      [serverAt(rig.port, "one"), serverAt(port, "late")],
    );
    await eventually("it is ejected", () => pool.shown().get("late")?.ejected === 1);
    await rig.redis({ port });
    const answered = (): number => {
      const { probes = 0, probe_failures = 0 } = pool.shown().get("late") ?? {};
      return probes - probe_failures;
    };
    await eventually("probes are answered", () => answered() > 4);
    expect(pool.shown().get("late")?.ejected).toBe(1);
    pool.set("health_check_rise", "1");
    await eventually("it is back", () => pool.shown().get("late")?.ejected === 0);
  },
  async health_check_timeout() {
    const hung = await rig.redis();
    const pool = await rig.start(
      [...PROBED, "health_check_fall: 1", "health_check_timeout: 1h"],
      [serverAt(rig.port, "one"), serverAt(hung.port, "hung")],
    );
    await eventually("probes are made", () => (pool.shown().get("hung")?.probes ?? 0) > 2);
    pool.set("health_check_timeout", "50ms");
    const { probes = 0 } = pool.shown().get("hung") ?? {};
    // One that was underway had its time before.
    await eventually("others begin", () => (pool.shown().get("hung")?.probes ?? 0) > probes + 1);
    process.kill(hung.pid, "SIGSTOP");
    await eventually("it is ejected", () => pool.shown().get("hung")?.ejected === 1);
    process.kill(hung.pid, "SIGCONT");
  },
  async mget_errors() {
    const pool = await rig.start([], [serverAt(rig.port, "one"), deadServer()]);
    const client = await rig.connect(pool);
    const keys = Array.from({ length: 24 }, (_, i) => `key:${i}`);
    expect(await client.ask("MGET", ...keys)).toStartWith("-");
    pool.set("mget_errors", "element");
    expect(await client.ask("MGET", ...keys)).toStartWith("*24\r\n");
  },
  async allow_commands() {
    const pool = await rig.start([]);
    const client = await rig.connect(pool);
    expect(await client.ask("CONFIG", "RESETSTAT")).toStartWith(
      "-ERR 'CONFIG RESETSTAT' could harm",
    );
    pool.set("allow_commands", "[CONFIG RESETSTAT]");
    expect(await client.ask("CONFIG", "RESETSTAT")).toBe("+OK\r\n");
  },
  async dead_server() {
    const pool = await rig.start(["protocol: memcache"], [deadServer()]);
    const client = await TextClient.connect({ host: "127.0.0.1", port: pool.port });
    rig.atEnd(() => client.close());
    client.send("get a\r\n");
    expect(`${await client.until("\r\n")}`).toStartWith("SERVER_ERROR");
    pool.set("dead_server", "miss");
    client.send("get a\r\n");
    expect(`${await client.until("\r\n")}`).toBe("END\r\n");
  },
  failover_park: {
    file: "integration/failover-park.test.ts",
    test: "fail at once when as many wait as may, and without failover_park",
  },
  failover_park_requests: parked("failover_park_requests", "0", (outages) => outages.hasRoom(1)),
  failover_park_bytes: parked("failover_park_bytes", "10", (outages) => outages.hasRoom(11)),
  failover_park_rate: parked("failover_park_rate", "1000", (outages) => outages.perTick(1000)),
  failover_park_dry_run: parked("failover_park_dry_run", "true", ({ patienceMs }) => patienceMs),
  max_lag: { file: READERS, test: "max_lag and read_own_writes are what is set then" },
  migrate_rate: { file: SWEEP, test: "so many keys a second are moved as migrate_rate says then" },
  migrate_latency: {
    file: SWEEP,
    test: "a server that takes longer than migrate_latency is left alone, longer than it took",
  },
  read_own_writes: { file: READERS, test: "max_lag and read_own_writes are what is set then" },
};

describe("what is set takes effect", () => {
  test("each option has its test", () => {
    const names = OPTIONS.filter(({ isLive }) => isLive)
      .map(({ name }) => name)
      .sort();
    expect(Object.keys(EFFECTS).sort()).toEqual([...new Set(names)]);
  });

  for (const [name, effect] of Object.entries(EFFECTS)) {
    if (typeof effect === "function") test(name, effect);
    else {
      test(`${name}, in ${effect.file}`, () => {
        const text = readFileSync(join(import.meta.dir, "..", effect.file), "utf8");
        expect(text).toContain(effect.test);
      });
    }
  }
});
