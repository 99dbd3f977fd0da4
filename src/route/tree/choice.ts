/** A node that chooses one of the nodes below it, and is otherwise no more than what these are together. */
import type { Access, RequestFacts } from "../../api/request-facts.ts";
import type { ConnectionKind } from "../../api/upstream.ts";
import type { Branch, TreeUpstream } from "./branch.ts";

export abstract class Choice implements Branch {
  /** In the order of the tree. */
  private readonly branches: readonly Branch[];

  constructor(branches: readonly Branch[]) {
    this.branches = branches;
  }

  /** The one that the request goes to. Pure: no I/O, no clock, no allocation. */
  protected abstract choose(request: RequestFacts): Branch;

  get isSlotted(): boolean {
    return this.branches.some(({ isSlotted }) => isSlotted);
  }

  get isStable(): boolean {
    return this.branches.every(({ isStable }) => isStable);
  }

  pick(request: RequestFacts): TreeUpstream | null {
    return this.choose(request).pick(request);
  }

  slotOf(request: RequestFacts): number {
    return this.choose(request).slotOf(request);
  }

  upstreams(access: Access): readonly TreeUpstream[] {
    return this.branches.flatMap((branch) => branch.upstreams(access));
  }

  all(): readonly TreeUpstream[] {
    return this.branches.flatMap((branch) => branch.all());
  }

  leaves(): readonly string[] {
    return this.branches.flatMap((branch) => branch.leaves());
  }

  refresh(): void {
    for (const branch of this.branches) branch.refresh();
  }

  forget(kind: ConnectionKind): void {
    for (const branch of this.branches) branch.forget(kind);
  }
}
