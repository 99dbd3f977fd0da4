/**
 * What several hosts that have the same servers agree on: who they are, what each wants, where keys are, and whether requests are held back for
 * a change of rings. It is one value, of which each version follows from the one before it, so no two hosts can decide differently.
 *
 *   at rest ─ all want another ring ─▶ before ─hold─▶ held ─ the last host says that it is quiet ─▶ moving ─ all swept ─▶ at rest
 *                                        ▲              │ any host: not in time
 *                                        └──────────────┘
 *
 * A ring changes with the yes of every host that has the pool, and never without: one that cannot be heard is waited for, because it may still
 * be serving by the old ring. So a host may go on without hearing anything, except between its yes and the end of the hold.
 *
 * Functions make the next version, or null: there is nothing to change. Each may be tried again when it is not known whether it came about.
 */
import type { RingPlan } from "../api/migration.ts";
import {
  begun,
  type CourseRecord,
  moved,
  paused,
  reversed,
  sweptAt,
  undeclined,
  withdrawn,
} from "./course-record.ts";
import { isSamePlan } from "./key-places.ts";

export interface SharedState {
  readonly format: number;
  readonly hosts: Readonly<Record<string, SharedHost>>;
  readonly pools: Readonly<Record<string, SharedPool>>;
}

/** A host is there until it leaves, or an operator says that it is gone for good; a crash does not end it. */
export interface SharedHost {
  /** Of its supervisor, another one with each start. */
  readonly start: string;
  /** One generation of workers serves what is wanted, and no other is there. */
  readonly isReady: boolean;
  /** By pool. */
  readonly wants: Readonly<Record<string, RingPlan>>;
}

export interface SharedPool {
  readonly record: CourseRecord;
  /** Null: requests go on. */
  readonly hold: SharedHold | null;
  /** Of the last hold. */
  readonly holds: number;
}

/** All hosts hold the pool's requests back, so that its ring can change. */
export interface SharedHold {
  readonly id: number;
  /** Forward, or back to where keys were. */
  readonly isBack: boolean;
  /** An operator wants it back. */
  readonly isDeclined: boolean;
  /** Milliseconds since the epoch, by the clock of the host that asked for it. */
  readonly atMs: number;
  /** Hosts with no request at a server, which send none until the hold ends. */
  readonly quiet: readonly string[];
}

export type MakeNext = (state: SharedState) => SharedState | null;

export const SHARED_FORMAT = 1;
export const NO_SHARED_STATE: SharedState = { format: SHARED_FORMAT, hosts: {}, pools: {} };

/** A pool as a host brings it along. */
export interface BroughtPool {
  readonly wants: RingPlan;
  /** Holds if no host has said anything of the pool so far. */
  readonly record: CourseRecord;
}

/** Hosts that a change of the pool's ring waits for. */
export function hostsOf({ hosts }: SharedState, pool: string): readonly string[] {
  return Object.keys(hosts)
    .filter((id) => hosts[id]!.wants[pool] !== undefined)
    .sort();
}

/** The host has started, or has more pools than before. What it said yes to before it died, it has to say again. */
export function entered(
  id: string,
  start: string,
  brought: Readonly<Record<string, BroughtPool>>,
): MakeNext {
  return (state) => {
    const before = state.hosts[id];
    const isNew = before?.start !== start;
    const names = Object.keys(brought);
    if (!isNew && names.every((pool) => before?.wants[pool] !== undefined)) return null;
    const added = Object.fromEntries(names.map((pool) => [pool, brought[pool]!.wants]));
    const wants = isNew ? added : { ...added, ...before?.wants };
    const missing = names.filter((pool) => state.pools[pool] === undefined);
    const pools = isNew ? withoutYes(state.pools, id) : state.pools;
    const next: SharedState = {
      ...state,
      hosts: { ...state.hosts, [id]: { start, isReady: false, wants } },
      pools: {
        ...pools,
        ...Object.fromEntries(
          missing.map((pool) => [pool, { record: brought[pool]!.record, hold: null, holds: 0 }]),
        ),
      },
    };
    return next;
  };
}

/**
 * All workers of the host have what it `wants`, or no longer have.
 * @param asked pools that a reload was for: what an operator had taken back may begin again
 */
export function readied(
  id: string,
  wants: SharedHost["wants"],
  isReady: boolean,
  asked: readonly string[],
): MakeNext {
  return (state) => {
    const before = state.hosts[id];
    if (before === undefined) return null;
    const isSame = before.isReady === isReady && isSameWish(before.wants, wants);
    const pools = { ...state.pools };
    for (const pool of asked) {
      const shared = pools[pool];
      const declined = shared?.record.declined;
      if (shared === undefined || declined === undefined || shared.record.current !== null)
        continue;
      if (!isSamePlan(declined, wants[pool] ?? declined)) continue;
      pools[pool] = { ...shared, record: undeclined(shared.record)! };
    }
    const isChanged = Object.keys(pools).some((pool) => pools[pool] !== state.pools[pool]);
    if (isSame && !isChanged) return null;
    const next = {
      ...state,
      pools,
      hosts: { ...state.hosts, [id]: { ...before, isReady, wants } },
    };
    const given = Object.keys(before.wants).filter((pool) => wants[pool] === undefined);
    return decided(withoutPools(next, given));
  };
}

/** The host has no worker any more, and said so; or an operator says it. */
export function left(id: string): MakeNext {
  return (state) => {
    if (state.hosts[id] === undefined) return null;
    const { [id]: _, ...hosts } = state.hosts;
    return decided({ ...state, hosts, pools: withoutYes(state.pools, id) });
  };
}

/** What all hosts that have the pool want of it; null: they want different things, or one of them is not ready. */
export function wishOf(state: SharedState, pool: string): RingPlan | null {
  const hosts = hostsOf(state, pool).map((id) => state.hosts[id]!);
  const [first] = hosts;
  if (first === undefined) return null;
  const wish = first.wants[pool]!;
  const isAgreed = hosts.every(({ isReady, wants }) => isReady && isSamePlan(wants[pool]!, wish));
  return isAgreed ? wish : null;
}

/** What follows from what the hosts want, but for holds. */
export function followed(pool: string, nowMs: number): MakeNext {
  return changed(pool, (shared, state) => {
    const { record, hold } = shared;
    const wish = wishOf(state, pool);
    if (wish === null || hold !== null) return null;
    const { current, placement, declined } = record;
    if (current === null) {
      if (isSamePlan(placement, wish)) return undeclined(record);
      const isDeclined = declined !== undefined && isSamePlan(declined, wish);
      return isDeclined ? null : begun(record, wish, nowMs);
    }
    const isBack = !isSamePlan(current.to, wish) && isSamePlan(current.from, wish);
    return isBack && current.phase === "before" ? withdrawn(record, false) : null;
  });
}

/** Keys move, and all hosts want them where they were. */
export function wantsBack(state: SharedState, pool: string): boolean {
  const wish = wishOf(state, pool);
  const { record = null } = state.pools[pool] ?? {};
  const current = record?.current ?? null;
  if (wish === null || record === null || current?.phase !== "moving") return false;
  const { declined } = record;
  const isDeclined = declined !== undefined && isSamePlan(declined, wish);
  return !isDeclined && !isSamePlan(current.to, wish) && isSamePlan(current.from, wish);
}

/** All hosts are to hold requests back. @param epoch the one that it was decided by */
export function held(
  pool: string,
  epoch: number,
  { isBack, isDeclined, atMs }: Omit<SharedHold, "id" | "quiet">,
): MakeNext {
  return (state) => {
    const shared = state.pools[pool];
    if (shared === undefined || shared.hold !== null || shared.record.epoch !== epoch) return null;
    if (shared.record.current?.phase !== (isBack ? "moving" : "before")) return null;
    const id = shared.holds + 1;
    const hold: SharedHold = { id, isBack, isDeclined, atMs, quiet: [] };
    return withPool(state, pool, { ...shared, hold, holds: id });
  };
}

/** The host says yes: none of its requests is at a server. The last one decides. */
export function agreed(host: string, start: string, pool: string, hold: number): MakeNext {
  return (state) => {
    const shared = state.pools[pool];
    if (shared?.hold?.id !== hold || state.hosts[host]?.start !== start) return null;
    if (shared.hold.quiet.includes(host)) return null;
    const quiet = [...shared.hold.quiet, host];
    return decided(withPool(state, pool, { ...shared, hold: { ...shared.hold, quiet } }));
  };
}

/** Not all hosts were quiet in time: all go on as before. */
export function released(pool: string, hold: number): MakeNext {
  return (state) => {
    const shared = state.pools[pool];
    return shared?.hold?.id === hold ? withPool(state, pool, { ...shared, hold: null }) : null;
  };
}

/** An operator takes back what has not moved a key so far. */
export function givenUp(pool: string): MakeNext {
  return changed(pool, ({ record, hold }) => {
    const isBefore = hold === null && record.current?.phase === "before";
    return isBefore ? withdrawn(record, true) : null;
  });
}

export function rested(pool: string, isPaused: boolean): MakeNext {
  return changed(pool, ({ record }) => paused(record, isPaused));
}

export function swept(pool: string, address: string, epoch: number): MakeNext {
  return changed(pool, ({ record, hold }) => {
    return hold === null ? sweptAt(record, address, epoch) : null;
  });
}

/** Rings change where every host has said yes. */
function decided(state: SharedState): SharedState {
  let next = state;
  for (const [pool, shared] of Object.entries(state.pools)) {
    const { hold, record } = shared;
    const hosts = hostsOf(state, pool);
    if (hold === null || hosts.length === 0 || !hosts.every((id) => hold.quiet.includes(id))) {
      continue;
    }
    const after = hold.isBack ? reversed(record, hold.atMs, hold.isDeclined) : moved(record);
    next = withPool(next, pool, { ...shared, record: after, hold: null });
  }
  return next;
}

function changed(
  pool: string,
  make: (shared: SharedPool, state: SharedState) => CourseRecord | null,
): MakeNext {
  return (state) => {
    const shared = state.pools[pool];
    const record = shared === undefined ? null : make(shared, state);
    return record === null ? null : withPool(state, pool, { ...shared!, record });
  };
}

function withPool(state: SharedState, pool: string, shared: SharedPool): SharedState {
  return { ...state, pools: { ...state.pools, [pool]: shared } };
}

/** Pools that no host has any more, and one just had. */
function withoutPools(state: SharedState, given: readonly string[]): SharedState {
  const gone = given.filter((pool) => hostsOf(state, pool).length === 0);
  const pools = Object.entries(state.pools).filter(([pool]) => !gone.includes(pool));
  return { ...state, pools: Object.fromEntries(pools) };
}

function withoutYes(pools: SharedState["pools"], id: string): SharedState["pools"] {
  return Object.fromEntries(
    Object.entries(pools).map(([pool, shared]) => {
      const { hold } = shared;
      if (hold === null) return [pool, shared];
      return [
        pool,
        { ...shared, hold: { ...hold, quiet: hold.quiet.filter((one) => one !== id) } },
      ];
    }),
  );
}

function isSameWish(one: SharedHost["wants"], other: SharedHost["wants"]): boolean {
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((pool) => other[pool] !== undefined && isSamePlan(one[pool]!, other[pool]));
}
