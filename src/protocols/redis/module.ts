/** The Redis protocol: RESP2 and RESP3, whole. */
import type { ProtocolModule } from "../../api/protocol-module.ts";
import { RedisProtocolPool } from "./protocol-pool.ts";

export const redis: ProtocolModule = {
  name: "redis",
  createPool: (host) => new RedisProtocolPool(host),
};
