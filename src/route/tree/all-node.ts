/** `all` of a tree: a pool, and one more that gets what is written there. */
import type { AllNode } from "../../api/route-node.ts";
import { AllLink } from "../link/all-link.ts";
import type { DecorateBranchLink } from "./decorated-upstream.ts";
import type { LinkTools } from "./link-tools.ts";
import type { TreeRoute } from "./tree-route.ts";

export function allLinks(
  { waits }: AllNode,
  other: TreeRoute,
  tools: LinkTools,
): DecorateBranchLink {
  const count = (requests: number, failed: number): void => {
    if (requests > 0) tools.add("written_to_all", requests);
    if (failed > 0) tools.add("written_to_all_failed", failed);
  };
  return (main, lane, kind) =>
    new AllLink({
      ...{ main, waits, count, reader: tools.createReader(kind), turn: tools.turn },
      createInner: () => tools.createInner(other, lane, kind),
    });
}
