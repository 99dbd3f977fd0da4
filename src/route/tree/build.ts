/** From the tree of a configuration to what requests are routed by. */
import type { RouteNode } from "../../api/route-node.ts";
import { AccessBranch } from "./access-branch.ts";
import type { Branch, LeafPool } from "./branch.ts";
import { CommandBranch } from "./command-branch.ts";
import { LeafBranch } from "./leaf-branch.ts";
import { PrefixBranch } from "./prefix-branch.ts";
import { TreeRoute } from "./tree-route.ts";

/** @param leafOf the pool of that name, the same object each time */
export function buildTree(node: RouteNode, leafOf: (pool: string) => LeafPool): TreeRoute {
  return new TreeRoute(new Builder(leafOf).build(node));
}

class Builder {
  private readonly leafOf: (pool: string) => LeafPool;
  private leaves = 0;
  private ids = 0;
  /** How many leaves a pool has so far. */
  private readonly places: Map<string, number> = new Map();

  constructor(leafOf: (pool: string) => LeafPool) {
    this.leafOf = leafOf;
  }

  build(node: RouteNode): Branch {
    switch (node.kind) {
      case "pool":
        return this.leaf(node.pool);
      case "prefix":
        return new PrefixBranch(
          node.prefixes.map(({ prefix, to }) => ({
            prefix: Buffer.from(prefix),
            to: this.build(to),
          })),
          this.build(node.rest),
        );
      case "access":
        return new AccessBranch(this.build(node.read), this.build(node.write));
      case "command":
        return new CommandBranch(
          node.commands.map(({ names, to }) => ({ names, to: this.build(to) })),
          this.build(node.rest),
        );
    }
  }

  private leaf(pool: string): LeafBranch {
    const place = this.places.get(pool) ?? 0;
    this.places.set(pool, place + 1);
    return new LeafBranch({
      ...{ leaf: this.leafOf(pool), number: this.leaves++, place },
      nextId: () => this.ids++,
    });
  }
}
