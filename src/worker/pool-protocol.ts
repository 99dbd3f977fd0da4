/** What differs between pools of different protocols. */
import type { PoolConfig } from "../api/config.ts";
import type { UpstreamProtocol } from "../api/protocol.ts";
import { createMemcacheBinaryUpstream } from "../protocol/memcache/binary/upstream-protocol.ts";
import { createMemcacheTextUpstream } from "../protocol/memcache/text/upstream-protocol.ts";
import { encodeError } from "../protocol/redis/encode.ts";
import { createRedisUpstream } from "../protocol/redis/upstream-protocol.ts";
import type { Frontend } from "../session/frontend.ts";
import { MemcacheFrontend } from "../session/memcache/memcache-frontend.ts";
import {
  type MemcachePool,
  VARIANT_BINARY,
  VARIANT_TEXT,
} from "../session/memcache/memcache-pool.ts";
import { RedisFrontend, type RedisPool } from "../session/redis/redis-frontend.ts";
import { VARIANT } from "../session/redis/variant.ts";
import type { Session } from "../session/session.ts";

export interface PoolProtocol {
  /** The kinds of connection to a server, by the numbers that the frontends call them. */
  readonly variants: readonly UpstreamProtocol[];
  /** Told to a client that may not stay. */
  readonly tooManyClients: Buffer;
  createFrontend(session: Session): Frontend;
}

/** @param shared what the pool's sessions share, whatever they speak */
export function createPoolProtocol(
  config: PoolConfig,
  shared: RedisPool & MemcachePool,
): PoolProtocol {
  const variants: UpstreamProtocol[] = [];
  if (config.protocol === "redis") {
    variants[VARIANT] = createRedisUpstream(config.redisAuth, config.redisDb);
    return {
      variants,
      tooManyClients: encodeError("ERR max number of clients reached"),
      createFrontend: (session) => new RedisFrontend(shared, session),
    };
  }
  variants[VARIANT_TEXT] = createMemcacheTextUpstream();
  variants[VARIANT_BINARY] = createMemcacheBinaryUpstream();
  return {
    variants,
    // memcached's own words, whatever the client was going to speak.
    tooManyClients: Buffer.from("ERROR Too many open connections\r\n"),
    createFrontend: (session) => new MemcacheFrontend(shared, session),
  };
}
