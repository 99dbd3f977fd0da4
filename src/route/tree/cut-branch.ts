/** A node that leads where the one below it does, with keys that lack the prefix by which requests come here. */
import { type Access, PlainFacts, type RequestFacts } from "../../api/request-facts.ts";
import type { ConnectionKind } from "../../api/upstream.ts";
import { CutLink } from "../link/cut-link.ts";
import type { Branch, TreeUpstream } from "./branch.ts";
import { type DecorateBranchLink, DecoratedUpstream } from "./decorated-upstream.ts";
import type { LinkTools } from "./link-tools.ts";

export interface CutBranchOptions {
  readonly prefix: Buffer;
  readonly to: Branch;
  readonly decorate: DecorateBranchLink;
  /** Of members of its upstreams: no other node has it. */
  readonly suffix: string;
  readonly nextId: () => number;
}

export function cutLinks(prefix: Buffer, tools: LinkTools): DecorateBranchLink {
  return (main, _lane, kind) =>
    new CutLink({ main, reader: tools.createReader(kind), cut: tools.createKeyCut(prefix) });
}

export class CutBranch implements Branch {
  private readonly options: CutBranchOptions;
  private readonly to: Branch;
  private readonly facts: PlainFacts = new PlainFacts();
  /** By id of an upstream of `to`. */
  private byId: (DecoratedUpstream | undefined)[] = [];
  private decorated: readonly DecoratedUpstream[] = [];

  constructor(options: CutBranchOptions) {
    this.options = options;
    this.to = options.to;
    this.decorateAll();
  }

  get isSlotted(): boolean {
    return this.to.isSlotted;
  }

  get isStable(): boolean {
    return this.to.isStable;
  }

  pick(request: RequestFacts): TreeUpstream | null {
    const upstream = this.to.pick(this.shortened(request));
    this.facts.release();
    return upstream === null ? null : (this.byId[upstream.id] ?? null);
  }

  slotOf(request: RequestFacts): number {
    const slot = this.to.slotOf(this.shortened(request));
    this.facts.release();
    return slot;
  }

  private shortened({ bytes, keyStart, keyEnd, access, commandName }: RequestFacts): PlainFacts {
    const { facts } = this;
    facts.bytes = bytes;
    facts.keyStart = keyStart + this.options.prefix.length;
    facts.keyEnd = keyEnd;
    facts.access = access;
    facts.commandName = commandName;
    return facts;
  }

  upstreams(access: Access): readonly TreeUpstream[] {
    return this.to.upstreams(access);
  }

  all(): readonly TreeUpstream[] {
    return [...this.to.all(), ...this.decorated];
  }

  leaves(): readonly string[] {
    return this.to.leaves();
  }

  refresh(): void {
    this.to.refresh();
    this.decorateAll();
  }

  forget(kind: ConnectionKind): void {
    this.to.forget(kind);
    for (const upstream of this.decorated) upstream.forget(kind);
  }

  private decorateAll(): void {
    const known = this.byId;
    const { suffix, decorate, nextId } = this.options;
    this.byId = [];
    this.decorated = this.to.all().map((upstream) => {
      const made =
        known[upstream.id] ??
        new DecoratedUpstream(upstream, {
          id: nextId(),
          suffix,
          decorate,
          leaseRefusal: NO_LEASES,
        });
      this.byId[upstream.id] = made;
      return made;
    });
  }
}

const NO_LEASES =
  "the route cuts the prefix of this key, which cannot be done for transactions, WATCH and commands that block";
