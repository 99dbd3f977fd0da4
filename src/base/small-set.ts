/**
 * A set that is most often of one member or a few: nothing, the member itself, an array, and only from `SMALL_MAX` members on
 * a real Set. For where there are a hundred thousand of them, and a Set each would cost more than what is in it.
 *
 * `add` and `remove` return the set to go on with. Who iterates meanwhile may miss what is added and still see what is
 * removed: arrays are replaced, never changed.
 */
export type SmallSet<T extends object> = T | readonly T[] | Set<T> | null;

const SMALL_MAX = 8;

export function add<T extends object>(set: SmallSet<T>, member: T): SmallSet<T> {
  if (set === null) return member;
  if (set instanceof Set) return set.add(member);
  if (has(set, member)) return set;
  const members = isArray(set) ? [...set, member] : [set, member];
  return members.length > SMALL_MAX ? new Set(members) : members;
}

export function remove<T extends object>(set: SmallSet<T>, member: T): SmallSet<T> {
  if (set instanceof Set) {
    set.delete(member);
    return set.size > SMALL_MAX / 2 ? set : small([...set]);
  }
  if (isArray(set)) return small(set.filter((other) => other !== member));
  return set === member ? null : set;
}

export function has<T extends object>(set: SmallSet<T>, member: T): boolean {
  if (set instanceof Set) return set.has(member);
  return isArray(set) ? set.includes(member) : set === member;
}

export function sizeOf<T extends object>(set: SmallSet<T>): number {
  if (set === null) return 0;
  if (set instanceof Set) return set.size;
  return isArray(set) ? set.length : 1;
}

const NOTHING: readonly never[] = [];

export function membersOf<T extends object>(set: SmallSet<T>): Iterable<T> {
  if (set === null) return NOTHING;
  if (set instanceof Set || isArray(set)) return set;
  return [set];
}

function small<T extends object>(members: readonly T[]): SmallSet<T> {
  if (members.length > 1) return members;
  return members[0] ?? null;
}

function isArray<T extends object>(set: SmallSet<T>): set is readonly T[] {
  return Array.isArray(set);
}
