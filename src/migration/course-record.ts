/** What is written down of a pool whose keys may move, and every change that there is of it: plain data, and functions that make the next. */
import type { MigrationPhase, RingPlan } from "../api/migration.ts";
import { formatAddress } from "../config/address.ts";

export interface CourseRecord {
  /** Where keys are when no migration is under way, and else where they were before it. */
  readonly placement: RingPlan;
  /** Of the last migration. */
  readonly epoch: number;
  /** Null: at rest. */
  readonly current: CurrentMigration | null;
  /** An operator has had it go back: it does not begin again by itself while the configuration asks for this. Absent: none has. */
  readonly declined?: RingPlan;
}

export interface CurrentMigration {
  readonly phase: MigrationPhase;
  readonly from: RingPlan;
  readonly to: RingPlan;
  readonly swept: readonly string[];
  /** Milliseconds since the epoch. */
  readonly sinceMs: number;
  /** The sweeper rests, until an operator has it go on. */
  readonly isPaused: boolean;
  /** It takes back another one. */
  readonly isReverse: boolean;
}

/** Keys shall be where `to` says. To be asked at rest. */
export function begun(
  { placement, epoch }: CourseRecord,
  to: RingPlan,
  sinceMs: number,
): CourseRecord {
  const current: CurrentMigration = {
    ...{ phase: "before", from: placement, to, swept: [], isPaused: false, isReverse: false },
    sinceMs,
  };
  return { placement, epoch: epoch + 1, current };
}

/** Keys belong where the new ring says from now on. */
export function moved({ current, ...record }: CourseRecord): CourseRecord {
  return { ...record, current: current === null ? null : { ...current, phase: "moving" } };
}

/** What has not moved a key so far is given up. @param isDeclined by an operator */
export function withdrawn(record: CourseRecord, isDeclined: boolean): CourseRecord {
  const { placement, epoch } = record;
  return { placement, epoch, current: null, ...declinedBy(record, isDeclined) };
}

/** Keys that move go back. @param isDeclined because an operator wants that */
export function reversed(record: CourseRecord, sinceMs: number, isDeclined: boolean): CourseRecord {
  const { placement, epoch, current } = record;
  if (current === null) return record;
  const { from, to, isReverse } = current;
  const back: CurrentMigration = {
    ...{ phase: "moving", from: to, to: from, swept: [], sinceMs, isPaused: false },
    isReverse: !isReverse,
  };
  return { placement, epoch: epoch + 1, current: back, ...declinedBy(record, isDeclined) };
}

function declinedBy(
  { current }: CourseRecord,
  isDeclined: boolean,
): Pick<CourseRecord, "declined"> {
  return isDeclined && current !== null ? { declined: current.to } : {};
}

/** @returns null: there is nothing to forget */
export function undeclined({ declined, ...record }: CourseRecord): CourseRecord | null {
  return declined === undefined ? null : record;
}

/** @returns null: nothing is under way */
export function paused(record: CourseRecord, isPaused: boolean): CourseRecord | null {
  const { current } = record;
  return current === null ? null : { ...record, current: { ...current, isPaused } };
}

/**
 * The server at `address` has no key left that belongs elsewhere; after the last one the pool is at rest.
 * @returns null: that is of another migration, or known
 */
export function sweptAt(record: CourseRecord, address: string, epoch: number): CourseRecord | null {
  const { current, declined } = record;
  const isLate = current === null || record.epoch !== epoch || current.phase !== "moving";
  if (isLate || current.swept.includes(address)) return null;
  const swept = [...current.swept, address];
  const isDone = sourcesOf(current.from).every((source) => swept.includes(source));
  if (!isDone) return { ...record, current: { ...current, swept } };
  const kept = declined === undefined ? {} : { declined };
  return { placement: current.to, epoch, current: null, ...kept };
}

/** All servers whose keys may belong elsewhere. */
function sourcesOf({ servers }: RingPlan): readonly string[] {
  return [...new Set(servers.map(({ address }) => formatAddress(address)))];
}
