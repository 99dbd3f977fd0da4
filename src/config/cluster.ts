/** A pool whose servers are a cluster: the nodes to begin with, and what else the pool may say. */
import type { PoolConfig, ServerConfig } from "../api/config.ts";
import { formatAddress, parseServerAddress } from "./address.ts";
import type { MapNode } from "./document.ts";
import type { ProtocolOptions } from "./options.ts";
import { quote } from "./problem.ts";
import type { Scope, Values } from "./scope.ts";

/** They say where keys are, or what becomes of those of a server that is down: a cluster decides that itself. */
const DECIDED_BY_CLUSTER = ["hash", "hash_char", "hash_tag", "distribution", "auto_eject_hosts"];

/** Whether the map of a pool names a cluster. */
export function namesCluster(map: MapNode, protocol: ProtocolOptions | null): boolean {
  const name = protocol?.clusterOption;
  return name !== undefined && map.entries.some(({ key }) => key === name);
}

/** The nodes that the file names, in the place of servers. */
export function readSeeds(scope: Scope, values: Values, option: string): ServerConfig[] {
  const { problems, label, path } = scope;
  const node = values.node(option);
  const texts = values.peek(option);
  if (values.node("servers") !== undefined) {
    const message = `${label}${option} stands in place of "servers": a pool has one of the two`;
    problems.error(values.offsetOf("servers"), `${path}servers`, message);
  }
  if (!Array.isArray(texts)) return [];
  if (texts.length === 0) {
    const message = `${label}${option}: expected addresses of nodes such as [10.0.0.1:7000], found an empty list`;
    problems.error(values.offsetOf(option), `${path}${option}`, message);
  }
  const servers: ServerConfig[] = [];
  for (const [index, text] of (texts as readonly string[]).entries()) {
    const address = parseServerAddress(text);
    const item = node?.kind === "list" ? node.items[index] : undefined;
    const offset = item?.offset ?? values.offsetOf(option);
    if (typeof address === "string" || address.kind === "unix") {
      const fault = typeof address === "string" ? address : "nodes of a cluster are host:port";
      problems.error(
        offset,
        `${path}${option}[${index}]`,
        `${label}${option} ${quote(text)}: ${fault}`,
      );
      continue;
    }
    const name = formatAddress(address);
    if (servers.some((server) => server.name === name)) {
      problems.error(
        offset,
        `${path}${option}[${index}]`,
        `${label}${option}: ${name} is here twice`,
      );
    } else servers.push({ name, address, weight: 1 });
  }
  return servers;
}

/** What the pool says although its cluster decides it. */
export function checkCluster(scope: Scope, values: Values, option: string): void {
  const { problems, label, path } = scope;
  for (const name of DECIDED_BY_CLUSTER) {
    if (values.node(name) === undefined || !values.peek(name)) continue;
    const message = `${label}${name} has no effect with ${option}: the cluster decides where keys are`;
    problems.warn(values.offsetOf(name), `${path}${name}`, message);
  }
}

/** Where keys are in a cluster. */
export const CLUSTER_PLACEMENT: Pick<
  PoolConfig,
  "hash" | "hashSignedChar" | "hashTag" | "distribution" | "autoEjectHosts"
> = {
  hash: "crc16_slot",
  hashSignedChar: false,
  hashTag: "{}",
  distribution: "modula",
  autoEjectHosts: false,
};
