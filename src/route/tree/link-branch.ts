/** A node that leads where `main` does, over links that bring in a second branch. What concerns all servers, and what needs a connection of its own, is done by `main` alone. */
import { ACCESS, type Access, type RequestFacts } from "../../api/request-facts.ts";
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
  /** What may write goes to `other`, too: also what concerns all servers; and what needs a connection of its own is refused. */
  readonly writesBoth: boolean;
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
    const { writesBoth, other } = this.options;
    const main = this.main.upstreams(access);
    return writesBoth && access !== ACCESS.read ? [...main, ...other.branches(access)] : main;
  }

  all(): readonly TreeUpstream[] {
    const { takesOver, writesBoth, other } = this.options;
    const others = takesOver || writesBoth ? other.all : [];
    return [...this.main.all(), ...this.decorated, ...others];
  }

  leaves(): readonly string[] {
    const { takesOver, writesBoth, other } = this.options;
    const main = this.main.leaves();
    return takesOver || writesBoth ? [...main, ...other.leaves] : main;
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
    const { suffix, decorate, nextId, writesBoth } = this.options;
    const leaseRefusal = writesBoth ? NO_LEASES : null;
    this.byId = [];
    this.decorated = this.main.all().map((upstream) => {
      const made =
        known[upstream.id] ??
        new DecoratedUpstream(upstream, { id: nextId(), suffix, decorate, leaseRefusal });
      this.byId[upstream.id] = made;
      return made;
    });
  }
}

/** It would be executed in one pool only. */
const NO_LEASES =
  "the route sends what is written here to several pools, which cannot be done for transactions and commands that block";
