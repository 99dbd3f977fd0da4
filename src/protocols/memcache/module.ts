/** Memcached's protocols: text with meta commands, and binary. */
import type { ProtocolModule } from "../../api/protocol-module.ts";
import { MIGRATION_METRICS } from "../moved-keys.ts";
import { TEXT_COMMAND_NAMES } from "./codec/text/command.ts";
import { MEMCACHE_ERRORS, MEMCACHE_METRICS } from "./metrics.ts";
import { MEMCACHE_OPTIONS } from "./options.ts";
import { MemcacheProtocolPool } from "./protocol-pool.ts";

export const memcache: ProtocolModule = {
  name: "memcache",
  options: MEMCACHE_OPTIONS,
  metrics: [MEMCACHE_METRICS, MIGRATION_METRICS],
  movesKeys: true,
  serverErrors: MEMCACHE_ERRORS,
  isFilterable: true,
  isRoutable: true,
  commandNames: TEXT_COMMAND_NAMES.map((name) => name.toUpperCase()),
  createPool: (host) => new MemcacheProtocolPool(host),
};
