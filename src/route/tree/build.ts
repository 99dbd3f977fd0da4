/** From the tree of a configuration to what requests are routed by. */
import type {
  AllNode,
  FailoverNode,
  HedgeNode,
  MirrorNode,
  RouteNode,
} from "../../api/route-node.ts";
import { AccessBranch } from "./access-branch.ts";
import { allLinks } from "./all-node.ts";
import type { Branch, LeafPool } from "./branch.ts";
import { CommandBranch } from "./command-branch.ts";
import { CutBranch, cutLinks } from "./cut-branch.ts";
import type { DecorateBranchLink } from "./decorated-upstream.ts";
import { failoverLinks } from "./failover-node.ts";
import { hedgeLinks } from "./hedge-node.ts";
import { LeafBranch } from "./leaf-branch.ts";
import { LinkBranch } from "./link-branch.ts";
import type { LinkTools } from "./link-tools.ts";
import { mirrorLinks } from "./mirror-node.ts";
import { PrefixBranch } from "./prefix-branch.ts";
import { TreeRoute } from "./tree-route.ts";

/** @param leafOf the pool of that name, the same object each time */
export function buildTree(
  node: RouteNode,
  leafOf: (pool: string) => LeafPool,
  tools: LinkTools,
): TreeRoute {
  return new TreeRoute(new Builder(leafOf, tools).build(node));
}

class Builder {
  private readonly leafOf: (pool: string) => LeafPool;
  private readonly tools: LinkTools;
  private leaves = 0;
  /** Nodes that act, so far. */
  private acting = 0;
  private ids = 0;
  /** How many leaves a pool has so far. */
  private readonly places: Map<string, number> = new Map();

  constructor(leafOf: (pool: string) => LeafPool, tools: LinkTools) {
    this.leafOf = leafOf;
    this.tools = tools;
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
      case "cut": {
        const prefix = Buffer.from(node.prefix);
        return new CutBranch({
          ...{ prefix, to: this.build(node.to), decorate: cutLinks(prefix, this.tools) },
          suffix: `cut ${this.acting++}`,
          nextId: () => this.ids++,
        });
      }
      case "access":
        return new AccessBranch(this.build(node.read), this.build(node.write));
      case "failover":
        return this.acts(node, (other) => failoverLinks(node, other, this.tools));
      case "mirror":
        return this.acts(node, (other) => mirrorLinks(node, other, this.tools));
      case "all":
        return this.acts(node, (other) => allLinks(node, other, this.tools));
      case "hedge":
        return this.acts(node, (other) => hedgeLinks(node, other, this.tools));
      case "command":
        return new CommandBranch(
          node.commands.map(({ names, to }) => ({ names, to: this.build(to) })),
          this.build(node.rest),
        );
    }
  }

  private acts(
    node: FailoverNode | MirrorNode | AllNode | HedgeNode,
    linksOf: (other: TreeRoute) => DecorateBranchLink,
  ): LinkBranch {
    const other = new TreeRoute(this.build(node.other));
    return new LinkBranch({
      ...{ main: this.build(node.main), other, decorate: linksOf(other) },
      suffix: `${node.kind} ${this.acting++}`,
      takesOver: node.kind === "failover",
      writesBoth: node.kind === "all",
      nextId: () => this.ids++,
    });
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
