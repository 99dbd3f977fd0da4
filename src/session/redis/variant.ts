/** The kinds of connection to a Redis server. All have the pool's database and password. */
import type { UpstreamProtocol } from "../../api/protocol.ts";
import type { RespVersion } from "../../protocol/redis/encode.ts";
import { createRedisUpstream } from "../../protocol/redis/upstream-protocol.ts";

/** By number: how connections of that kind are opened and read. */
export function redisVariants(password: string | null, database: number): UpstreamProtocol[] {
  return [createRedisUpstream(2, password, database), createRedisUpstream(3, password, database)];
}

/** The number of the kind that speaks `version`. */
export function variantOf(version: RespVersion): number {
  return version === 3 ? 1 : 0;
}
