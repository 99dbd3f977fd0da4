/** Who the servers of a pool are: the members of its topology, and their replicas if those are read. */
import type { ProtocolPool } from "../api/protocol-module.ts";
import type { Member, Topology } from "../api/topology.ts";
import type { PoolRoute } from "../route/pool-route.ts";
import type { Server } from "../server/server.ts";

/** Those that keys go to first, in ring order, then their replicas, and spares. Each once. */
export function allMembers(topology: Topology, { readsReplicas }: ProtocolPool): Member[] {
  const { members, replicas = [], spares = [] } = topology;
  const copies = readsReplicas === true ? replicas.flat() : [];
  const all = [...members, ...copies, ...spares];
  return [...new Map(all.map((member) => [member.id, member])).values()];
}

/** @param servers one for each of `allMembers` */
export function spreadKeys(route: PoolRoute, topology: Topology, servers: readonly Server[]): void {
  const { slots = null, replicas = [], spares = [] } = topology;
  const byMember = new Map(servers.map((server) => [server.member, server]));
  const copies = replicas.map((some) =>
    some.map(({ id }) => byMember.get(id)).filter((server) => server !== undefined),
  );
  const standIns = new Set(spares.map(({ id }) => id));
  const primaries = servers.filter(({ isReplica, member }) => !isReplica && !standIns.has(member));
  const others = servers.filter(({ member }) => standIns.has(member));
  route.spreadOver(primaries, slots, copies, others);
}
