/** What the log says of clients that have come to the wrong port. */
import type { Config, PoolConfig } from "../api/config.ts";
import type { LogFields } from "../base/log.ts";
import type { LogLimit } from "../base/log-limit.ts";
import type { Foreign } from "../protocol/foreign.ts";

export interface ForeignClients {
  readonly pool: Pick<PoolConfig, "name">;
  /** Of the configuration file: advice is given in its words. */
  readonly form: Config["form"];
  readonly limit: LogLimit;
  readonly warn: (message: string, fields: LogFields) => void;
}

/** Logs a client of the pool, unless one of its kind was logged just now. */
export function warnOfForeign(
  { pool, form, limit, warn }: ForeignClients,
  foreign: Foreign,
  peer: string,
  nowMs: number,
): void {
  const leftOut = limit.admit(`${pool.name} ${foreign}`, nowMs);
  if (leftOut === null) return;
  warn(foreignMessage(foreign, form), {
    pool: pool.name,
    peer,
    ...(leftOut > 0 ? { left_out: leftOut } : {}),
  });
}

export function foreignMessage(foreign: Foreign, form: Config["form"]): string {
  const isNative = form === "native";
  switch (foreign) {
    case "redis": {
      const redis = isNative
        ? '"protocol: redis" instead of "protocol: memcache"'
        : '"redis: true"';
      return `this client speaks Redis, and the pool Memcached; should the pool have ${redis}?`;
    }
    case "memcache": {
      const memcache = isNative ? '"protocol: memcache"' : '"redis: false"';
      return `this client speaks Memcached, and the pool Redis; should the pool have ${memcache}?`;
    }
    case "tls":
      return "this client speaks TLS, and the pool does not; turn TLS off in the client";
    case "http":
      return "this client speaks HTTP, and was cut off: a web page or a scanner may be trying to get commands executed";
  }
}
