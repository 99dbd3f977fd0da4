/** One of several simulated hosts: a supervisor with workers, which agrees with others on where keys are. */
import type { RingPlan } from "../../../src/api/migration.ts";
import type { CourseRecord } from "../../../src/migration/course-record.ts";
import { HostAgreement } from "../../../src/migration/host-agreement.ts";
import { HostCourse } from "../../../src/migration/host-course.ts";
import {
  givenUp,
  held,
  left,
  rested,
  type SharedState,
  swept,
} from "../../../src/migration/shared-state.ts";
import type { HostsWorld } from "./hosts-world.ts";
import { Sweeper, Worker } from "./movers.ts";
import { HOLD_MS, ORPHAN_MS, WORKERS } from "./rings.ts";

type Process = Worker | Sweeper;

const POOL = "main";
const TICK_MS = 20;

/** What survives a host: its file. */
export interface HostFile {
  readonly record: CourseRecord;
  readonly yes: number | null;
  /** It has not left. */
  readonly isMember: boolean;
}

export class SimHost {
  readonly id: string;
  readonly agreement: HostAgreement;
  readonly course: HostCourse<Process>;
  readonly workers: Set<Worker> = new Set();
  private readonly world: HostsWorld;
  private sweeper: Sweeper | null = null;
  isDead = false;
  private isLeaving = false;
  /** What it has yet to write says so, too. */
  private hasLeft = false;
  private revision = 0;
  private names = 0;
  private readonly startsHoldsMs: number;
  private wants: RingPlan;
  private readyAtMs = 0;
  private isTold = false;
  private isBusy = false;
  private retryAtMs = 0;
  private readonly lastMs: Map<Worker, number> = new Map();

  constructor(world: HostsWorld, id: string, wants: RingPlan) {
    this.world = world;
    this.id = id;
    this.wants = wants;
    const { clock } = world;
    const file = world.files.get(id) ?? null;
    this.startsHoldsMs = clock.nowMs === 0 ? 0 : clock.nowMs + ORPHAN_MS;
    const name = { id, start: `${id}-${clock.nowMs}` };
    const isKnown = file?.isMember === true && file.yes === null;
    this.course = new HostCourse<Process>(
      POOL,
      name,
      file?.record ?? { placement: wants, epoch: 0, current: null },
      !isKnown && world.hazard !== "starts_by_its_file",
      { holdMs: HOLD_MS, fenceMs: 400, againMs: 60 },
      {
        save: (record, yes, done) => this.save(record, yes, done),
        change: (make) => this.agreement.change(make),
        publish: () => this.publish(),
        workers: () => [...this.workers, ...(this.sweeper === null ? [] : [this.sweeper])],
        begin: () => this.begin(),
        end: () => {
          this.isBusy = false;
        },
        onSwitched: (problem) => {
          world.note(`${id}: ${problem ?? "has another ring"}`);
          if (problem === null) world.switches++;
          this.retryAtMs = problem === null ? 0 : clock.nowMs + 200;
        },
        monotonicMs: () => clock.nowMs,
      },
    );
    this.agreement = new HostAgreement(
      name,
      world.etcd.registerOf(id, () => this.isDead),
      {
        onSeen: (state) => this.onSeen(state),
        onLost: () => this.onLost(),
        brought: () => ({ [POOL]: { wants: this.wants, record: this.course.record } }),
        nowMs: () => clock.nowMs,
      },
    );
    for (let i = 0; i < WORKERS; i++) this.startWorker();
    this.agreement.enter();
    this.tick();
  }

  get isAtRest(): boolean {
    const { record, isHeld } = this.course;
    return record.current === null && !isHeld && this.isTold && !this.isDead;
  }

  /** Its file says something else from now on, and workers that go by that serve a while later. */
  reload(wants: RingPlan): void {
    this.wants = wants;
    this.isTold = false;
    this.readyAtMs = this.world.clock.nowMs + this.world.clock.below(300);
  }

  /** An operator takes back what is under way. */
  cancel(): void {
    const { record } = this.course;
    const atMs = this.world.clock.nowMs;
    if (record.current?.phase === "before") this.agreement.change(givenUp(POOL));
    else {
      this.agreement.change(held(POOL, record.epoch, { isBack: true, isDeclined: true, atMs }));
    }
  }

  pause(isPaused: boolean): void {
    this.agreement.change(rested(POOL, isPaused));
  }

  die(): void {
    this.isDead = true;
    this.sweeper?.die();
    for (const worker of this.workers) worker.orphan();
  }

  /** Ends in good order: its workers finish, and then it leaves. @param done it has ended */
  stop(done: () => void): void {
    const { clock, hazard, files } = this.world;
    if (this.isBusy) {
      done();
      return;
    }
    this.isLeaving = true;
    this.sweeper?.die();
    this.sweeper = null;
    for (const worker of this.workers) worker.orphan();
    clock.after(hazard === "leaves_early" ? 0 : ORPHAN_MS, () => {
      if (this.isDead) return;
      this.hasLeft = true;
      files.set(this.id, { record: this.course.record, yes: null, isMember: false });
      this.agreement.leave(() => {
        if (this.isDead) return;
        this.die();
        done();
      });
    });
  }

  onWorkerGone(worker: Worker): void {
    this.workers.delete(worker);
    this.lastMs.delete(worker);
    if (this.isDead) return;
    this.course.onGone(worker);
    if (!this.isLeaving) this.world.clock.after(5, () => this.startWorker());
  }

  killSweeper(): void {
    const { sweeper } = this;
    if (sweeper === null) return;
    sweeper.die();
    this.sweeper = null;
    this.course.onGone(sweeper);
  }

  private begin(): boolean {
    const { clock } = this.world;
    if (this.isBusy || this.isLeaving || clock.nowMs < this.startsHoldsMs || !this.isTold) {
      return false;
    }
    this.isBusy = true;
    return true;
  }

  private onSeen(state: SharedState): void {
    this.course.see(state);
  }

  private onLost(): void {
    this.course.isUnknown = true;
    this.publish();
  }

  private startWorker(): void {
    if (this.isDead) return;
    const worker = new Worker(
      this.world,
      `${this.id}-w${this.names++}`,
      this.course.order,
      this.revision,
      (one, revision) => {
        this.world.clock.after(1 + this.world.clock.below(5), () => {
          if (!this.isDead && revision === this.revision) this.course.onQuiet(one);
        });
      },
    );
    this.lastMs.set(worker, 0);
    this.workers.add(worker);
    this.world.workers.push(worker);
  }

  /** In the order of the calls; a crash loses those that were not written so far. */
  private save(record: CourseRecord, yes: number | null, done: (isSaved: boolean) => void): void {
    const { clock, files, hazard } = this.world;
    this.savedMs = Math.max(this.savedMs, clock.nowMs + 1 + clock.below(8));
    clock.at(this.savedMs, () => {
      if (this.isDead) return;
      const isSaved = !clock.chance(0.03);
      const noted = hazard === "yes_unwritten" ? null : yes;
      if (isSaved) files.set(this.id, { record, yes: noted, isMember: !this.hasLeft });
      done(isSaved);
      if (hazard === "own_release" && isSaved && yes !== null) {
        clock.after(HOLD_MS, () => this.releaseByItself());
      }
    });
  }

  private savedMs = 0;

  private releaseByItself(): void {
    const { state } = this.agreement;
    const pool = state?.pools[POOL];
    if (this.isDead || state === null || pool === undefined || !this.course.isHeld) return;
    this.course.see({ ...state, pools: { [POOL]: { ...pool, hold: null } } });
  }

  private publish(): void {
    const { world, course } = this;
    const { order } = course;
    const revision = ++this.revision;
    world.note(`${this.id} order ${order.epoch} ${order.phase} ${order.isHeld} ${order.isRefused}`);
    for (const worker of this.workers) {
      const atMs = Math.max(
        this.lastMs.get(worker) ?? 0,
        world.clock.nowMs + 1 + world.clock.below(10),
      );
      this.lastMs.set(worker, atMs);
      world.clock.at(atMs, () => worker.follow(order, revision));
    }
    const { sweeper } = this;
    if (course.wantsSweep || sweeper === null) return;
    this.sweeper = null;
    world.clock.after(1 + world.clock.below(10), () => {
      sweeper.die();
      if (!this.isDead) course.onGone(sweeper);
    });
  }

  private tick(): void {
    const { world, agreement, course } = this;
    const { clock } = world;
    if (this.isDead || world.isEnding) return;
    clock.after(TICK_MS, () => this.tick());
    if (this.isLeaving) return;
    const live = world.etcd.hear(this.id);
    if (live !== null) agreement.live = live;
    agreement.look();
    agreement.enter();
    if (!this.isTold && clock.nowMs >= this.readyAtMs && !this.isBusy) {
      const { wants } = this;
      agreement.ready({ [POOL]: wants }, true, [POOL], (isKnown) => {
        if (isKnown && this.wants === wants) this.isTold = true;
      });
    }
    course.isSweeper = agreement.sweeperOf(POOL) === this.id;
    agreement.propose(POOL, true, clock.nowMs >= this.retryAtMs);
    if (world.hazard === "silent_not_awaited") this.forgetSilent();
    course.tick();
    if (course.wantsSweep && this.sweeper === null) {
      this.sweeper = new Sweeper(world, course.order, (address, epoch) => {
        if (!this.isDead) agreement.change(swept(POOL, address, epoch));
      });
    }
    if (this.sweeper?.isDead === false) this.sweeper.tell();
  }

  /** What must not be done: a host that is not heard of may be serving. */
  private forgetSilent(): void {
    const { state, live } = this.agreement;
    for (const id of Object.keys(state?.hosts ?? {})) {
      if (!live.has(id)) this.agreement.change(left(id));
    }
  }
}
