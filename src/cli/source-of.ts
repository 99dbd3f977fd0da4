import type { PoolConfig } from "../api/config.ts";
import type { ServerSource } from "../api/protocol-module.ts";
import { PROTOCOLS } from "../protocols/registry.ts";

/** Whom the pool asks where its servers are; null: nothing, the configuration lists them. */
export function sourceOf({ protocol, options }: PoolConfig): ServerSource | null {
  const module = PROTOCOLS.find(({ name }) => name === protocol);
  return module?.sources?.find(({ option }) => options[option]?.isSet === true) ?? null;
}

/** Whether the pool's servers are a cluster, of which the configuration names some nodes. */
export function clusterOf(pool: PoolConfig): boolean {
  return sourceOf(pool)?.names === null;
}
