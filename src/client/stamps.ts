/**
 * When the requests that wait for a reply arrived, and of which family they are: one session's, in their order.
 *
 *   | passed … | waiting …  | ◀─ added
 *   └─ their replies are in the out-queue, and are measured when that is written
 *
 * A stamp is both as one number, see ClientTimes. Neighbours with the same stamp are one entry: most often all that a client has sent at once.
 */
import { FAMILIES_MAX, FAMILY, type Family } from "../api/latency.ts";
import { type ClientTimes, NO_STAMP, stampAt } from "./client-times.ts";

/** Hears of requests that took long. */
export interface SlowHearer {
  /** `count` requests took `tookUs`; `before` were measured before them, of those that were passed. */
  onSlow(before: number, count: number, family: number, tookUs: number): void;
}

/** Entries that are kept when they are all measured. */
const ENTRIES_KEPT_MAX = 64;

export class Stamps {
  /** Requests from the first entry on that were answered, and are not measured. */
  passed = 0;
  /** Of the requests that are added now. */
  family: Family = FAMILY.admin;
  /** Null: slow requests are not of interest. */
  hearer: SlowHearer | null = null;

  private readonly times: ClientTimes;
  private arrival: number = NO_STAMP;
  /** Entries: those before `first` are measured. */
  private stamps: number[] = [];
  private counts: number[] = [];
  private first = 0;
  private last: number = Number.NaN;

  constructor(times: ClientTimes) {
    this.times = times;
  }

  /** The requests that are added from now on have arrived then. */
  arrivedAt(nowMs: number): void {
    this.arrival = stampAt(nowMs);
  }

  add(): void {
    const stamp = this.arrival + this.family;
    if (stamp === this.last) this.counts[this.counts.length - 1]!++;
    else {
      this.last = stamp;
      this.stamps.push(stamp);
      this.counts.push(1);
    }
  }

  /** The replies to those that were passed are written now. */
  measure(nowMs: number): void {
    const { times, stamps, counts } = this;
    let { passed, first } = this;
    while (passed > 0) {
      const left = counts[first]!;
      const count = Math.min(left, passed);
      const tookUs = times.answered(stamps[first]!, count, nowMs);
      if (tookUs >= times.slow.overUs) this.tellSlow(this.passed - passed, count, first, tookUs);
      if (left > passed) {
        counts[first] = left - passed;
        break;
      }
      passed -= count;
      first++;
    }
    this.passed = 0;
    this.first = first;
    if (first === stamps.length) this.reset();
    else if (first > ENTRIES_KEPT_MAX) {
      stamps.splice(0, first);
      counts.splice(0, first);
      this.first = 0;
    }
  }

  private tellSlow(before: number, count: number, entry: number, tookUs: number): void {
    this.hearer?.onSlow(before, count, this.stamps[entry]! % FAMILIES_MAX, tookUs);
  }

  private reset(): void {
    const { stamps, counts } = this;
    this.first = 0;
    this.last = Number.NaN;
    if (stamps.length > ENTRIES_KEPT_MAX) {
      this.stamps = [];
      this.counts = [];
      return;
    }
    stamps.length = 0;
    counts.length = 0;
  }
}
