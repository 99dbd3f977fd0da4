/** A pool whose servers are a Redis Cluster: what makes it one, in one worker. */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { ConnectionKind, DecorateLink } from "../../../api/upstream.ts";
import type { CommandTable } from "../commands/command-table.ts";
import { ClusterTopology } from "./cluster-topology.ts";
import { ClusterWatch } from "./cluster-watch.ts";
import type { Redirection } from "./redirection.ts";
import { Redirector } from "./redirector.ts";

export class Cluster {
  readonly topology: ClusterTopology;
  readonly decorate: DecorateLink;
  private readonly redirector: Redirector;
  private readonly watch: ClusterWatch;

  /** @param seeds addresses of nodes, as a configuration has them */
  constructor(host: PoolHost, seeds: readonly string[], commands: CommandTable) {
    this.topology = new ClusterTopology(seeds);
    this.redirector = new Redirector(host, this.topology, commands);
    this.decorate = this.redirector.decorate;
    this.watch = new ClusterWatch(host, this.topology);
    this.redirector.onSuspicion = () => this.watch.want();
    this.watch.onKnown = () => this.redirector.onKnown();
  }

  /** A node has said over a connection of one client's own, with `error` (borrowed), that it is not the one. */
  note(error: Buffer, server: string): Redirection | null {
    return this.redirector.note(error, server);
  }

  /** A node that has no slot so far is to be asked. */
  admit(server: string): void {
    this.topology.admit(server);
  }

  /** Requests of that kind wait to be sent again. */
  holds(kind: ConnectionKind): boolean {
    return this.redirector.hasParked(kind);
  }

  onRouteChange(): void {
    this.redirector.onRouteChange();
  }

  close(): void {
    this.watch.close();
    this.redirector.close();
  }
}
