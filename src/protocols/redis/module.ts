/** The Redis protocol: RESP2 and RESP3, whole. */
import type { ProtocolModule } from "../../api/protocol-module.ts";
import { REDIS_METRICS } from "./metrics.ts";
import { REDIS_OPTIONS } from "./options.ts";
import { RedisProtocolPool } from "./protocol-pool.ts";

export const redis: ProtocolModule = {
  name: "redis",
  options: REDIS_OPTIONS,
  metrics: [REDIS_METRICS],
  isFilterable: true,
  clusterOption: "redis_cluster",
  createPool: (host) => new RedisProtocolPool(host),
};
