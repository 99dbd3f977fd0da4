/**
 * TCP ports of the loopback for servers that tests start.
 *
 * Test files run in processes beside each other, so a port that is free now may be another's a moment later, and a
 * client would then talk to the wrong server. Therefore a port is claimed until this process ends, by listening on an
 * abstract unix socket named after it: the kernel lets one process do so, and forgets it with the process. Ports lie
 * below the range from which the kernel takes those of outgoing connections.
 */

const FIRST = 10_000;
const LAST = 32_000;

const ignore = { data() {} };

/** `count` distinct ports that nothing listens on, and that no other test process will be given. */
export function freePorts(count: number, host = "127.0.0.1"): number[] {
  return Array.from({ length: count }, () => freePort(host));
}

export function freePort(host = "127.0.0.1"): number {
  const start = Math.floor(Math.random() * (LAST - FIRST));
  for (let i = 0; i < LAST - FIRST; i++) {
    const port = FIRST + ((start + i) % (LAST - FIRST));
    if (claim(port) && isFree(port, host)) return port;
  }
  throw new Error("no free port");
}

function claim(port: number): boolean {
  try {
    Bun.listen({ unix: `\0proxy-test-port-${port}`, socket: ignore }).unref();
    return true;
  } catch {
    return false;
  }
}

function isFree(port: number, host: string): boolean {
  try {
    Bun.listen({ hostname: host, port, socket: ignore }).stop(true);
    return true;
  } catch {
    return false;
  }
}
