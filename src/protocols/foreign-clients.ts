/** What the log says of clients that have come to the wrong port. */
import type { Config } from "../api/config.ts";
import type { PoolHost } from "../api/protocol-module.ts";
import type { Foreign } from "./foreign.ts";

/** Logs a client of the pool, unless one of its kind was logged just now. */
export function warnOfForeign(
  {
    config,
    form,
    log,
    logLimit,
    turn,
  }: Pick<PoolHost, "config" | "form" | "logLimit" | "turn"> & {
    readonly log: Pick<PoolHost["log"], "warn">;
  },
  foreign: Foreign,
  peer: string,
): void {
  const leftOut = logLimit.admit(`${config.name} ${foreign}`, turn.nowMs);
  if (leftOut === null) return;
  log.warn(foreignMessage(foreign, form), {
    event: "client_is_foreign",
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
