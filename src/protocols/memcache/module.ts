/** Memcached's protocols: text with meta commands, and binary. */
import type { ProtocolModule } from "../../api/protocol-module.ts";
import { MEMCACHE_ERRORS, MEMCACHE_METRICS } from "./metrics.ts";
import { MEMCACHE_OPTIONS } from "./options.ts";
import { MemcacheProtocolPool } from "./protocol-pool.ts";

export const memcache: ProtocolModule = {
  name: "memcache",
  options: MEMCACHE_OPTIONS,
  metrics: [MEMCACHE_METRICS],
  serverErrors: MEMCACHE_ERRORS,
  isFilterable: true,
  isRoutable: true,
  createPool: (host) => new MemcacheProtocolPool(host),
};
