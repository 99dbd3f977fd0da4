/** A proxy to be upgraded, and executables to upgrade it to. */
import { chmodSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { GenerationResult } from "../../src/api/control-socket.ts";
import { freePort } from "./free-port.ts";
import { type ProxyProcess, proxyCommand, redisPool, startProxy } from "./proxy-process.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { RespClient } from "./resp-client.ts";

/** What `proxy upgrade --json` prints. */
export interface UpgradeResult {
  readonly crew: GenerationResult;
  readonly warning: string | null;
}

/** What is to be ended after each test, the last first. */
export const stops: (() => Promise<unknown>)[] = [];

/** To be called after each test. */
export async function stopAll(): Promise<void> {
  for (const stop of stops.splice(0).reverse()) await stop();
}

export interface Rig {
  readonly proxy: ProxyProcess;
  readonly port: number;
  readonly directory: string;
  readonly servers: readonly RedisServer[];
}

/** Two servers and a proxy with two workers before them. */
export async function start(...args: string[]): Promise<Rig> {
  const servers = [await startRedis(), await startRedis()];
  for (const server of servers) stops.push(() => server.stop());
  const port = freePort();
  const proxy = await startProxy({
    config: redisPool({ listen: `127.0.0.1:${port}`, servers }),
    args: ["--workers", "2", ...args],
  });
  stops.push(() => proxy.stop());
  return { proxy, port, directory: dirname(proxy.configFile), servers };
}

export async function clientOf({ port }: Rig): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  stops.push(async () => client.close());
  return client;
}

/**
 * An executable that is this very proxy, unless its first argument is one of `cases`: then it runs that shell text.
 * @param before lines of shell that it runs first in any case
 */
export function variant(
  directory: string,
  name: string,
  cases: Record<string, string> = {},
  before: readonly string[] = [],
): string {
  const path = join(directory, name);
  const branches = Object.entries(cases).map(([role, script]) => `${role}) ${script} ;;`);
  const command = proxyCommand()
    .map((word) => `'${word}'`)
    .join(" ");
  const lines = [
    "#!/bin/bash",
    ...before,
    'case "$1" in',
    ...branches,
    "esac",
    `exec -a proxy ${command} "$@"`,
  ];
  writeFileSync(path, `${lines.join("\n")}\n`);
  chmodSync(path, 0o755);
  return path;
}
