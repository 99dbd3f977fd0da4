/** TCP ports of the loopback that were free a moment ago. */

/**
 * Returns `count` distinct ports that nothing listened on when asked. Another process may take one before its
 * user binds it: whoever starts a server on one must be ready to ask again.
 */
export function freePorts(count: number, host = "127.0.0.1"): number[] {
  const probes = Array.from({ length: count }, () =>
    Bun.listen({ hostname: host, port: 0, socket: { data() {} } }),
  );
  const ports = probes.map((probe) => probe.port);
  for (const probe of probes) probe.stop(true);
  return ports;
}

export function freePort(host = "127.0.0.1"): number {
  return freePorts(1, host)[0]!;
}
