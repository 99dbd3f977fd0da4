/**
 * The connections to one server that all clients share, by kind. Those of a kind are made when they are first asked for; others beside
 * them when heavy clients ask, see `src/api/lane.ts`.
 */
import { HEAVY_LANES, heavyLane, plainLane } from "../api/lane.ts";
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

/** Connections that sessions of the same lanes have, by kind. */
interface Group {
  readonly isHeavy: boolean;
  readonly connections: (readonly Connection[] | undefined)[];
  /** What leads to them, in their order. */
  readonly links: (readonly Link[] | undefined)[];
}

export class SharedConnections {
  all: readonly Connection[] = [];
  private readonly options: SharedConnectionsOptions;
  private readonly plain: Group = { isHeavy: false, connections: [], links: [] };
  private readonly heavy: Group = { isHeavy: true, connections: [], links: [] };

  constructor(options: SharedConnectionsOptions) {
    this.options = options;
  }

  /** See Upstream.connection. */
  link(lane: number, kind: ConnectionKind): Link {
    const group = lane < HEAVY_LANES ? this.plain : this.heavy;
    const links = group.links[kind] ?? this.add(group, kind);
    return links.length === 1 ? links[0]! : links[plainLane(lane) % links.length]!;
  }

  private add({ isHeavy, connections, links }: Group, kind: ConnectionKind): readonly Link[] {
    const { owner, plan, protocols, decorate } = this.options;
    const added = Array.from({ length: plan.connectionsOf(kind, isHeavy) }, () =>
      createSharedConnection(owner, protocols[kind]!, isHeavy),
    );
    connections[kind] = added;
    links[kind] =
      decorate === null
        ? added
        : added.map((each, i) => decorate(each, kind, isHeavy ? heavyLane(i) : i));
    this.all = [...this.all, ...added];
    return links[kind];
  }

  /**
   * Closes those of `kind`, because its number will stand for something else.
   * @returns false: requests are on them, so nothing was done
   */
  forget(kind: ConnectionKind, sent: Failure, unsent: Failure): boolean {
    const groups = [this.plain, this.heavy];
    const forgotten = groups.flatMap(({ connections }) => connections[kind] ?? []);
    if (forgotten.some((connection) => connection.pendingCount > 0)) return false;
    for (const connection of forgotten) connection.close(sent, unsent);
    for (const { connections, links } of groups) {
      connections[kind] = undefined;
      links[kind] = undefined;
    }
    this.all = this.all.filter((connection) => !forgotten.includes(connection));
    return true;
  }

  /** Requests that wait for a reply. */
  get pendingCount(): number {
    return this.all.reduce((sum, connection) => sum + connection.pendingCount, 0);
  }
}
