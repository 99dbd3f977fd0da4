/**
 * The course of one pool's migrations, from the supervisor's side: what is written down, what processes are told, and in which order.
 *
 *   at rest ─begin─▶ before ─switch─▶ moving ─ all servers swept ─▶ at rest, by the new ring
 *                      │                 └─cancel─▶ switch ─▶ moving, the other way round ─▶ at rest, by the old ring
 *                      └─cancel─▶ at rest, by the old ring
 *
 * Nothing is told before it is written down, so whatever dies, the next one goes on from what was told or from a step before it. What
 * processes hold back for a switch is not written down: after a crash it is as if it had not begun.
 *
 * Decides only: it writes, tells and waits through its effects.
 */
import type { PoolMigration, RingPlan } from "../api/migration.ts";
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
import { RingSwitch } from "./ring-switch.ts";

export interface CourseEffects<Worker> {
  /** Writes the record down; `done` is told whether it is surely there, or surely not. */
  save(record: CourseRecord, done: (isSaved: boolean) => void): void;
  /** `order` is another one: all processes are told, and those that start. */
  publish(): void;
  /** Those that go by the order or have begun with an earlier one, also those that are just starting, and the process that sweeps. */
  workers(): readonly Worker[];
  /** How it is with a switch that was to be made; null: it was made. */
  onSwitched(problem: string | null): void;
  /** Since the epoch. */
  nowMs(): number;
  /** On a clock that is never set. */
  monotonicMs(): number;
}

export class Course<Worker> {
  record: CourseRecord;
  private readonly pool: string;
  private readonly effects: CourseEffects<Worker>;
  private readonly ringSwitch: RingSwitch<Worker>;
  private readonly switchesFromMs: number;
  private isHeld = false;
  /** What holds when the switch is decided. */
  private next: ((record: CourseRecord) => CourseRecord) | null = null;
  private isSaving = false;
  /** Changes that wait until what is being written is written. */
  private readonly queue: (() => void)[] = [];

  /**
   * @param switchesFromMs by `CourseEffects.monotonicMs`: until then there may be workers of a supervisor that has died, which follow no orders
   */
  constructor(
    pool: string,
    record: CourseRecord,
    effects: CourseEffects<Worker>,
    switchesFromMs: number,
  ) {
    this.pool = pool;
    this.switchesFromMs = switchesFromMs;
    this.record = record;
    this.effects = effects;
    this.ringSwitch = new RingSwitch({
      hold() {},
      release: () => {
        this.setHeld(false);
        effects.onSwitched("requests at servers did not come to an end in time");
      },
      decide: () => this.decide(),
      move: () => {
        this.isHeld = false;
        effects.publish();
        effects.onSwitched(null);
      },
    });
  }

  /** What processes are told of the pool: also at rest, because their configuration may ask for something else. */
  get order(): PoolMigration {
    const { current, epoch, placement } = this.record;
    const { pool, isHeld } = this;
    if (current === null) {
      return { pool, epoch, phase: "before", isHeld, from: placement, to: placement, swept: [] };
    }
    const { phase, from, to, swept } = current;
    return { pool, epoch, phase, isHeld, from, to, swept };
  }

  /** Keys are to be moved that no client asks for. */
  get wantsSweep(): boolean {
    const { current } = this.record;
    return current?.phase === "moving" && !current.isPaused && !this.isHeld;
  }

  /** It is to be looked whether something is in the way of a change of rings. */
  get wantsCheck(): boolean {
    return this.record.current?.phase === "before";
  }

  /** It is ready for `switchOver`. */
  get wantsSwitch(): boolean {
    return this.record.current?.phase === "before" && this.canSwitch;
  }

  /** All workers that there may be follow its orders, and none of these is under way. */
  get canSwitch(): boolean {
    return !this.isBusy && this.effects.monotonicMs() >= this.switchesFromMs;
  }

  private get isBusy(): boolean {
    return this.isHeld || this.isSaving;
  }

  /** Those that a switch waits for. */
  get awaited(): readonly Worker[] {
    return this.ringSwitch.awaited;
  }

  /** Keys shall be where `to` says. Only at rest. @param done told whether it is written down */
  begin(to: RingPlan, done: (isSaved: boolean) => void): void {
    const sinceMs = this.effects.nowMs();
    this.change((record) => begun(record, to, sinceMs), done);
  }

  /** From now on keys belong where the new ring says. */
  switchOver(): void {
    if (!this.wantsSwitch) return;
    this.next = moved;
    this.hold();
  }

  /**
   * Keys go back to where they were.
   * @param isDeclined an operator has said so, whatever the configuration asks for
   * @param done told whether that is written down, or a switch is under way that will
   */
  cancel(isDeclined: boolean, done: (isBegun: boolean) => void): void {
    const { current } = this.record;
    const canCancel = current?.phase === "before" ? !this.isBusy : this.canSwitch;
    if (current === null || !canCancel) {
      done(false);
      return;
    }
    if (current.phase === "before") {
      this.change((record) => withdrawn(record, isDeclined), done);
      return;
    }
    const { effects } = this;
    this.next = (record) => reversed(record, effects.nowMs(), isDeclined);
    this.hold();
    done(true);
  }

  /** The configuration asks no more for what an operator has taken back. */
  forgetDeclined(): void {
    this.change(undeclined, () => {});
  }

  pause(isPaused: boolean, done: (isSaved: boolean) => void): void {
    this.change((record) => paused(record, isPaused), done);
  }

  /** The server at `address` has no key left that belongs elsewhere, as far as this `epoch` is concerned. */
  onSwept(address: string, epoch: number): void {
    this.change(
      (record) => (this.isHeld ? null : sweptAt(record, address, epoch)),
      () => {},
    );
  }

  onQuiet(worker: Worker): void {
    this.ringSwitch.onQuiet(worker);
  }

  onGone(worker: Worker): void {
    this.ringSwitch.onGone(worker);
  }

  onDeadline(): void {
    this.ringSwitch.onDeadline();
  }

  private hold(): void {
    const workers = this.effects.workers();
    this.setHeld(true);
    this.ringSwitch.begin(workers);
  }

  private setHeld(isHeld: boolean): void {
    this.isHeld = isHeld;
    this.effects.publish();
  }

  private decide(): void {
    if (this.next === null) return;
    const next = this.next(this.record);
    this.isSaving = true;
    this.effects.save(next, (isSaved) => {
      this.isSaving = false;
      if (isSaved) {
        this.record = next;
        this.ringSwitch.onDecided();
      } else this.ringSwitch.onUndecided();
      this.queue.shift()?.();
    });
  }

  /** Writes a change down and tells of it. @param make null: there is nothing to change */
  private change(
    make: (record: CourseRecord) => CourseRecord | null,
    done: (isSaved: boolean) => void,
  ): void {
    if (this.isSaving) {
      this.queue.push(() => this.change(make, done));
      return;
    }
    const record = make(this.record);
    if (record === null) {
      this.queue.shift()?.();
      done(false);
      return;
    }
    this.isSaving = true;
    this.effects.save(record, (isSaved) => {
      this.isSaving = false;
      if (isSaved) {
        this.record = record;
        this.effects.publish();
      }
      done(isSaved);
      this.queue.shift()?.();
    });
  }
}
