/** What a pool comes to that limits nothing. */
import type { PoolConfig, PoolLimits } from "../../../src/api/config.ts";

export const NO_PATIENCE: Partial<PoolConfig> = {
  firstByteTimeoutMs: null,
  queueTimeoutMs: null,
  serverQueue: 0,
  clientIdleTimeoutMs: null,
  requestTimeoutMs: null,
};

export const NO_LIMITS: PoolLimits = {
  ...{ clientRequests: 0, addressRequests: 0, poolRequests: 0 },
  ...{ clientBytes: null, addressBytes: null, poolBytes: null, userRequests: 0, userBytes: null },
  ...{ addressConnections: 0, addressConnects: 0, poolConnects: 0 },
  ...({ action: "delay", mode: "bucket", burstMs: 100 } as const),
};
