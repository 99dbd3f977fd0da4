/** What each proxy's configuration file says: the same servers, one thread, and otherwise its defaults. */
import type { BenchProtocol } from "./workloads.ts";

export type ConfigWriter = (
  port: number,
  servers: readonly number[],
  protocol: BenchProtocol,
) => string;

export function nutcrackerConfig(
  port: number,
  servers: readonly number[],
  protocol: BenchProtocol,
): string {
  // Named servers, so that the ring is the same in every run whatever the ports are.
  const lines = servers.map((server, index) => `    - 127.0.0.1:${server}:1 server${index + 1}`);
  return `bench:
  listen: 127.0.0.1:${port}
  hash: fnv1a_64
  distribution: ketama
  redis: ${protocol === "redis"}
  servers:
${lines.join("\n")}
`;
}

/** Each server is a group of its own, with no replica. */
export function predixyConfig(port: number, servers: readonly number[]): string {
  const groups = servers.map((server, index) => {
    return `  Group server${index + 1} {\n    + 127.0.0.1:${server}\n  }`;
  });
  return `Bind 127.0.0.1:${port}
WorkerThreads 1
LogInfoSample 0
LogNoticeSample 0
Authority {
  Auth {
    Mode write
  }
}
StandaloneServerPool {
  Databases 1
  Hash crc16
  Distribution modula
  RefreshMethod fixed
${groups.join("\n")}
}
`;
}

export function haproxyConfig(port: number, servers: readonly number[]): string {
  const lines = servers.map((server, index) => `  server server${index + 1} 127.0.0.1:${server}`);
  return `global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen bench
  bind 127.0.0.1:${port}
  balance roundrobin
${lines.join("\n")}
`;
}
