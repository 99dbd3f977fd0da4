/** A pool whose servers are found, in one worker. */
import type { ServerConfig } from "../../api/config.ts";
import type { Discovery } from "../../api/discovery.ts";
import type { PoolHost } from "../../api/protocol-module.ts";
import type { Topology } from "../../api/topology.ts";
import { DiscoveredTopology } from "./discovered-topology.ts";
import { DiscoveryWatch } from "./discovery-watch.ts";
import { readKept } from "./kept-servers.ts";

export interface Discovered {
  readonly topology: Topology;
  /** `callback` is called when the servers are known, or cannot be found out for now; maybe at once. */
  whenKnown(callback: () => void): void;
}

/** Null: the pool finds its servers in another way. */
export function discover(host: PoolHost): Discovered | null {
  const { discovery = null, servers } = host.config;
  const source = discovery?.source ?? null;
  if (discovery === null || source === null) return null;
  const kept = keptServers(host, discovery);
  const isOfNames = source.kind === "names";
  const topology = new DiscoveredTopology(
    isOfNames ? placedAs(servers, kept) : kept,
    host.config.spares,
  );
  const watch = new DiscoveryWatch(host, discovery, source, topology, kept.length > 0);
  return { topology, whenKnown: (callback) => watch.whenKnown(callback) };
}

function keptServers(host: PoolHost, { keep }: Discovery): readonly ServerConfig[] {
  if (keep === null) return [];
  try {
    return readKept(keep);
  } catch (error) {
    host.log.warn("the servers that were kept are not used", {
      file: keep,
      reason: (error as Error).message,
    });
    return [];
  }
}

/** `servers`, each where `kept` says it is. */
function placedAs(
  servers: readonly ServerConfig[],
  kept: readonly ServerConfig[],
): readonly ServerConfig[] {
  return servers.map((server) => {
    const address = kept.find(({ name }) => name === server.name)?.address;
    return address === undefined ? server : { ...server, address };
  });
}
