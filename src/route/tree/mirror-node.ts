/** `main` and `mirror` of a tree. */

import type { ReplyScanner } from "../../api/protocol.ts";
import type { MirrorNode } from "../../api/route-node.ts";
import { Comparison } from "../link/comparison.ts";
import { MirrorLink } from "../link/mirror-link.ts";
import type { DecorateBranchLink } from "./decorated-upstream.ts";
import type { LinkTools } from "./link-tools.ts";
import type { TreeRoute } from "./tree-route.ts";

export function mirrorLinks(
  { share, compares }: MirrorNode,
  other: TreeRoute,
  tools: LinkTools,
): DecorateBranchLink {
  const counts = {
    mirrored: (requests: number) => tools.add("mirrored", requests),
    dropped: (requests: number) => tools.add("mirror_dropped", requests),
    same: () => tools.add("mirror_same", 1),
    different: () => tools.add("mirror_different", 1),
  };
  return (main, lane, kind) =>
    new MirrorLink({
      ...{ main, share, counts, reader: tools.createReader(kind) },
      createInner: () => tools.createInner(other, lane, kind),
      comparison: compares ? new Comparison(counts, digestOf(tools.createScanner(kind))) : null,
    });
}

function digestOf(
  scanner: ReplyScanner,
): ((bytes: Buffer, start: number, end: number) => number) | undefined {
  if (scanner.digestOf === undefined) return;
  return (bytes, start, end) => scanner.digestOf?.(bytes, start, end) ?? 0;
}
