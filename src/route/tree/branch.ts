/** What the nodes of a `route:` become: each chooses among the nodes below it, and leaves give a server. */
import type { Access, RequestFacts } from "../../api/request-facts.ts";
import type { ConnectionKind, Route, Upstream } from "../../api/upstream.ts";

/** A server of another pool, at one place of a tree. */
export interface TreeUpstream extends Upstream {
  /** As its own pool has it: the same one at whatever place. */
  readonly server: Upstream;
}

export interface Branch {
  /** Keys belong to slots in some pool below, see Route. */
  readonly isSlotted: boolean;
  readonly isStable: boolean;
  /** See Route. */
  pick(request: RequestFacts): TreeUpstream | null;
  /** A number that no other slot of any pool below has, see Route. */
  slotOf(request: RequestFacts): number;
  /** Where what concerns all servers goes if it has such access, in the order of the tree; a server may be there several times. */
  upstreams(access: Access): readonly TreeUpstream[];
  /** These, and all that `pick` may give. */
  all(): readonly TreeUpstream[];
  /** The names of the pools at its leaves; one may be at several. */
  leaves(): readonly string[];
  /** Servers have come to a pool below or left it. */
  refresh(): void;
  /** The number of a kind of connections will stand for something else. */
  forget(kind: ConnectionKind): void;
}

/** Another pool, as a tree leads to it. */
export interface LeafPool {
  readonly name: string;
  readonly route: Route;
  readonly kinds: LeafKinds;
}

/** What kinds of connections of the tree's pool are called in another pool. */
export interface LeafKinds {
  /** NO_KIND: that pool has too many kinds already. */
  of(kind: ConnectionKind): ConnectionKind;
}
