/**
 * The course of one pool's migrations at one of several hosts: what its processes are told, and when it says yes to a change of rings.
 *
 *   free ─ a hold is seen ─▶ holding ─ all workers are quiet ─▶ noting ─ its yes is written down ─▶ agreed ─ the hold has ended ─▶ free
 *     ▲                         │ not in time                     │ it cannot be
 *     └── the others are told ──┴─────────────────────────────────┘
 *
 * While it is free or holds, no ring can change, because that takes its yes: it needs to hear nothing. From its yes on it may only go on by what it
 * hears; when that does not come soon, requests are refused in place of being kept waiting.
 *
 * Decides only: it writes, tells and waits through its effects.
 */
import type { PoolMigration } from "../api/migration.ts";
import type { CourseRecord } from "./course-record.ts";
import { agreed, hostsOf, type MakeNext, released, type SharedState } from "./shared-state.ts";

export interface HostCourseEffects<Worker> {
  /**
   * Writes down what is known, and the hold that this host has said yes to; null: none. In the order of the calls.
   * @param done told whether it is surely there, or surely not
   */
  save(record: CourseRecord, yes: number | null, done: (isSaved: boolean) => void): void;
  /** Has the shared state changed: soon, or not at all. */
  change(make: MakeNext): void;
  /** `order` is another one: all processes are told, and those that start. */
  publish(): void;
  /** Those that go by the order or have begun with an earlier one, also those that are just starting, and the process that sweeps. */
  workers(): readonly Worker[];
  /** Nothing else changes at this host until `end`. @returns false: something else is changing, or workers may be there that follow no orders */
  begin(): boolean;
  end(): void;
  /** How it was with a hold; null: the ring has changed. */
  onSwitched(problem: string | null): void;
  /** On a clock that is never set. */
  monotonicMs(): number;
}

/** How long a host holds requests back, how long they wait when it hears nothing, and when it says again what may have got lost. */
export interface HostPatience {
  readonly holdMs: number;
  readonly fenceMs: number;
  readonly againMs: number;
}

/** Who a host is among the others. */
export interface HostName {
  readonly id: string;
  /** See SharedHost. */
  readonly start: string;
}

export class HostCourse<Worker> {
  record: CourseRecord;
  /** This one of the hosts is to sweep. */
  isSweeper = false;
  /** It is not known which ring holds. */
  isUnknown: boolean;
  private readonly pool: string;
  private readonly name: HostName;
  private readonly patience: HostPatience;
  private readonly effects: HostCourseEffects<Worker>;
  private state: "free" | "holding" | "noting" | "agreed" = "free";
  /** The hold that it is about, or was last. */
  private hold = 0;
  private sinceMs = 0;
  private toldMs = 0;
  private isFenced = false;
  private isGivenUp = false;
  private shared: SharedState | null = null;
  private readonly waiting: Set<Worker> = new Set();

  /** @param record what was written down last @param isUnknown rings may have changed since */
  constructor(
    pool: string,
    name: HostName,
    record: CourseRecord,
    isUnknown: boolean,
    patience: HostPatience,
    effects: HostCourseEffects<Worker>,
  ) {
    this.pool = pool;
    this.name = name;
    this.record = record;
    this.isUnknown = isUnknown;
    this.patience = patience;
    this.effects = effects;
  }

  get order(): PoolMigration {
    const { current, epoch, placement } = this.record;
    const { pool, isHeld } = this;
    const rings = current ?? { phase: "before", from: placement, to: placement, swept: [] };
    const { phase, from, to, swept } = rings;
    const order = { pool, epoch, phase, isHeld, from, to, swept };
    return this.isFenced || this.isUnknown ? { ...order, isRefused: true } : order;
  }

  get isHeld(): boolean {
    return this.state !== "free" || this.isUnknown;
  }

  get wantsSweep(): boolean {
    const { current } = this.record;
    const isUnderWay = current?.phase === "moving" && !current.isPaused;
    return isUnderWay && this.isSweeper && !this.isHeld;
  }

  get wantsCheck(): boolean {
    return this.record.current?.phase === "before" && this.isSweeper && !this.isUnknown;
  }

  /** A newer version, in which this host is. */
  see(shared: SharedState): void {
    const pool = shared.pools[this.pool];
    if (pool === undefined) return;
    const before = this.record;
    const wasUnknown = this.isUnknown;
    const awaited = this.missing;
    this.shared = shared;
    this.record = pool.record;
    this.isUnknown = false;
    const hasEnded = this.state !== "free" && pool.hold?.id !== this.hold;
    if (hasEnded) this.state = "free";
    const isOther = JSON.stringify(before) !== JSON.stringify(pool.record);
    if (!hasEnded && !isOther && !wasUnknown) return;
    const isYes = this.state === "agreed" || this.state === "noting";
    const yes = isYes ? this.hold : null;
    this.effects.save(pool.record, yes, () => {});
    if (!hasEnded) {
      this.effects.publish();
      return;
    }
    const isMade =
      before.epoch !== pool.record.epoch || before.current?.phase !== pool.record.current?.phase;
    this.leaveHold(isMade ? null : awaited);
  }

  /** Called again and again. */
  tick(): void {
    const { effects, patience } = this;
    const nowMs = effects.monotonicMs();
    const id = this.shared?.pools[this.pool]?.hold?.id ?? null;
    if (id !== null && id !== this.hold) {
      this.hold = id;
      this.sinceMs = nowMs;
      this.toldMs = nowMs;
      this.isGivenUp = false;
    }
    if (id === null && this.state === "free") return;
    const isLate = nowMs - this.sinceMs >= patience.holdMs;
    if (this.state === "free" && !isLate && !this.isGivenUp && effects.begin()) this.begin();
    else if (this.state === "holding" && isLate) this.giveUp();
    if (this.state === "agreed" && !this.isFenced && nowMs - this.sinceMs >= patience.fenceMs) {
      this.isFenced = true;
      effects.publish();
    }
    if (nowMs - this.toldMs < patience.againMs) return;
    this.toldMs = nowMs;
    if (this.state === "agreed") this.sayYes();
    if (isLate) effects.change(released(this.pool, this.hold));
  }

  onQuiet(worker: Worker): void {
    this.onGone(worker);
  }

  onGone(worker: Worker): void {
    this.waiting.delete(worker);
    this.check();
  }

  private begin(): void {
    this.state = "holding";
    for (const worker of this.effects.workers()) this.waiting.add(worker);
    this.effects.publish();
    this.check();
  }

  private check(): void {
    if (this.state !== "holding" || this.waiting.size > 0) return;
    const { hold } = this;
    this.state = "noting";
    this.effects.save(this.record, hold, (isSaved) => {
      if (this.state !== "noting" || this.hold !== hold) return;
      if (!isSaved) {
        this.giveUp();
        return;
      }
      this.state = "agreed";
      this.sayYes();
    });
  }

  private sayYes(): void {
    const { id, start } = this.name;
    this.effects.change(agreed(id, start, this.pool, this.hold));
  }

  /** Only before it has said yes. */
  private giveUp(): void {
    this.effects.change(released(this.pool, this.hold));
    this.isGivenUp = true;
    this.state = "free";
    this.leaveHold(["this one"]);
  }

  /** @param awaited hosts that were not quiet; null: the ring has changed */
  private leaveHold(awaited: readonly string[] | null): void {
    this.waiting.clear();
    this.isFenced = false;
    this.effects.publish();
    this.effects.end();
    this.effects.onSwitched(
      awaited === null ? null : `requests did not come to an end in time at ${awaited.join(", ")}`,
    );
  }

  /** Hosts that have not said yes so far. */
  private get missing(): readonly string[] {
    const { shared, pool } = this;
    const quiet = shared?.pools[pool]?.hold?.quiet ?? [];
    return shared === null ? [] : hostsOf(shared, pool).filter((id) => !quiet.includes(id));
  }
}
