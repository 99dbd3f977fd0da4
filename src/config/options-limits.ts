/** Options of a pool that limit its clients, and what comes of them. */
import type { PoolLimits } from "../api/config.ts";
import { type Option, option } from "../api/option.ts";
import { INTEGER_MAX } from "../base/limits.ts";

export const ACTIONS: readonly PoolLimits["action"][] = ["delay", "error", "close"];
export const MODES: readonly PoolLimits["mode"][] = ["bucket", "window"];

function perSecond(name: string, field: string, help: string): Option {
  return option({
    ...{ name, where: "pool", field: `limits.${field}`, isLive: true, help, default: "0" },
    type: { kind: "integer", min: 0, max: INTEGER_MAX },
  });
}

function bytesPerSecond(name: string, field: string, help: string): Option {
  return option({
    ...{ name, where: "pool", field: `limits.${field}`, isLive: true, help, default: "none" },
    type: { kind: "size", min: 1024, auto: false },
  });
}

export const LIMIT_OPTIONS: readonly Option[] = [
  perSecond(
    "client_requests_per_second",
    "clientRequests",
    "Requests that one client may send in a second; 0: no limit. What happens beyond a limit says `throttle`.",
  ),
  perSecond(
    "address_requests_per_second",
    "addressRequests",
    "The same for all clients of one address (IPv6: of one /64), over all workers.",
  ),
  perSecond(
    "user_requests_per_second",
    "userRequests",
    "The same for all clients that are the same user (`AUTH`, `HELLO`), over all workers; those that are none are one user, too.",
  ),
  perSecond(
    "pool_requests_per_second",
    "poolRequests",
    "The same for all clients of the pool, over all workers.",
  ),
  bytesPerSecond(
    "client_bytes_per_second",
    "clientBytes",
    "Bytes that one client may send in a second.",
  ),
  bytesPerSecond(
    "address_bytes_per_second",
    "addressBytes",
    "The same for all clients of one address, over all workers.",
  ),
  bytesPerSecond(
    "user_bytes_per_second",
    "userBytes",
    "The same for all clients that are the same user, over all workers.",
  ),
  bytesPerSecond(
    "pool_bytes_per_second",
    "poolBytes",
    "The same for all clients of the pool, over all workers.",
  ),
  perSecond(
    "address_connections",
    "addressConnections",
    "Clients of one address at once, over all workers; further ones are turned away. 0: no limit.",
  ),
  perSecond(
    "address_connections_per_second",
    "addressConnects",
    "Clients that may come from one address in a second; further ones are turned away.",
  ),
  perSecond("pool_connections_per_second", "poolConnects", "The same for all clients of the pool."),
  option({
    name: "throttle",
    where: "pool",
    field: "limits.action",
    type: { kind: "choice", values: ACTIONS },
    default: "delay",
    help: "A client that is beyond a limit is not read for a while (`delay`), its requests get an `error`, or it is disconnected (`close`).",
  }),
  option({
    name: "throttle_mode",
    where: "pool",
    field: "limits.mode",
    isLive: true,
    type: { kind: "choice", values: MODES },
    default: "bucket",
    help: "`bucket`: what may be sent comes evenly, and is saved up for `throttle_burst`; `window`: it comes once in 100 ms, and a client that has had it is not served for the rest of that time.",
  }),
  option({
    name: "throttle_burst",
    where: "pool",
    field: "limits.burstMs",
    isLive: true,
    type: { kind: "duration", min: 1, max: 3_600_000, none: false },
    default: "100ms",
    help: "For so long what is not used is saved up, to be used at once.",
  }),
];
