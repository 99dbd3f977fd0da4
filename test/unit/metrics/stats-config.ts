/** A configuration of which only the names of pools and servers matter. */
import type { Config, PoolConfig } from "../../../src/api/config.ts";

/** Names of pools, each with the names of its servers. */
export type PoolNames = Readonly<Record<string, readonly string[]>>;

export function statsConfig(pools: PoolNames): Config {
  return {
    file: null,
    form: "twemproxy",
    workers: 1,
    accept: "shared",
    affinity: "off",
    openFiles: null,
    user: null,
    group: null,
    log: { level: "info", file: null },
    pidFile: null,
    stats: { listen: { kind: "tcp", host: "127.0.0.1", port: 22222 }, intervalMs: 0 },
    drainTimeoutMs: 1_000,
    control: null,
    rebalance: true,
    modules: [],
    pools: Object.entries(pools).map(([name, servers]) => poolConfig(name, servers)),
  };
}

function poolConfig(name: string, servers: readonly string[]): PoolConfig {
  return {
    name,
    protocol: "redis",
    listen: { kind: "tcp", host: "127.0.0.1", port: 22121 },
    hash: "fnv1a_64",
    hashSignedChar: true,
    hashTag: null,
    distribution: "ketama",
    timeoutMs: null,
    connectTimeoutMs: 1_000,
    backlog: 512,
    clientConnectionsMax: 0,
    options: {},
    filters: [],
    preconnect: false,
    tcpKeepalive: false,
    tcpNodelay: true,
    tcpQuickack: false,
    tcpDeferAcceptMs: null,
    autoEjectHosts: false,
    serverConnections: 1,
    serverRetryTimeoutMs: 30_000,
    serverFailureLimit: 2,
    maxEjectionPercent: 50,
    servers: servers.map((server, index) => ({
      name: server,
      address: { kind: "tcp", host: "127.0.0.1", port: 7_000 + index },
      weight: 1,
    })),
  };
}
