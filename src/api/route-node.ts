/**
 * The tree of `route:` of a pool: which other pool a request goes to, and what is done on the way. Plain JSON data, as the configuration
 * that it is a part of.
 */

/** Leads to the servers of another pool, whose ring, connections and health are used. */
export interface PoolLeaf {
  readonly kind: "pool";
  readonly pool: string;
}

/** By the beginning of the key: the longest of `prefixes` that it has. */
export interface PrefixNode {
  readonly kind: "prefix";
  readonly prefixes: readonly { readonly prefix: string; readonly to: RouteNode }[];
  readonly rest: RouteNode;
}

/** To `to`, without the prefix by which it came there. Right below a PrefixNode. */
export interface CutNode {
  readonly kind: "cut";
  readonly prefix: string;
  readonly to: RouteNode;
}

/** What only reads goes to another place than what may write. */
export interface AccessNode {
  readonly kind: "access";
  readonly read: RouteNode;
  readonly write: RouteNode;
}

/** By name of the command. */
export interface CommandNode {
  readonly kind: "command";
  /** Names in upper case: "CONTAINER|SUBCOMMAND" for one that has two words. */
  readonly commands: readonly { readonly names: readonly string[]; readonly to: RouteNode }[];
  readonly rest: RouteNode;
}

/** To `main`, and what fails there to `other`. */
export interface FailoverNode {
  readonly kind: "failover";
  readonly main: RouteNode;
  readonly other: RouteNode;
  /** Reads that find nothing go to `other`, too. */
  readonly onMisses: boolean;
  /** Not null: `other` is a gutter, in which nothing that is written lasts longer. */
  readonly ttlMs: number | null;
}

/** To `main`, and a copy to `other`, whose replies no client gets. */
export interface MirrorNode {
  readonly kind: "mirror";
  readonly main: RouteNode;
  readonly other: RouteNode;
  /** Of keys, from 0 to 1. */
  readonly share: number;
  /** Replies are compared. */
  readonly compares: boolean;
}

/** Reads to `main`, and what may write to `other`, too. */
export interface AllNode {
  readonly kind: "all";
  readonly main: RouteNode;
  readonly other: RouteNode;
  /** The client is answered when both have; an error or failure of any of them is its reply. False: `main` alone decides. */
  readonly waits: boolean;
}

/** To `main`, and reads that are late to `other`, too: the first value is the reply. */
export interface HedgeNode {
  readonly kind: "hedge";
  readonly main: RouteNode;
  readonly other: RouteNode;
  readonly afterMs: number;
  /** So many of all reads at the most, from 0 to 1. */
  readonly budget: number;
}

export type RouteNode =
  | PoolLeaf
  | PrefixNode
  | CutNode
  | AccessNode
  | CommandNode
  | FailoverNode
  | MirrorNode
  | AllNode
  | HedgeNode;

/** The nodes right below `node`, each with what it is there. */
export function branchesOf(node: RouteNode): readonly (readonly [name: string, to: RouteNode])[] {
  switch (node.kind) {
    case "pool":
      return [];
    case "prefix":
      return [
        ...node.prefixes.map(({ prefix, to }) => [`prefix "${prefix}"`, to] as const),
        ["default", node.rest],
      ];
    case "cut":
      return [["without it", node.to]];
    case "access":
      return [
        ["read", node.read],
        ["write", node.write],
      ];
    case "failover":
      return [
        ["main", node.main],
        [failoverText(node), node.other],
      ];
    case "mirror":
      return [
        ["main", node.main],
        [mirrorText(node), node.other],
      ];
    case "all":
      return [
        ["main", node.main],
        [node.waits ? "writes, too" : "writes, too, the first decides", node.other],
      ];
    case "hedge":
      return [
        ["main", node.main],
        [hedgeText(node), node.other],
      ];
    case "command":
      return [
        ...node.commands.map(({ names, to }) => [`command ${names.join(", ")}`, to] as const),
        ["default", node.rest],
      ];
  }
}

function failoverText({ onMisses, ttlMs }: FailoverNode): string {
  if (ttlMs !== null) return `gutter, for ${ttlMs / 1000}s at most`;
  return onMisses ? "failover, on misses, too" : "failover";
}

function mirrorText({ share, compares }: MirrorNode): string {
  const part = share < 1 ? ` of ${Math.round(share * 10_000) / 100}% of keys` : "";
  return `mirror${part}${compares ? ", compared" : ""}`;
}

function hedgeText({ afterMs, budget }: HedgeNode): string {
  return `reads that are late by ${afterMs}ms, of all reads ${Math.round(budget * 10_000) / 100}% at most`;
}

/** The names of all pools that the tree leads to, each once, in the order of the tree. */
export function poolsOf(node: RouteNode): readonly string[] {
  if (node.kind === "pool") return [node.pool];
  return [...new Set(branchesOf(node).flatMap(([, to]) => poolsOf(to)))];
}
