/** The supervisor of a simulated migration. */
import type { PoolMigration, RingPlan } from "../../../src/api/migration.ts";
import { Course } from "../../../src/migration/course.ts";
import type { CourseRecord } from "../../../src/migration/course-record.ts";
import { Sweeper, Worker } from "./movers.ts";
import { HOLD_MS, ORPHAN_MS, WORKERS } from "./rings.ts";
import type { World } from "./world.ts";

type Process = Worker | Sweeper;

export class Supervisor {
  private readonly world: World;
  private readonly course: Course<Process>;
  private sweeper: Sweeper | null = null;
  private isDead = false;
  /** Of the last order. */
  private revision = 0;
  private wished: RingPlan | null = null;
  private names = 0;
  private isSwitching = false;
  private readonly bornMs: number;
  /** Messages to a worker keep their order. */
  private readonly lastMs: Map<Worker, number> = new Map();

  constructor(world: World) {
    this.world = world;
    this.bornMs = world.clock.nowMs;
    this.course = new Course<Process>(
      "main",
      world.disk,
      {
        save: (record, done) => this.save(record, done),
        publish: () => this.publish(),
        workers: () => {
          const sweeper = this.sweeper === null ? [] : [this.sweeper];
          return [...world.workers.filter((worker) => this.lastMs.has(worker)), ...sweeper];
        },
        onSwitched: () => {
          this.isSwitching = false;
        },
        nowMs: () => world.clock.nowMs,
        monotonicMs: () => world.clock.nowMs,
      },
      this.bornMs === 0 || world.hazard === "orphans_forgotten" ? 0 : this.bornMs + ORPHAN_MS,
    );
    for (let i = 0; i < WORKERS; i++) this.startWorker();
    this.tick();
  }

  get isAtRest(): boolean {
    return this.course.record.current === null && this.wished === null && !this.isSwitching;
  }

  die(): void {
    this.isDead = true;
    this.sweeper?.die();
  }

  wish(ring: RingPlan): void {
    if (this.world.isSettling) return;
    this.world.note("a new ring is wished");
    this.wished = ring;
  }

  cancel(): void {
    if (this.world.isSettling || this.isSwitching) return;
    this.course.cancel(this.world.clock.chance(0.5), (isBegun) => {
      this.world.note(`cancel ${isBegun}`);
      if (isBegun && this.course.order.isHeld) this.setDeadline();
    });
  }

  killSweeper(): void {
    if (this.world.isSettling || this.sweeper === null) return;
    this.world.note("kill the sweeper");
    const { sweeper } = this;
    sweeper.die();
    this.sweeper = null;
    this.course.onGone(sweeper);
  }

  onWorkerGone(worker: Worker): void {
    this.lastMs.delete(worker);
    if (this.world.hazard !== "late_worker_old_ring") this.course.onGone(worker);
    else this.course.onGone(worker);
    this.world.clock.after(5, () => this.startWorker());
  }

  private startWorker(): void {
    const { world, course } = this;
    if (this.isDead) return;
    const isLate = world.hazard === "late_worker_old_ring";
    const { placement } = course.record;
    const old: PoolMigration = {
      ...{ pool: "main", epoch: 0, phase: "before", isHeld: false, swept: [] },
      ...{ from: placement, to: placement },
    };
    const worker = new Worker(
      world,
      `w${world.workers.length}-${this.names++}`,
      isLate ? old : course.order,
      this.revision,
      (one, revision) => {
        // Its answer takes a while, too.
        world.clock.after(1 + world.clock.below(5), () => {
          const isMeant = revision === this.revision || world.hazard === "answer_to_earlier_order";
          if (!this.isDead && isMeant) course.onQuiet(one);
        });
      },
    );
    this.lastMs.set(worker, 0);
    world.workers.push(worker);
  }

  private save(record: CourseRecord, done: (isSaved: boolean) => void): void {
    const { clock } = this.world;
    if (this.world.hazard === "told_before_written") {
      clock.after(1, () => this.isDead || done(true));
      clock.after(40, () => {
        if (!this.isDead) this.world.disk = record;
      });
      return;
    }
    clock.after(1 + clock.below(10), () => {
      if (this.isDead) {
        // It may have come that far.
        return;
      }
      const isSaved = !clock.chance(0.03);
      if (isSaved) this.world.disk = record;
      // A crash between the two leaves it written and told to no process.
      clock.after(clock.below(5), () => this.isDead || done(isSaved));
    });
  }

  private publish(): void {
    const { world, course } = this;
    const { order } = course;
    const revision = ++this.revision;
    world.note(`order ${order.epoch} ${order.phase} ${order.isHeld}`);
    for (const worker of world.workers) {
      const last = this.lastMs.get(worker);
      if (last === undefined) continue;
      const atMs = Math.max(last, world.clock.nowMs + 1 + world.clock.below(10));
      this.lastMs.set(worker, atMs);
      world.clock.at(atMs, () => worker.follow(order, revision));
    }
    const mustGo = !course.wantsSweep && world.hazard !== "sweeper_outlives_cancel";
    if (mustGo && this.sweeper !== null) {
      const { sweeper } = this;
      this.sweeper = null;
      world.clock.after(1 + world.clock.below(10), () => {
        sweeper.die();
        if (!this.isDead) course.onGone(sweeper);
      });
    }
  }

  private setDeadline(): void {
    this.isSwitching = true;
    this.world.clock.after(HOLD_MS, () => this.isDead || this.course.onDeadline());
  }

  private tick(): void {
    if (this.isDead || this.world.isEnding) return;
    const { course, world } = this;
    const { clock } = world;
    if (course.record.current === null && this.wished !== null && !this.isSwitching) {
      const ring = this.wished;
      this.wished = null;
      course.begin(ring, (isSaved) => {
        if (!isSaved) this.wished = ring;
      });
    }
    if (course.wantsSwitch && !this.isSwitching) {
      this.setDeadline();
      course.switchOver();
    }
    const { order } = course;
    if (course.wantsSweep && this.sweeper === null) {
      this.sweeper = new Sweeper(world, order, (address, epoch) => course.onSwept(address, epoch));
    }
    if (this.sweeper?.isDead === false) this.sweeper.tell();
    clock.after(20, () => this.tick());
  }
}
