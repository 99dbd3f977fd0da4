/**
 * TCP ports of the loopback for servers that tests start.
 *
 * Test files run in processes beside each other, so a port that is free now may be another's a moment later, and a
 * client would then talk to the wrong server. Therefore a port is claimed, with a file named after it, until this
 * process ends. They lie below the range from which the kernel takes ports for outgoing connections.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FIRST = 10_000;
const LAST = 32_000;
const CLAIMS = join(tmpdir(), "proxy-test-ports");

const claimed: string[] = [];
process.on("exit", () => {
  for (const file of claimed) rmSync(file, { force: true });
});

/** `count` distinct ports that nothing listens on, and that no other test process will be given. */
export function freePorts(count: number, host = "127.0.0.1"): number[] {
  return Array.from({ length: count }, () => freePort(host));
}

export function freePort(host = "127.0.0.1"): number {
  mkdirSync(CLAIMS, { recursive: true });
  const start = Math.floor(Math.random() * (LAST - FIRST));
  for (let i = 0; i < LAST - FIRST; i++) {
    const port = FIRST + ((start + i) % (LAST - FIRST));
    if (claim(port) && isFree(port, host)) return port;
  }
  throw new Error(`no free port: ${readdirSync(CLAIMS).length} are claimed in ${CLAIMS}`);
}

function claim(port: number): boolean {
  const file = join(CLAIMS, String(port));
  if (!isForgotten(file)) return false;
  rmSync(file, { force: true });
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
  } catch {
    // Another process was quicker.
    return false;
  }
  claimed.push(file);
  return true;
}

/** Not claimed, or by a process that is gone. */
function isForgotten(file: string): boolean {
  try {
    process.kill(Number(readFileSync(file, "utf8")), 0);
    return false;
  } catch {
    return true;
  }
}

function isFree(port: number, host: string): boolean {
  try {
    Bun.listen({ hostname: host, port, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
