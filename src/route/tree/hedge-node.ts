/** `main` and `hedge` of a tree. */
import type { HedgeNode } from "../../api/route-node.ts";
import { HEDGES_SAVED_MAX } from "../../base/limits.ts";
import { HedgeLink } from "../link/hedge-link.ts";
import { ShareBudget } from "../link/share-budget.ts";
import type { DecorateBranchLink } from "./decorated-upstream.ts";
import type { LinkTools } from "./link-tools.ts";
import type { TreeRoute } from "./tree-route.ts";

export function hedgeLinks(
  { afterMs, budget: share }: HedgeNode,
  other: TreeRoute,
  tools: LinkTools,
): DecorateBranchLink {
  const { turn, deadlines } = tools;
  const budget = new ShareBudget(share, HEDGES_SAVED_MAX);
  const counts = {
    hedged: () => tools.add("hedged", 1),
    won: () => tools.add("hedge_won", 1),
    unhedged: () => tools.add("hedge_over_budget", 1),
  };
  return (main, lane, kind) =>
    new HedgeLink({
      ...{ main, afterMs, budget, turn, deadlines, counts, reader: tools.createReader(kind) },
      createInner: () => tools.createInner(other, lane, kind),
    });
}
