/** The connections to one server that all clients share, by kind. Those of a kind are made when they are first asked for. */
import type { UpstreamProtocol } from "../api/protocol.ts";
import type { ConnectionKind, Failure, Link } from "../api/upstream.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { ConnectionPlan } from "./connection-plan.ts";
import { createSharedConnection } from "./shared-connection.ts";

export interface SharedConnectionsOptions {
  readonly owner: ConnectionOwner;
  readonly plan: ConnectionPlan;
  /** By kind. May grow. */
  readonly protocols: readonly UpstreamProtocol[];
  /** What clients get in place of a connection; null: the connection itself. */
  readonly decorate: ((link: Link, kind: ConnectionKind, index: number) => Link) | null;
}

export class SharedConnections {
  all: readonly Connection[] = [];
  private readonly options: SharedConnectionsOptions;
  // By kind: connections, and what leads to them, in their order.
  private readonly byKind: (readonly Connection[] | undefined)[] = [];
  private readonly links: (readonly Link[] | undefined)[] = [];

  constructor(options: SharedConnectionsOptions) {
    this.options = options;
  }

  /** See Upstream.connection. */
  link(lane: number, kind: ConnectionKind): Link {
    const links = this.links[kind] ?? this.add(kind);
    return links.length === 1 ? links[0]! : links[lane % links.length]!;
  }

  private add(kind: ConnectionKind): readonly Link[] {
    const { owner, plan, protocols, decorate } = this.options;
    const connections = Array.from({ length: plan.connectionsOf(kind) }, () =>
      createSharedConnection(owner, protocols[kind]!),
    );
    const links =
      decorate === null
        ? connections
        : connections.map((connection, index) => decorate(connection, kind, index));
    this.byKind[kind] = connections;
    this.links[kind] = links;
    this.all = [...this.all, ...connections];
    return links;
  }

  /**
   * Closes those of `kind`, because its number will stand for something else.
   * @returns false: requests are on them, so nothing was done
   */
  forget(kind: ConnectionKind, sent: Failure, unsent: Failure): boolean {
    const forgotten = this.byKind[kind] ?? [];
    if (forgotten.some((connection) => connection.pendingCount > 0)) return false;
    for (const connection of forgotten) connection.close(sent, unsent);
    this.byKind[kind] = undefined;
    this.links[kind] = undefined;
    this.all = this.all.filter((connection) => !forgotten.includes(connection));
    return true;
  }

  /** Requests that wait for a reply. */
  get pendingCount(): number {
    return this.all.reduce((sum, connection) => sum + connection.pendingCount, 0);
  }
}
