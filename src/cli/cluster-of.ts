import type { PoolConfig } from "../api/config.ts";
import { PROTOCOLS } from "../protocols/registry.ts";

/** Whether the pool's servers are a cluster, of which the configuration names some nodes. */
export function clusterOf({ protocol, options }: PoolConfig): boolean {
  const option = PROTOCOLS.find(({ name }) => name === protocol)?.clusterOption;
  return option !== undefined && options[option]?.isSet === true;
}
