/** A node that leads where `main` does, over links that bring in a second branch. What concerns all servers, and what needs a connection of its own, is done by `main` alone. */
import type { Access, RequestFacts } from "../../api/request-facts.ts";
import type { ConnectionKind } from "../../api/upstream.ts";
import type { Branch, TreeUpstream } from "./branch.ts";
import { type DecorateBranchLink, DecoratedUpstream } from "./decorated-upstream.ts";
import type { TreeRoute } from "./tree-route.ts";

export interface LinkBranchOptions {
  readonly main: Branch;
  readonly other: TreeRoute;
  readonly decorate: DecorateBranchLink;
  /** Where `main` has no server, because all are ejected, requests go to `other`. */
  readonly takesOver: boolean;
  /** Of members of its upstreams: no other node has it. */
  readonly suffix: string;
  readonly nextId: () => number;
}

export class LinkBranch implements Branch {
  private readonly options: LinkBranchOptions;
  private readonly main: Branch;
  /** By id of an upstream of `main`. */
  private byId: (DecoratedUpstream | undefined)[] = [];
  private decorated: readonly DecoratedUpstream[] = [];

  constructor(options: LinkBranchOptions) {
    this.options = options;
    this.main = options.main;
    this.decorateAll();
  }

  get isSlotted(): boolean {
    return this.main.isSlotted;
  }

  get isStable(): boolean {
    return this.main.isStable;
  }

  pick(request: RequestFacts): TreeUpstream | null {
    const upstream = this.main.pick(request);
    if (upstream !== null) return this.byId[upstream.id] ?? null;
    const { takesOver, other } = this.options;
    return takesOver ? other.pick(request) : null;
  }

  slotOf(request: RequestFacts): number {
    return this.main.slotOf(request);
  }

  upstreams(access: Access): readonly TreeUpstream[] {
    return this.main.upstreams(access);
  }

  all(): readonly TreeUpstream[] {
    const { takesOver, other } = this.options;
    return [...this.main.all(), ...this.decorated, ...(takesOver ? other.all : [])];
  }

  leaves(): readonly string[] {
    const { takesOver, other } = this.options;
    return takesOver ? [...this.main.leaves(), ...other.leaves] : this.main.leaves();
  }

  refresh(): void {
    this.main.refresh();
    this.options.other.refresh();
    this.decorateAll();
  }

  forget(kind: ConnectionKind): void {
    this.main.forget(kind);
    this.options.other.forget(kind);
    for (const upstream of this.decorated) upstream.forget(kind);
  }

  private decorateAll(): void {
    const known = this.byId;
    const { suffix, decorate, nextId } = this.options;
    this.byId = [];
    this.decorated = this.main.all().map((upstream) => {
      const made =
        known[upstream.id] ?? new DecoratedUpstream(upstream, { id: nextId(), suffix, decorate });
      this.byId[upstream.id] = made;
      return made;
    });
  }
}
