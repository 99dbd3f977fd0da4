/** The servers that a pool's configuration lists: they never change. */
import type { ServerConfig } from "../api/config.ts";
import { type Member, replicaAt, type Topology } from "../api/topology.ts";
import { formatAddress } from "../config/address.ts";

/** @param servers in ring order. @param spares likewise */
export function createStaticTopology(
  servers: readonly ServerConfig[],
  spares: readonly ServerConfig[] = [],
): Topology {
  return {
    spares: spares.map(memberOf),
    members: servers.map(memberOf),
    replicas: servers.map(({ replicas = [] }) =>
      replicas.map((at) => replicaAt(at, formatAddress(at))),
    ),
    epoch: 0,
    watch() {},
    close() {},
  };
}

/** With another name keys go elsewhere, and with another address it is another server. */
export function memberOf(server: ServerConfig): Member {
  return { id: `${server.name} ${formatAddress(server.address)}`, server };
}
