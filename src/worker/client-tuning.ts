/** What the connections of a pool's clients are to be like. */
import type { PoolConfig } from "../api/config.ts";
import type { SocketTuning } from "../api/engine.ts";

export function clientTuning(pool: PoolConfig): SocketTuning {
  return {
    isKeptAlive: pool.tcpKeepalive,
    isUndelayed: pool.tcpNodelay,
    isQuicklyAcked: pool.tcpQuickack,
  };
}
