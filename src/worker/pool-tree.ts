/** The tree of a pool whose requests go to other pools, and what it uses of those. */
import type { ProtocolPool } from "../api/protocol-module.ts";
import type { RouteNode } from "../api/route-node.ts";
import type { ConnectionKind } from "../api/upstream.ts";
import { assert } from "../base/assert.ts";
import type { Deadlines } from "../base/deadlines.ts";
import type { Turn } from "../base/turn.ts";
import { InnerClient } from "../route/link/inner-client.ts";
import { ROUTE_METRICS } from "../route/route-metrics.ts";
import type { LeafPool } from "../route/tree/branch.ts";
import { buildTree } from "../route/tree/build.ts";
import { KindsOfLeaf } from "../route/tree/leaf-kinds.ts";
import type { LinkTools } from "../route/tree/link-tools.ts";
import type { TreeRoute } from "../route/tree/tree-route.ts";
import type { LeafPlane } from "./leaf-plane.ts";
import type { PoolPlaneOptions } from "./pool-plane-options.ts";

export interface PoolTreeOptions {
  readonly turn: Turn;
  readonly deadlines: Deadlines;
  /** See Engine. */
  readonly epochMs: () => number;
  readonly leafOf: (pool: string) => LeafPlane;
  /** Of the pool itself, which may not be made yet. */
  readonly protocol: () => ProtocolPool;
  readonly add: LinkTools["add"];
}

/**
 * Null: the pool has servers of its own.
 * @param protocol of the pool, which may not be made yet
 * @param onChange its route has changed
 */
export function createTree(
  { pool, turn, engine, deadlines, leafOf, metrics }: PoolPlaneOptions,
  protocol: () => ProtocolPool,
  onChange: () => void,
): PoolTree | null {
  if (pool.route == null) return null;
  assert(leafOf !== undefined, "the pools that a route leads to are there");
  const counts = metrics.open(ROUTE_METRICS, { pool: pool.name });
  const add: LinkTools["add"] = (counter, by) => counts.add(counter, by);
  const { epochMs } = engine;
  const options = { turn, deadlines, epochMs, leafOf, protocol, add };
  return new PoolTree(pool.route, options, onChange);
}

function toolsOf({ turn, deadlines, epochMs, protocol, add }: PoolTreeOptions): LinkTools {
  const createScanner: LinkTools["createScanner"] = (kind) =>
    protocol().serverProtocols[kind]!.createReplyScanner();
  return {
    ...{ turn, deadlines, createScanner },
    createInner: (route, lane, kind) =>
      new InnerClient({
        ...{ turn, lane },
        createFrontend: (client) => {
          const frontend = protocol().createInnerFrontend?.(client, route, kind);
          assert(frontend !== undefined, "pools of the protocol may have routes");
          return frontend;
        },
        createScanner: () => createScanner(kind),
      }),
    createTtlCap: (kind, seconds) => {
      const cap = protocol().createTtlCap?.(kind, seconds, epochMs);
      assert(cap !== undefined, "pools of the protocol may have routes");
      return cap;
    },
    createKeyCut: (prefix) => {
      const cut = protocol().createKeyCut?.(prefix);
      assert(cut !== undefined, "keys of the protocol may be cut");
      return cut;
    },
    createReader: (kind) => {
      const reader = protocol().createRequestReader?.(kind);
      assert(reader !== undefined, "pools of the protocol may have routes");
      return reader;
    },
    add,
  };
}

export class PoolTree {
  readonly route: TreeRoute;
  private readonly kinds: Map<string, KindsOfLeaf> = new Map();

  /**
   * @param onChange `route` has changed
   */
  constructor(node: RouteNode, options: PoolTreeOptions, onChange: () => void) {
    const { leafOf, protocol } = options;
    const leafPool = (name: string): LeafPool => {
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
    };
    this.route = buildTree(node, leafPool, toolsOf(options));
  }

  /** The number will stand for something else. */
  forget(kind: ConnectionKind): void {
    this.route.forget(kind);
    for (const kinds of this.kinds.values()) kinds.forget(kind);
  }
}
