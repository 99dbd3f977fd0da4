/** Servers that were found: those that a source names, and those that it named and that have not left. */
import type { ServerConfig } from "../../api/config.ts";
import type { Member, Topology } from "../../api/topology.ts";
import { sortServers } from "../../base/sort-servers.ts";
import { memberOf } from "../static.ts";
import { keyOf } from "./changes.ts";

/** Stands for the servers while none is known. Its address is one that has to be asked for. */
const UNKNOWN: ServerConfig = {
  name: "(not found so far)",
  address: { kind: "tcp", host: "not found so far", port: 0 },
  weight: 1,
};

export class DiscoveredTopology implements Topology {
  members: readonly Member[];
  readonly spares: readonly Member[];
  epoch = 0;
  /** In ring order; empty: none is known. */
  servers: readonly ServerConfig[] = [];
  /** Told when the watch is to end. */
  onClose: () => void = () => {};
  private onChange: () => void = () => {};

  /** @param spares that the configuration lists */
  constructor(servers: readonly ServerConfig[], spares: readonly ServerConfig[] = []) {
    this.spares = spares.map(memberOf);
    this.servers = sortServers(servers);
    this.members = membersOf(this.servers);
  }

  watch(onChange: () => void): void {
    this.onChange = onChange;
  }

  close(): void {
    this.onClose();
  }

  /** @param servers at least one */
  apply(servers: readonly ServerConfig[]): void {
    const sorted = sortServers(servers);
    if (sorted.map(keyOf).join() === this.servers.map(keyOf).join()) return;
    this.servers = sorted;
    this.members = membersOf(sorted);
    this.epoch++;
    this.onChange();
  }
}

function membersOf(servers: readonly ServerConfig[]): readonly Member[] {
  return (servers.length === 0 ? [UNKNOWN] : servers).map((server) => {
    const { id } = memberOf(server);
    // With another share of the keys it is another server.
    return { id: server.weight === 1 ? id : `${id} ${server.weight}`, server };
  });
}
