/**
 * The primaries of a cluster, in the order of their lowest slots, and who has which slot.
 *
 * Until a node has told, the seeds of the configuration are the members, and the first one stands for the owner of each slot: what clients
 * send meanwhile waits there (`isKnown`).
 */
import { type Member, replicaAt, SLOTS, type Topology } from "../../../api/topology.ts";
import { addressOf, keyOfView, type SlotView } from "./slot-view.ts";

/** A node that some keys were looked for at, while slots move there, stays a member for so many views. */
const ADMITTED_VIEWS = 30;

/** Slots went from one member to another. */
export type OnMoved = (from: string, to: string) => void;

export class ClusterTopology implements Topology {
  members: readonly Member[];
  epoch = 0;
  slots: Int16Array = new Int16Array(SLOTS).fill(0);
  /** Null: no node has told yet. */
  view: SlotView | null = null;
  /** Told before anything goes to a slot's new owner. */
  onMoved: OnMoved = () => {};
  private readonly seeds: readonly Member[];
  private onChange: () => void = () => {};
  /** Slots whose owner is another than in `view`, as the nodes have said since. */
  private patched = 0;
  /** Of members that left with the last change: who has their slots, and had none before. */
  private successors: ReadonlyMap<string, string> = new Map();
  /** Members without a slot, and for how many views more they stay. */
  private readonly admitted: Map<string, number> = new Map();

  /** @param seeds addresses as a configuration has them */
  constructor(seeds: readonly string[]) {
    this.seeds = seeds.map(memberNamed);
    this.members = this.seeds;
  }

  watch(onChange: () => void): void {
    this.onChange = onChange;
  }

  close(): void {}

  get isKnown(): boolean {
    return this.view !== null;
  }

  /** `view` is how the cluster is. @returns whether that is news */
  apply(view: SlotView): boolean {
    const owners = ownersOf(view);
    for (const [name, left] of this.admitted) {
      if (left === 0 || owners.includes(name)) this.admitted.delete(name);
      else this.admitted.set(name, left - 1);
    }
    const names = [...owners, ...this.admitted.keys()];
    const isSame = this.view !== null && keyOfView(this.view) === keyOfView(view);
    const isAsShown =
      isSame &&
      JSON.stringify(this.view?.replicas) === JSON.stringify(view.replicas) &&
      this.patched === 0 &&
      names.join() === this.members.map(({ server }) => server.name).join();
    this.view = view;
    if (isAsShown) return false;
    const slots = new Int16Array(SLOTS).fill(-1);
    for (const [first, last, owner] of view.ranges) {
      slots.fill(owners.indexOf(owner), first, last + 1);
    }
    const before = this.slots;
    const namesBefore = this.members.map(({ server }) => server.name);
    this.patched = 0;
    this.slots = slots;
    this.successors = successorsIn(before, namesBefore, slots, names);
    this.become(names);
    this.tellMoved(before, namesBefore);
    return true;
  }

  inPlaceOf(name: string): string {
    return this.successors.get(name) ?? name;
  }

  /** A node says that `slot` is at `owner`: it is believed until the next view. */
  patch(slot: number, owner: string): void {
    const before = this.members[this.slots[slot]!]?.server.name;
    if (before === owner) return;
    this.admit(owner);
    this.slots[slot] = this.members.findIndex(({ server }) => server.name === owner);
    this.patched++;
    if (before !== undefined) this.onMoved(before, owner);
  }

  /** A node that has no slot so far is asked: it is a member for a while. */
  admit(name: string): void {
    if (this.members.some(({ server }) => server.name === name)) {
      if (this.admitted.has(name)) this.admitted.set(name, ADMITTED_VIEWS);
      return;
    }
    this.admitted.set(name, ADMITTED_VIEWS);
    this.become([...this.members.map(({ server }) => server.name), name]);
  }

  /** No primary answers: seeds, and nodes that were known, are members again, so that they can be asked. */
  widen(): void {
    const names = this.members.map(({ server }) => server.name);
    const more = [...this.seeds.map(({ server }) => server.name), ...(this.view?.nodes ?? [])];
    const all = [...new Set([...names, ...more])];
    if (all.length > names.length) this.become(all);
  }

  /** Those of each member. */
  get replicas(): readonly (readonly Member[])[] {
    const named = new Map(this.view?.replicas ?? []);
    return this.members.map(({ server }) =>
      (named.get(server.name) ?? []).map((name) => replicaAt(addressOf(name), name)),
    );
  }

  private become(names: readonly string[]): void {
    const known = new Map(
      [...this.seeds, ...this.members].map((member) => [member.server.name, member]),
    );
    this.members = names.map((name) => {
      return known.get(name) ?? memberNamed(name);
    });
    this.epoch++;
    this.onChange();
  }

  /** @param before the slots, by number of those that were called `names` */
  private tellMoved(before: Int16Array, names: readonly string[]): void {
    const told = new Set<number>();
    for (let slot = 0; slot < SLOTS; slot++) {
      const pair = before[slot]! * SLOTS + this.slots[slot]!;
      const from = names[before[slot]!];
      const to = this.members[this.slots[slot]!]?.server.name;
      if (from === undefined || to === undefined || from === to || told.has(pair)) continue;
      told.add(pair);
      this.onMoved(from, to);
    }
  }
}

/** A node is known by its address, in all processes. */
export function memberNamed(name: string): Member {
  return { id: `${name} ${name}`, server: { name, address: addressOf(name), weight: 1 } };
}

/** @param before the slots, by number of those that were called `namesBefore`; `after`, likewise, of those that are called `names` */
function successorsIn(
  before: Int16Array,
  namesBefore: readonly string[],
  after: Int16Array,
  names: readonly string[],
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (namesBefore.every((name) => names.includes(name))) return found;
  for (let slot = 0; slot < SLOTS; slot++) {
    const from = namesBefore[before[slot]!];
    const to = names[after[slot]!];
    if (from === undefined || to === undefined || names.includes(from)) continue;
    if (!namesBefore.includes(to)) found.set(from, to);
  }
  return found;
}

/** In the order of their lowest slots: it stays when a replica takes a primary's place. */
function ownersOf({ ranges }: SlotView): string[] {
  return [...new Set(ranges.map(([, , owner]) => owner))];
}
