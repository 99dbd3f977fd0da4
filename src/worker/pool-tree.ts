/** The tree of a pool whose requests go to other pools, and what it uses of those. */
import type { ProtocolPool } from "../api/protocol-module.ts";
import type { RouteNode } from "../api/route-node.ts";
import type { ConnectionKind, Route } from "../api/upstream.ts";
import { buildTree } from "../route/tree/build.ts";
import { KindsOfLeaf } from "../route/tree/leaf-kinds.ts";
import type { TreeRoute } from "../route/tree/tree-route.ts";

/** A pool that a tree leads to. */
export interface LeafPlane {
  readonly config: { readonly name: string };
  readonly route: Route;
  readonly protocol: ProtocolPool;
  /** `callback` is called after each change of `route`, for as long as both pools are there. */
  whenRouteChanges(callback: () => void): void;
}

export class PoolTree {
  readonly route: TreeRoute;
  private readonly kinds: Map<string, KindsOfLeaf> = new Map();

  /**
   * @param protocol of the pool itself, which may not be made yet
   * @param onChange `route` has changed
   */
  constructor(
    node: RouteNode,
    leafOf: (pool: string) => LeafPlane,
    protocol: () => ProtocolPool,
    onChange: () => void,
  ) {
    this.route = buildTree(node, (name) => {
      const leaf = leafOf(name);
      let kinds = this.kinds.get(name);
      if (kinds === undefined) {
        kinds = new KindsOfLeaf(protocol, leaf.protocol);
        this.kinds.set(name, kinds);
        leaf.whenRouteChanges(() => {
          this.route.refresh();
          onChange();
        });
      }
      return { name, route: leaf.route, kinds };
    });
  }

  /** The number will stand for something else. */
  forget(kind: ConnectionKind): void {
    this.route.forget(kind);
    for (const kinds of this.kinds.values()) kinds.forget(kind);
  }
}
