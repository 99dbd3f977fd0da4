/** What differs between pools of different protocols. */
import type { PoolConfig } from "../api/config.ts";
import type { UpstreamProtocol } from "../api/protocol.ts";
import { closeFd } from "../os/fd.ts";
import { createMemcacheBinaryUpstream } from "../protocol/memcache/binary/upstream-protocol.ts";
import { createMemcacheTextUpstream } from "../protocol/memcache/text/upstream-protocol.ts";
import { encodeError } from "../protocol/redis/encode.ts";
import type { Frontend } from "../session/frontend.ts";
import {
  type MemcacheClientState,
  MemcacheFrontend,
} from "../session/memcache/memcache-frontend.ts";
import {
  type MemcachePool,
  VARIANT_BINARY,
  VARIANT_TEXT,
} from "../session/memcache/memcache-pool.ts";
import type { SavedRedisClient } from "../session/redis/client-state.ts";
import { RedisFrontend } from "../session/redis/redis-frontend.ts";
import type { RedisPool } from "../session/redis/redis-pool.ts";
import type { Session } from "../session/session.ts";

export interface PoolProtocol {
  /** The kinds of connection to a server, by the numbers that the frontends call them. */
  readonly variants: readonly UpstreamProtocol[];
  /** Told to a client that may not stay, because the pool has as many as configured. */
  readonly tooManyClients: Buffer;
  /** The same when this process has no more file descriptors. */
  readonly noDescriptors: Buffer;
  /** @param saved what such a frontend's `saveState` gave in another process; undefined for a new client
   * @param descriptors those that came along: the frontend owns them */
  createFrontend(session: Session, saved: unknown, descriptors: readonly number[]): Frontend;
}

/**
 * @param shared what the pool's sessions share, whatever they speak
 * @param openFiles the limit of open files
 */
export function createPoolProtocol(
  config: PoolConfig,
  shared: RedisPool & MemcachePool,
  openFiles: number,
): PoolProtocol {
  const reason = `the proxy's limit of open files, ${openFiles}, is reached`;
  if (config.protocol === "redis") {
    return {
      variants: shared.variants.protocols,
      tooManyClients: encodeError("ERR max number of clients reached"),
      noDescriptors: encodeError(`ERR max number of clients reached (${reason})`),
      createFrontend: (session, saved, descriptors) =>
        new RedisFrontend(shared, session, saved as SavedRedisClient | undefined, descriptors),
    };
  }
  const variants: UpstreamProtocol[] = [];
  variants[VARIANT_TEXT] = createMemcacheTextUpstream();
  variants[VARIANT_BINARY] = createMemcacheBinaryUpstream();
  return {
    variants,
    // memcached's own words, whatever the client was going to speak.
    tooManyClients: Buffer.from("ERROR Too many open connections\r\n"),
    noDescriptors: Buffer.from(`ERROR Too many open connections (${reason})\r\n`),
    createFrontend: (session, saved, descriptors) => {
      // None, unless the pool's protocol was another.
      for (const fd of descriptors) closeFd(fd);
      return new MemcacheFrontend(shared, session, saved as MemcacheClientState | undefined);
    },
  };
}
