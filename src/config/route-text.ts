/** A pool's `route` in words, for humans. */
import { branchesOf, type RouteNode } from "../api/route-node.ts";

/** One line for each node, those below another indented. */
export function routeLines(node: RouteNode): string[] {
  if (node.kind === "pool") return [`pool ${node.pool}`];
  return branchesOf(node).flatMap(([name, to]) => {
    const [first = "", ...rest] = routeLines(to);
    if (to.kind === "pool") return [`${name}: ${first}`];
    return [`${name}:`, ...[first, ...rest].map((line) => `  ${line}`)];
  });
}

/** All in one line. */
export function routeText(node: RouteNode | null | undefined): string {
  if (node == null) return "none";
  if (node.kind === "pool") return `pool ${node.pool}`;
  return `(${branchesOf(node)
    .map(([name, to]) => `${name}: ${routeText(to)}`)
    .join("; ")})`;
}
