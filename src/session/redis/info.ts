/**
 * INFO, as far as clients need it to tell that the server is ready: what this proxy is. It is no server, so there is
 * nothing to say about memory, persistence or replication.
 */
import { VERSION } from "../../base/version.ts";
import { REDIS_VERSION } from "../../protocol/redis/commands.generated.ts";

const EVERYTHING: ReadonlySet<string> = new Set(["all", "default", "everything"]);

const SECTIONS: Readonly<Record<string, () => readonly string[]>> = {
  server: () => [
    "# Server",
    `redis_version:${REDIS_VERSION}`,
    "redis_mode:standalone",
    `proxy_version:${VERSION}`,
    `process_id:${process.pid}`,
    `uptime_in_seconds:${Math.floor(process.uptime())}`,
  ],
  persistence: () => ["# Persistence", "loading:0"],
  replication: () => ["# Replication", "role:master", "connected_slaves:0"],
};

/** The text of the sections with these names; without names, all. Unknown names add nothing, as in Redis. */
export function infoText(names: readonly string[]): string {
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  const isAll = wanted.size === 0 || [...wanted].some((name) => EVERYTHING.has(name));
  const sections = Object.entries(SECTIONS).filter(([name]) => isAll || wanted.has(name));
  return sections.map(([, lines]) => `${lines().join("\r\n")}\r\n`).join("\r\n");
}
