/** What must hold between a pool's `route` and the rest of the file. */
import type { MapNode } from "./document.ts";
import { didYouMean } from "./nearest.ts";
import type { ProtocolOptions } from "./options.ts";
import { quote } from "./problem.ts";
import type { ReadRoute } from "./route-tree.ts";
import type { Scope, Values } from "./scope.ts";

/** What is said of servers and of connections to them holds in the pools that the tree leads to. */
const DECIDED_BY_LEAVES = [
  ...["hash", "hash_char", "distribution", "timeout", "connect_timeout", "preconnect"],
  ...["server_connections", "auto_eject_hosts", "server_retry_timeout", "server_failure_limit"],
  ...["on_down", "spares", "health_check", "first_byte_timeout", "queue_timeout", "server_queue"],
  ...["max_ejection_percent", "redis_db", "read_from", "near", "failover_park"],
];

/** A pool as far as others may lead to it. */
export interface CheckedPool {
  readonly name: string;
  /** Undefined: it is in error. */
  readonly protocol: string | undefined;
  /** Null: it has servers. */
  readonly route: ReadRoute | null;
}

export function hasRoute(map: MapNode): boolean {
  return map.entries.some(({ key }) => key === "route");
}

/** @param scope of the pool */
export function checkAlone(
  scope: Scope,
  values: Values,
  protocol: ProtocolOptions | null,
  { cuts }: ReadRoute,
): void {
  const { problems, label, path } = scope;
  if (protocol !== null && protocol.cutsKeys !== true) {
    for (const { offset, path: at } of cuts) {
      const message = `${label}route: cut: keys of the protocol ${protocol.name} cannot be cut`;
      problems.error(offset, at, message);
    }
  }
  if (protocol !== null && protocol.isRoutable !== true) {
    const message = `${label}route: requests of the protocol ${protocol.name} cannot be routed`;
    problems.error(values.offsetOf("route"), `${path}route`, message);
  }
  const sources = protocol?.sources ?? [];
  for (const other of ["servers", "discover", ...sources.map(({ option }) => option)]) {
    if (values.node(other) === undefined) continue;
    const message = `${label}route stands in place of "${other}": a pool has one of the two`;
    problems.error(values.offsetOf(other), `${path}${other}`, message);
  }
  for (const name of DECIDED_BY_LEAVES) {
    if (values.node(name) === undefined || !values.peek(name)) continue;
    const message = `${label}${name} has no effect with route: that of the pools it leads to counts`;
    problems.warn(values.offsetOf(name), `${path}${name}`, message);
  }
}

/** Each name in a tree must be that of a pool with servers, of the same protocol. */
export function checkRoutes(scope: Scope, pools: readonly CheckedPool[]): void {
  const { problems } = scope;
  const byName = new Map(pools.map((pool) => [pool.name, pool]));
  for (const { name, protocol, route } of pools) {
    for (const { pool, offset, path } of route?.pools ?? []) {
      const leaf = byName.get(pool);
      const fault = faultOf(leaf, pool, protocol, [...byName.keys()]);
      if (fault !== null) problems.error(offset, path, `pool ${quote(name)}: route: ${fault}`);
    }
  }
}

function faultOf(
  leaf: CheckedPool | undefined,
  name: string,
  protocol: string | undefined,
  names: readonly string[],
): string | null {
  if (leaf === undefined) {
    return `no pool is named ${quote(name)}${didYouMean(name, names) || ` (pools: ${names.join(", ")})`}`;
  }
  if (leaf.route !== null)
    return `pool ${quote(name)} has a route itself: name a pool with servers`;
  if (leaf.protocol === undefined || protocol === undefined || leaf.protocol === protocol)
    return null;
  return `pool ${quote(name)} speaks ${leaf.protocol}, and this one ${protocol}`;
}
