/**
 * The process that holds the embedded servers of `proxy dev`: none of their work is done in supervisor or workers.
 *
 * Its standard input is its lifeline. When that ends, the process that started it is gone, and so it goes, with its directory.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDevMemcached } from "./memcache/dev-memcached.ts";
import { startDevRedis } from "./redis/dev-redis.ts";

/** The first argument of a process that is to call `runDevBackend`. */
export const DEV_BACKEND_ROLE = "__dev-backend";

/** The one line that it prints, as JSON: all its servers accept connections. */
export interface DevBackendReady {
  /** Made by it, removed at its end, readable by its user only. */
  readonly directory: string;
  /** One unix socket path per Redis server. */
  readonly redis: readonly string[];
  /** One unix socket path per Memcached server. */
  readonly memcached: readonly string[];
}

/** A terminal sends them to the whole group: the workers may still need their servers to drain. */
const GROUP_SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT", "SIGHUP", "SIGWINCH"];

/** Starts as many servers of each kind as the argument after the role says. */
export function runDevBackend(): void {
  const [, , , shards] = process.argv;
  const directory = mkdtempSync(join(tmpdir(), "proxy-dev-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  for (const signal of GROUP_SIGNALS) process.on(signal, () => {});
  process.on("SIGTERM", () => process.exit(0));
  process.stdin.on("close", () => process.exit(0));
  process.stdin.resume();
  const start = (kind: string, startOne: (unixPath: string) => { address: string }): string[] =>
    Array.from({ length: Number(shards) }, (_, index) => {
      return startOne(join(directory, `${kind}-${index + 1}.sock`)).address;
    });
  const ready: DevBackendReady = {
    directory,
    redis: start("redis", (unixPath) => startDevRedis({ unixPath })),
    memcached: start("memcached", (unixPath) => startDevMemcached({ unixPath })),
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}
