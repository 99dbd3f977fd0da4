/** A configuration of pools whose clients have a server's connection each. */

export interface TcpPool {
  /** Port of the loopback. */
  readonly listen: number;
  /** Ports of the loopback; the servers are called s0, s1 and so on. */
  readonly servers: readonly number[];
  /** Further lines of the pool. */
  readonly lines?: readonly string[];
}

/** The pools are called p0, p1 and so on. */
export function tcpPools(pools: readonly TcpPool[]): string {
  return [
    "pools:",
    ...pools.flatMap(({ listen, servers, lines = [] }, index) => [
      `  p${index}:`,
      "    protocol: tcp",
      `    listen: 127.0.0.1:${listen}`,
      ...lines.map((line) => `    ${line}`),
      "    servers:",
      ...servers.map((port, at) => `      - 127.0.0.1:${port}:1 s${at}`),
    ]),
    "",
  ].join("\n");
}
