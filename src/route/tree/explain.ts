/** Which way a request goes through a tree, and why: from the configuration alone. */
import { poolsOf, type RouteNode } from "../../api/route-node.ts";
import { PrefixTree } from "./prefix-tree.ts";

/** What is known of the request. */
export interface ExplainedRequest {
  readonly key: Buffer;
  readonly isRead: boolean;
  /** In upper case; "": not known. */
  readonly command: string;
}

export interface TreePath {
  /** One for each node, in words. */
  readonly steps: readonly string[];
  readonly pool: string;
  /** As it is called there. */
  readonly key: Buffer;
}

export function explainPath(node: RouteNode, request: ExplainedRequest): TreePath {
  const steps: string[] = [];
  let at = node;
  let { key } = request;
  while (at.kind !== "pool") {
    if (at.kind === "cut") {
      key = key.subarray(Buffer.byteLength(at.prefix));
      steps.push("cut");
      at = at.to;
      continue;
    }
    const [step, to] = next(at, { ...request, key });
    steps.push(step);
    at = to;
  }
  return { steps, pool: at.pool, key };
}

function next(
  node: Exclude<RouteNode, { kind: "pool" | "cut" }>,
  { key, isRead, command }: ExplainedRequest,
): readonly [step: string, to: RouteNode] {
  switch (node.kind) {
    case "prefix": {
      const tree = new PrefixTree(node.prefixes.map(({ prefix }) => Buffer.from(prefix)));
      const found = node.prefixes[tree.find(key, 0, key.length)];
      return found === undefined
        ? ["no prefix", node.rest]
        : [`prefix "${found.prefix}"`, found.to];
    }
    case "access":
      return isRead ? ["read", node.read] : ["write", node.write];
    case "failover":
      return [`main, then ${poolsOf(node.other).join(", ")} if that fails`, node.main];
    case "mirror":
      return [`main, and a copy to ${poolsOf(node.other).join(", ")}`, node.main];
    case "all": {
      const others = poolsOf(node.other).join(", ");
      return [isRead ? "main" : `main, and written to ${others}, too`, node.main];
    }
    case "hedge": {
      const others = poolsOf(node.other).join(", ");
      return [isRead ? `main, and ${others} if that is late` : "main", node.main];
    }
    case "command": {
      const found = node.commands.find(({ names }) => names.includes(command));
      return found === undefined ? ["other command", node.rest] : [`command ${command}`, found.to];
    }
  }
}
