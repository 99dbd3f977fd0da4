/**
 * What an answer of a source changes. Servers come at once; one that is not named any more stays until it may leave: a source that has
 * lost sight of servers must not empty a ring.
 */
import type { ServerConfig } from "../../api/config.ts";
import { DISCOVERY_REMOVED_SHARE } from "../../base/discovery-limits.ts";
import { formatAddress } from "../../config/address.ts";

export interface Merged {
  /** Those that were named, and those that were not named any more. */
  readonly servers: readonly ServerConfig[];
  readonly added: readonly string[];
  /** Servers at another address, or with another weight. */
  readonly changed: readonly string[];
  /** Not named any more. */
  readonly missing: readonly string[];
}

export function merge(known: readonly ServerConfig[], named: readonly ServerConfig[]): Merged {
  const before = new Map(known.map((server) => [server.name, server]));
  const names = new Set(named.map(({ name }) => name));
  const missing = known.filter(({ name }) => !names.has(name));
  const isOther = (server: ServerConfig): boolean => {
    const old = before.get(server.name);
    return old !== undefined && keyOf(old) !== keyOf(server);
  };
  return {
    servers: [...named, ...missing],
    added: named.filter(({ name }) => !before.has(name)).map(({ name }) => name),
    changed: named.filter(isOther).map(({ name }) => name),
    missing: missing.map(({ name }) => name),
  };
}

/** How many of `servers` servers may leave at a time; never the last one. */
export function removableOf(servers: number): number {
  return Math.min(Math.max(1, Math.floor(servers * DISCOVERY_REMOVED_SHARE)), servers - 1);
}

/** What makes it the same server with the same share of the keys. */
export function keyOf({ name, address, weight }: ServerConfig): string {
  return `${name} ${formatAddress(address)} ${weight}`;
}
