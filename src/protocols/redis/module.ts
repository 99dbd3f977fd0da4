/** The Redis protocol: RESP2 and RESP3, whole. */
import type { ProtocolModule } from "../../api/protocol-module.ts";
import { MIGRATION_METRICS } from "../moved-keys.ts";
import { STANDARD_COMMANDS } from "./commands/command-facts.ts";
import { FAILOVER_METRICS, REDIS_ERRORS, REDIS_METRICS } from "./metrics.ts";
import { REDIS_OPTIONS } from "./options.ts";
import { RedisProtocolPool } from "./protocol-pool.ts";

export const redis: ProtocolModule = {
  name: "redis",
  options: REDIS_OPTIONS,
  metrics: [REDIS_METRICS, FAILOVER_METRICS, MIGRATION_METRICS],
  movesKeys: true,
  serverErrors: REDIS_ERRORS,
  isFilterable: true,
  movesClients: true,
  isRoutable: true,
  cutsKeys: true,
  commandNames: STANDARD_COMMANDS.map(({ name }) => name).filter((name) => !name.includes("|")),
  sources: [
    { option: "redis_cluster", names: null },
    { option: "sentinels", names: "masters" },
  ],
  createPool: (host) => new RedisProtocolPool(host),
};
