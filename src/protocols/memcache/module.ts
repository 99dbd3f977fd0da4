/** Memcached's protocols: text with meta commands, and binary. */
import type { ProtocolModule } from "../../api/protocol-module.ts";
import { MemcacheProtocolPool } from "./protocol-pool.ts";

export const memcache: ProtocolModule = {
  name: "memcache",
  createPool: (host) => new MemcacheProtocolPool(host),
};
