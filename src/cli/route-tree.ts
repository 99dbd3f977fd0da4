/** `proxy route` of a pool with a `route:`: the way through its tree, then that in the pool where it ends. */
import type { Config, PoolConfig } from "../api/config.ts";
import type { RouteNode } from "../api/route-node.ts";
import { assert } from "../base/assert.ts";
import { explainPath } from "../route/tree/explain.ts";
import { type KeyRoute, routeKeys } from "./key-route.ts";
import { formatKey } from "./key-text.ts";
import { formatTable } from "./table.ts";

/** One way of a key: reads and writes may have different ones. */
export interface TreeKeyRoute extends KeyRoute {
  readonly access: "any" | "read" | "write";
  /** What was decided at each node. */
  readonly path: readonly string[];
  /** Where it ends. */
  readonly pool: string;
}

/** @param command in upper case; "": any. Needs `initHashes` to have resolved. */
export function routeThroughTree(
  config: Config,
  tree: RouteNode,
  keys: readonly Buffer[],
  command: string,
): TreeKeyRoute[] {
  const wayOf = (key: Buffer, access: "read" | "write"): TreeKeyRoute => {
    const {
      steps,
      pool,
      key: called,
    } = explainPath(tree, { key, isRead: access === "read", command });
    const [route] = routeKeys(poolNamed(config, pool), [called]);
    assert(route !== undefined, "each key has a route");
    return { access, path: steps, pool, ...route, key: formatKey(key) };
  };
  return keys.flatMap((key) => {
    const read = wayOf(key, "read");
    const write = wayOf(key, "write");
    const isSame = read.path.join() === write.path.join();
    return isSame ? [{ ...read, access: "any" as const }] : [read, write];
  });
}

function poolNamed({ pools }: Config, name: string): PoolConfig {
  const pool = pools.find((candidate) => candidate.name === name);
  assert(pool !== undefined, `the pool ${name} was checked to be there`);
  return pool;
}

export function formatTreeRoutes(pool: PoolConfig, routes: readonly TreeKeyRoute[]): string {
  const rows = routes.map(({ key, access, path, pool: leaf, server, address }) => [
    ...[key, access, path.join(" › ") || "-", leaf],
    ...[server ?? "any, or the slot's", address ?? "-"],
  ]);
  const head = ["key", "access", "decided by", "pool", "server", "address"];
  return [`pool ${pool.name}: a tree of routes`, ...formatTable([head, ...rows], [])].join("\n");
}
