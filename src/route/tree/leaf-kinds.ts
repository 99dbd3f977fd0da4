/** Kinds of connections have numbers of their own in each pool: what a kind of one pool is called in another. */
import type { ProtocolPool } from "../../api/protocol-module.ts";
import { type ConnectionKind, NO_KIND } from "../../api/upstream.ts";
import type { LeafKinds } from "./branch.ts";

type Pool = Pick<ProtocolPool, "holdKindOf" | "releaseKind">;

export class KindsOfLeaf implements LeafKinds {
  private readonly outer: () => ProtocolPool;
  private readonly leaf: Pool;
  /** By kind of the outer pool; undefined: it was not needed so far. */
  private readonly known: (ConnectionKind | undefined)[] = [];

  /**
   * @param outer the pool whose kinds are asked for; it may not be made yet
   * @param leaf that whose names for them are wanted
   */
  constructor(outer: () => ProtocolPool, leaf: Pool) {
    this.outer = outer;
    this.leaf = leaf;
  }

  of(kind: ConnectionKind): ConnectionKind {
    return this.known[kind] ?? this.find(kind);
  }

  /** The number will stand for something else in the outer pool. */
  forget(kind: ConnectionKind): void {
    const known = this.known[kind];
    if (known === undefined) return;
    this.known[kind] = undefined;
    this.leaf.releaseKind?.(known);
  }

  private find(kind: ConnectionKind): ConnectionKind {
    // Without such a table numbers mean the same in all pools.
    const found = this.leaf.holdKindOf?.(this.outer(), kind) ?? kind;
    if (found !== NO_KIND) this.known[kind] = found;
    return found;
  }
}
