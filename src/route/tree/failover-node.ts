/** `main` and `failover`, or `gutter`, of a tree. */
import type { FailoverNode } from "../../api/route-node.ts";
import { RETRIES_SAVED_MAX, RETRY_SHARE } from "../../base/limits.ts";
import { FailoverLink } from "../link/failover-link.ts";
import { ShareBudget } from "../link/share-budget.ts";
import type { DecorateBranchLink } from "./decorated-upstream.ts";
import type { LinkTools } from "./link-tools.ts";
import type { TreeRoute } from "./tree-route.ts";

export function failoverLinks(
  { onMisses, ttlMs }: FailoverNode,
  other: TreeRoute,
  tools: LinkTools,
): DecorateBranchLink {
  const budget = new ShareBudget(RETRY_SHARE, RETRIES_SAVED_MAX);
  return (main, lane, kind) =>
    new FailoverLink({
      ...{ main, onMisses, budget, reader: tools.createReader(kind) },
      cap: ttlMs === null ? null : tools.createTtlCap(kind, ttlMs / 1000),
      createInner: () => tools.createInner(other, lane, kind),
      count: (requests) => tools.add("failovers", requests),
      onOverBudget: () => tools.add("failover_over_budget", 1),
    });
}
