import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Config, PoolConfig } from "../../../src/api/config.ts";
import { MINIMAL_CONFIG } from "../../../src/config/find-config.ts";
import { loadConfig, NOT_DISCOVERED } from "../../support/load-config.ts";
import { NO_LIMITS, NO_PATIENCE } from "./no-limits.ts";

function load(text: string): Config {
  const { config, problems } = loadConfig(text, "proxy.yaml");
  expect(problems).toEqual([]);
  return config!;
}

function loadPool(text: string): PoolConfig {
  return load(text).pools[0]!;
}

test("a twemproxy file gets nutcracker's defaults", () => {
  const config = load("alpha:\n  listen: 127.0.0.1:22121\n  servers:\n   - 127.0.0.1:6379:1\n");
  expect(config).toEqual({
    file: resolve("proxy.yaml"),
    form: "twemproxy",
    workers: "auto",
    accept: "reuseport",
    engine: "auto",
    affinity: "off",
    openFiles: null,
    clientMemoryBytes: "auto",
    user: null,
    group: null,
    log: { level: "info", file: null, format: "text", slowFile: null },
    pidFile: null,
    stats: { listen: { kind: "tcp", host: "0.0.0.0", port: 22222 }, intervalMs: 0 },
    admin: { listen: null, tokenFile: null, leversTokenFile: null },
    drainTimeoutMs: 30_000,
    control: null,
    rebalance: true,
    ...{ modules: [], zones: {}, zone: "auto", etcd: null },
    pools: [
      {
        name: "alpha",
        protocol: "memcache",
        listen: { kind: "tcp", host: "127.0.0.1", port: 22121 },
        hash: "fnv1a_64",
        hashSignedChar: true,
        hashTag: null,
        distribution: "ketama",
        timeoutMs: null,
        connectTimeoutMs: 5000,
        ...{ backlog: 512, clientConnectionsMax: 0, discovery: NOT_DISCOVERED },
        ...{ slowlogMs: 10, slowlogSlowest: 0, slowlogKeys: true, proxyCommands: false },
        ...{ hotKeys: true, hotKeysSamples: 100, bigKeysBytes: 65_536, bigKeysElements: 5000 },
        ...{ proxyProtocol: false, proxyProtocolFrom: null, limits: NO_LIMITS },
        filters: [],
        options: {
          dead_server: { value: "error", text: "error", isSet: false },
          migrate_rate: { value: 20_000, text: "20000", isSet: false },
          migrate_latency: { value: 20, text: "20ms", isSet: false },
        },
        ...{ workers: null, preconnect: false, migrate: false, route: null },
        ...{ tcpKeepalive: false, tcpNodelay: true, tcpQuickack: false },
        tcpDeferAcceptMs: null,
        autoEjectHosts: false,
        serverConnections: 1,
        serverRetryTimeoutMs: 30_000,
        serverFailureLimit: 2,
        maxEjectionPercent: 50,
        ...{ onDown: "fail", spares: [], healthCheckMs: null, healthCheckTimeoutMs: 1000 },
        ...{ healthCheckFall: 3, healthCheckRise: 2, ...NO_PATIENCE },
        servers: [
          {
            name: "127.0.0.1:6379",
            address: { kind: "tcp", host: "127.0.0.1", port: 6379 },
            weight: 1,
          },
        ],
      },
    ],
  });
});

test("the minimal native file gets the native defaults", () => {
  const config = load(MINIMAL_CONFIG);
  expect(config).toMatchObject({
    form: "native",
    workers: "auto",
    accept: "reuseport",
    engine: "auto",
    stats: { listen: null },
  });
  expect(config.pools[0]).toMatchObject({
    name: "main",
    protocol: "redis",
    timeoutMs: 5000,
    connectTimeoutMs: 1000,
  });
});

test("every native option arrives", () => {
  const config = load(`
workers: 3
accept: mutex
engine: uring
affinity: [3, 0-1]
rlimit_nofile: 100000
client_memory: 1.5gb
user: cache
group: "0"
log: { level: debug, file: /var/log/proxy.log, format: json, slow_file: /var/log/slow.log }
pid_file: /run/proxy.pid
stats: { listen: 127.0.0.1:9, interval: 500ms }
admin: { listen: 10.0.0.1:9400, token_file: token, levers_token_file: keys/levers }
drain_timeout: 1.5s
pools:
  p:
    listen: /run/p.sock 0640
    protocol: redis
    hash: crc16_slot
    hash_char: unsigned
    hash_tag: "$$"
    distribution: random
    timeout: 2s
    connect_timeout: 250
    backlog: 7
    client_connections: 8
    redis_auth: "pass word"
    redis_db: 9
    preconnect: true
    tcpkeepalive: true
    tcp_nodelay: false
    tcp_quickack: true
    tcp_defer_accept: 3s
    auto_eject_hosts: true
    server_connections: 4
    server_retry_timeout: 1m
    server_failure_limit: 0
    max_ejection_percent: 25
    health_check: 2s
    health_check_timeout: 700ms
    on_down: rehash
    slowlog: 5ms
    proxy_commands: true
    client_requests_per_second: 1
    address_requests_per_second: 2
    pool_requests_per_second: 3
    client_bytes_per_second: 1kb
    address_bytes_per_second: 2kb
    pool_bytes_per_second: 1mb
    address_connections: 7
    address_connections_per_second: 8
    pool_connections_per_second: 9
    throttle: close
    throttle_mode: window
    throttle_burst: 1500ms
    proxy_protocol_from: [10.0.0.5, "2001:db8::/32"]
    slowlog_slowest: 3
    slowlog_keys: false
    hot_keys: false
    hot_keys_samples: 7
    big_keys: none
    big_keys_elements: 9
    servers:
      - { address: "[::1]:6379", weight: 5, name: five }
`);
  const { servers, ...pool } = config.pools[0]!;
  const { pools: _, ...rest } = config;
  expect(rest).toEqual({
    file: resolve("proxy.yaml"),
    form: "native",
    workers: 3,
    accept: "mutex",
    engine: "uring",
    affinity: [3, 0, 1],
    openFiles: 100_000,
    clientMemoryBytes: 1_610_612_736,
    user: "cache",
    group: "0",
    log: {
      ...{ level: "debug", file: "/var/log/proxy.log", format: "json" },
      slowFile: "/var/log/slow.log",
    },
    pidFile: "/run/proxy.pid",
    stats: { listen: { kind: "tcp", host: "127.0.0.1", port: 9 }, intervalMs: 500 },
    admin: {
      listen: { kind: "tcp", host: "10.0.0.1", port: 9400 },
      tokenFile: resolve("token"),
      leversTokenFile: resolve("keys/levers"),
    },
    drainTimeoutMs: 1500,
    control: null,
    rebalance: true,
    ...{ modules: [], zones: {}, zone: "auto", etcd: null },
  });
  expect(pool).toEqual({
    name: "p",
    listen: { kind: "unix", path: "/run/p.sock", mode: 0o640 },
    protocol: "redis",
    hash: "crc16_slot",
    hashSignedChar: false,
    hashTag: "$$",
    distribution: "random",
    timeoutMs: 2000,
    connectTimeoutMs: 250,
    ...{ backlog: 7, clientConnectionsMax: 8, discovery: NOT_DISCOVERED },
    ...{ slowlogMs: 5, slowlogSlowest: 3, slowlogKeys: false, proxyCommands: true },
    ...{ hotKeys: false, hotKeysSamples: 7, bigKeysBytes: null, bigKeysElements: 9 },
    workers: null,
    ...{ proxyProtocol: true, proxyProtocolFrom: ["10.0.0.5", "2001:db8::/32"] },
    limits: {
      ...NO_LIMITS,
      ...{ clientRequests: 1, addressRequests: 2, poolRequests: 3, clientBytes: 1024 },
      ...{ addressBytes: 2048, poolBytes: 1_048_576, addressConnections: 7, addressConnects: 8 },
      ...{ poolConnects: 9, action: "close", mode: "window", burstMs: 1500 },
    },
    filters: [],
    options: {
      redis_auth: { value: "pass word", text: null, isSet: true },
      redis_db: { value: 9, text: "9", isSet: true },
      allow_commands: { value: null, text: "none", isSet: false },
      deny_commands: { value: null, text: "none", isSet: false },
      mget_errors: { value: "whole", text: "whole", isSet: false },
      transactions: { value: "one_server", text: "one_server", isSet: false },
      redis_cluster: { value: null, text: "none", isSet: false },
      sentinels: { value: null, text: "none", isSet: false },
      masters: { value: null, text: "none", isSet: false },
      sentinel_user: { value: null, text: "none", isSet: false },
      sentinel_password: { value: null, text: null, isSet: false },
      failover_park: { value: 10_000, text: "10s", isSet: false },
      failover_park_requests: { value: 10_000, text: "10000", isSet: false },
      failover_park_bytes: { value: 67_108_864, text: "67108864", isSet: false },
      failover_park_rate: { value: 20_000, text: "20000", isSet: false },
      failover_park_dry_run: { value: false, text: "false", isSet: false },
      announce: { value: null, text: "none", isSet: false },
      migrate_rate: { value: 20_000, text: "20000", isSet: false },
      migrate_latency: { value: 20, text: "20ms", isSet: false },
      read_from: { value: "primary", text: "primary", isSet: false },
      near: { value: null, text: "none", isSet: false },
      max_lag: { value: 10_000, text: "10s", isSet: false },
      read_own_writes: { value: null, text: "none", isSet: false },
    },
    preconnect: true,
    ...{ migrate: false, route: null },
    tcpKeepalive: true,
    tcpNodelay: false,
    tcpQuickack: true,
    tcpDeferAcceptMs: 3000,
    autoEjectHosts: true,
    serverConnections: 4,
    serverRetryTimeoutMs: 60_000,
    serverFailureLimit: 1,
    maxEjectionPercent: 25,
    ...{ onDown: "rehash", spares: [], healthCheckMs: 2000, healthCheckTimeoutMs: 700 },
    ...{ healthCheckFall: 3, healthCheckRise: 2, ...NO_PATIENCE },
  });
  expect(servers).toEqual([
    { name: "five", address: { kind: "tcp", host: "::1", port: 6379 }, weight: 5 },
  ]);
});

test("the configuration is plain JSON data", () => {
  const config = load(MINIMAL_CONFIG);
  expect(JSON.parse(JSON.stringify(config))).toEqual(config);
});

// Names and their order were read from nutcracker 0.5.0's statistics for this very list.
test("servers get nutcracker's names and order", () => {
  const pool = loadPool(`
a:
  listen: /tmp/l.sock
  servers:
   - /tmp/ncq/y:1
   - /tmp/ncq/z:2 zz
   - localhost:11211:1
   - ::1:6379:1
   - "[::1]:06380:1"
   - localhost:06381:1
`);
  expect(pool.servers.map((server) => server.name)).toEqual([
    "zz",
    "::1:6379",
    "localhost",
    "/tmp/ncq/y:",
    "[::1]:06380",
    "localhost:06381",
  ]);
  expect(pool.servers.map((server) => server.weight)).toEqual([2, 1, 1, 1, 1, 1]);
  expect(pool.servers[4]!.address).toEqual({ kind: "tcp", host: "::1", port: 6380 });
});

test("a server as a map is named like one as text", () => {
  const text = loadPool("pools: {a: {listen: a:1, servers: ['h:11211:1', '/s:1', 'h:1:1']}}");
  const map = loadPool(
    "pools: {a: {listen: a:1, servers: [{address: 'h:11211'}, {address: /s}, {address: 'h:1'}]}}",
  );
  expect(map.servers).toEqual(text.servers);
});

test("quotes never matter, anchors work, and a byte is as good as its escape", () => {
  const pool = loadPool(
    'pools:\n  a: &a\n    "listen": \'*:1\'\n    timeout: "400"\n    preconnect: "true"\n    hash_tag: "\\x7b}"\n    servers: [h:1:1]\n',
  );
  expect(pool).toMatchObject({
    listen: { host: "0.0.0.0", port: 1 },
    timeoutMs: 400,
    preconnect: true,
    ...{ migrate: false, route: null },
    hashTag: "{}",
  });
  const pools = load(
    "pools:\n  a: { listen: h:1, servers: &s [h:2:1] }\n  b: { listen: h:3, servers: *s }\n",
  ).pools;
  expect(pools[1]!.servers).toEqual(pools[0]!.servers);
});

test("reuseport of any twemproxy pool decides for all", () => {
  const file = (value: string): string =>
    `a:\n  listen: a:1\n  reuseport: ${value}\n  servers:\n  - b:1:1\n`;
  expect(load(file("true")).accept).toBe("reuseport");
  expect(load(file("false")).accept).toBe("shared");
});

test("a twemproxy pool may be called like a native option", () => {
  for (const name of ["pools", "stats", "admin", "log"]) {
    const config = load(`${name}:\n  listen: a:1\n  servers:\n  - b:1:1\n`);
    expect([config.form, config.pools[0]!.name]).toEqual(["twemproxy", name]);
  }
});

test("the examples are right", () => {
  for (const [name, form] of [
    ["proxy.yaml", "native"],
    ["nutcracker.yml", "twemproxy"],
  ]) {
    const path = new URL(`../../../contrib/${name}`, import.meta.url);
    expect(load(readFileSync(path, "utf8")).form).toBe(form as Config["form"]);
  }
});

describe("what pools share", () => {
  const poolsOf = (text: string) => {
    const { config, problems } = loadConfig(text, "F");
    expect(problems).toEqual([]);
    return config?.pools.map((pool) => [pool.name, pool.protocol, pool.timeoutMs, pool.listen]);
  };
  const at = (port: number) => ({ kind: "tcp" as const, host: "h", port });

  test("a pool takes what another pool has, but for what it says itself", () => {
    const text =
      "d: &d\n  listen: h:1\n  redis: true\n  timeout: 400\n  servers: [h:9:1]\ne: {<<: *d, listen: h:2, timeout: 5}\n";
    expect(poolsOf(text)).toEqual([
      ["d", "redis", 400, at(1)],
      ["e", "redis", 5, at(2)],
    ]);
  });

  test("what only holds options for others is no pool, in both forms", () => {
    const shared = "defaults: &d\n  timeout: 400\n  servers: [h:9:1]\n";
    expect(poolsOf(`${shared}e: {<<: *d, listen: h:1}\n`)).toEqual([["e", "memcache", 400, at(1)]]);
    expect(poolsOf(`${shared}pools:\n  e: {<<: *d, listen: h:1}\n`)).toEqual([
      ["e", "redis", 400, at(1)],
    ]);
    const within =
      "pools:\n  base: &b {timeout: 3, servers: [h:9:1]}\n  e: {<<: *b, listen: h:1}\n";
    expect(poolsOf(within)).toEqual([["e", "redis", 3, at(1)]]);
  });

  test("lists of maps, the first of which wins, maps of maps, and parts of an x- entry", () => {
    const shared =
      "x-options:\n  - &a {timeout: 1, redis: true}\n  - &b {<<: *a, timeout: 2, servers: [h:9:1]}\n";
    expect(poolsOf(`${shared}e: {<<: [*a, *b], listen: h:1}\nf: {<<: *b, listen: h:2}\n`)).toEqual([
      ["e", "redis", 1, at(1)],
      ["f", "redis", 2, at(2)],
    ]);
  });

  test("an anchor may be given again, and stands for what came last", () => {
    const text =
      "x-a: &a {timeout: 1, servers: [h:9:1]}\ne: {<<: *a, listen: h:1}\nx-b: &a {timeout: 2, servers: [h:9:1]}\nf: {<<: *a, listen: h:2}\n";
    expect(poolsOf(text)).toEqual([
      ["e", "memcache", 1, at(1)],
      ["f", "memcache", 2, at(2)],
    ]);
  });

  test("a chain of merges is no nesting", () => {
    const chain = Array.from({ length: 200 }, (_, i) => {
      return `x-${i}: &a${i} {<<: *a${i - 1}}\n`;
    }).slice(1);
    const text = `x-0: &a0 {timeout: 7, servers: [h:9:1]}\n${chain.join("")}e: {<<: *a199, listen: h:1}\n`;
    expect(poolsOf(text)).toEqual([["e", "memcache", 7, at(1)]]);
  });

  test("a pool of twemproxy's may have a name that begins with x-", () => {
    expect(poolsOf("x-a: {listen: h:1, servers: [h:9:1]}\n")).toEqual([
      ["x-a", "memcache", null, at(1)],
    ]);
  });
});
