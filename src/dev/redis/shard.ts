import type { Meter } from "./collection.ts";
import type { Shard } from "./command.ts";
import { COMMANDS } from "./command-table.ts";
import { Database } from "./database.ts";

/** As many as Redis has by default. */
const DATABASE_COUNT = 16;

/** An empty shard. `clock` answers milliseconds since the epoch. */
export function createShard(memoryBytesMax: number, clock: () => number): Shard {
  const meter: Meter = { used: 0 };
  return {
    databases: Array.from({ length: DATABASE_COUNT }, () => new Database(meter, clock)),
    meter,
    memoryBytesMax,
    clock,
    startedAtMs: clock(),
    clients: new Set(),
    commandCount: COMMANDS.size,
    commandsProcessed: 0,
    onWrite: () => {},
  };
}
