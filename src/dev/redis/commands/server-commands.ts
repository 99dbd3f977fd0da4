/** Commands about the server: INFO, FLUSHALL, COMMAND, CONFIG GET. */

import { matchesGlob } from "../../../protocols/redis/codec/glob.ts";
import { type Call, type CommandTable, from, type Shard } from "../command.ts";
import { fail, SYNTAX } from "../command-error.ts";
import type { Database } from "../database.ts";
import { bulk, EMPTY_ARRAY, integer, OK } from "../reply.ts";

/** The Redis version whose behaviour this is checked against; clients decide by it what they may use. */
export const SHOWN_VERSION = "7.0.15";

export const SERVER_COMMANDS: CommandTable = {
  dbsize: [1, ({ db }) => integer(db.size)],
  flushdb: [-1, (call) => flush(call, [call.db])],
  flushall: [-1, (call) => flush(call, call.shard.databases)],
  info: [-1, info],
  command: [-1, () => EMPTY_ARRAY],
  "command|count": [2, ({ shard }) => integer(shard.commandCount)],
  "command|docs": [-2, ({ encoding }) => encoding.map([])],
  config: [-2, () => OK],
  "config|get": [-3, configGet],
};

function flush(call: Call, databases: readonly Database[]): string {
  const [mode] = from(call, 1);
  const isKnown = mode === undefined || /^(a?sync)$/i.test(mode);
  if (!isKnown || call.args.length > 2) fail(SYNTAX);
  for (const db of databases) db.clear();
  return OK;
}

function info(call: Call): string {
  const wanted = new Set(from(call, 1).map((name) => name.toLowerCase()));
  const isAll =
    wanted.size === 0 || ["all", "default", "everything"].some((name) => wanted.has(name));
  const sections = Object.entries(infoSections(call.shard))
    .filter(([name]) => isAll || wanted.has(name.toLowerCase()))
    .map(([name, lines]) => `# ${name}\r\n${lines.map((line) => `${line}\r\n`).join("")}`);
  return call.encoding.verbatim(sections.join("\r\n"));
}

function infoSections(shard: Shard): Record<string, string[]> {
  const upSeconds = Math.floor((shard.clock() - shard.startedAtMs) / 1000);
  return {
    Server: [
      `redis_version:${SHOWN_VERSION}`,
      "redis_mode:standalone",
      "server_name:proxy dev (embedded, in memory only)",
      `process_id:${process.pid}`,
      `uptime_in_seconds:${upSeconds}`,
    ],
    Clients: [`connected_clients:${shard.clients.size}`],
    Memory: [
      `used_memory:${shard.meter.used}`,
      `maxmemory:${shard.memoryBytesMax}`,
      "maxmemory_policy:noeviction",
    ],
    Persistence: ["loading:0"],
    Stats: [`total_commands_processed:${shard.commandsProcessed}`],
    Replication: ["role:master", "connected_slaves:0"],
    Cluster: ["cluster_enabled:0"],
    Keyspace: keyspaceLines(shard),
  };
}

function keyspaceLines(shard: Shard): string[] {
  return shard.databases.flatMap((db, index) =>
    db.size === 0 ? [] : [`db${index}:keys=${db.size},expires=${db.expiringSize},avg_ttl=0`],
  );
}

/** The few parameters that benchmark tools ask for. One that is named without wildcards is called as it was named. */
function configGet(call: Call): string {
  const parameters = new Map([
    ["save", ""],
    ["appendonly", "no"],
    ["maxmemory", String(call.shard.memoryBytesMax)],
    ["databases", String(call.shard.databases.length)],
  ]);
  const found = new Map<string, [name: string, value: string]>();
  for (const pattern of from(call, 2)) {
    for (const [name, value] of parameters) {
      if (found.has(name) || !matchesGlob(pattern.toLowerCase(), name)) continue;
      found.set(name, [/[[*?]/.test(pattern) ? name : pattern, bulk(value)]);
    }
  }
  return call.encoding.map([...found.values()]);
}
