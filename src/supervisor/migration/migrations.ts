/**
 * All migrations of a proxy: their courses, what is written down, and the process that moves what no client asks for. See decision 21.
 */
import type { Config, PoolConfig } from "../../api/config.ts";
import type { FromWorker } from "../../api/control.ts";
import type { MigrationStatus, ProcessStatus } from "../../api/control-socket.ts";
import type { MigrationOrder, RingPlan } from "../../api/migration.ts";
import type { FromSweeper } from "../../api/sweeper.ts";
import {
  SWITCH_AGAIN_MS,
  SWITCH_AGAIN_MS_MAX,
  SWITCH_MS_MAX,
} from "../../base/migration-limits.ts";
import { Course, type CourseRecord } from "../../migration/course.ts";
import { isSamePlan, planOf } from "../../migration/key-places.ts";
import { StartError } from "../start-error.ts";
import { MigrationLog } from "./migration-log.ts";
import type { Follower, MigrationsOptions, PoolState, SweeperSlot } from "./migration-parts.ts";
import { problemOf, statusOf } from "./migration-status.ts";
import { StateFile } from "./state-file.ts";
import { Verification } from "./verification.ts";

/** In place of the sweeper among those that a switch waits for. */
const SWEEPER: Follower = { name: "sweeper", send() {} };

export class Migrations {
  readonly #options: MigrationsOptions;
  readonly #log: MigrationLog;
  readonly #pools = new Map<string, PoolState>();
  readonly #sweeper: SweeperSlot;
  readonly verification: Verification;
  /** Null: nothing can be written down, and no keys move. */
  readonly #file: StateFile | null;
  #revision: number;
  readonly #switchesFromMs: number;
  #onSwitched: (() => void) | null = null;
  /** Their migrations begin with a configuration that does not hold so far. */
  readonly #begun: PoolState[] = [];
  #rests = false;

  /**
   * @param file of the configuration; null: nothing can be written down, and no keys move
   * @param revision of the last order of the program before this one; null: this is the first, and may have been killed before
   * @throws StartError
   */
  constructor(options: MigrationsOptions, file: string | null, revision: number | null) {
    this.#options = options;
    this.#log = new MigrationLog(options.log);
    this.#revision = revision ?? 1;
    this.#switchesFromMs = revision === null ? performance.now() + options.orphanMs() : 0;
    this.#sweeper = options.sweeper(
      {
        onMessage: (message) => this.#onSweeper(message),
        onGone: () => {
          for (const { course } of this.#pools.values()) course.onGone(SWEEPER);
        },
      },
      () => this.order,
    );
    this.verification = new Verification(options.sweeper, () => this.order);
    this.#file = file === null ? null : new StateFile(file, options.log);
    for (const [pool, record] of Object.entries(this.#file?.records ?? {})) this.#add(pool, record);
  }

  get processes(): readonly ProcessStatus[] {
    return [...this.#sweeper.statuses, ...this.verification.statuses];
  }

  get revision(): number {
    return this.#revision;
  }

  get order(): MigrationOrder {
    const pools = [...this.#pools.values()].map(({ course }) => course.order);
    return { revision: this.#revision, pools };
  }

  #add(pool: string, record: CourseRecord): PoolState {
    const course = new Course<Follower>(
      pool,
      record,
      {
        save: (next, done) => done(this.#save(pool, next)),
        publish: () => this.#publish(),
        workers: () => {
          return [...this.#options.workers(), ...(this.#sweeper.isThere ? [SWEEPER] : [])];
        },
        onSwitched: (problem) => this.#noteSwitch(pool, problem),
        nowMs: () => Date.now(),
        monotonicMs: () => performance.now(),
      },
      this.#switchesFromMs,
    );
    const state: PoolState = {
      ...{ course, checked: null, problem: null, retryAtMs: 0, retries: 0, sweeps: [] },
      wanted: null,
    };
    this.#pools.set(pool, state);
    return state;
  }

  #save(pool: string, record: CourseRecord): boolean {
    return this.#file?.write({ ...this.#file.records, [pool]: record }) === true;
  }

  #publish(): void {
    this.#revision++;
    const { order } = this;
    for (const worker of this.#options.workers()) worker.send({ type: "migrate", order });
    const isHeld = order.pools.some((pool) => pool.isHeld);
    const isWanted = [...this.#pools.values()].some((state) => this.#wantsSweeper(state));
    if (isHeld || !isWanted) this.#sweeper.stop();
    else this.#sweeper.send(order);
  }

  /** It also looks whether the ring may change. */
  #wantsSweeper({ course }: PoolState): boolean {
    return course.wantsSweep || course.record.current?.phase === "before";
  }

  // What the configuration asks for

  /**
   * What `config` says of its pools is about to hold: notes where their keys shall be.
   * @param before what held until now; null: nothing did
   * @throws StartError: it cannot hold now
   */
  async prepare(config: Config, before: Config | null): Promise<void> {
    this.check(config);
    const moving = config.pools.filter(({ migrate }) => migrate === true);
    for (const pool of moving) await this.#prepare(pool, before);
  }

  /** @throws StartError: what `config` says cannot hold now */
  check(config: Config): void {
    const problems = [...this.#pools].flatMap(([name, { course }]) => {
      const pool = config.pools.find((one) => one.name === name);
      return problemOf(name, course.record, pool);
    });
    const isAny = config.pools.some(({ migrate }) => migrate === true);
    if (isAny && this.#file === null) {
      problems.push(
        "migrate: true needs a configuration file, beside which it is written down where keys are",
      );
    }
    if (problems.length > 0) throw new StartError(problems);
  }

  async #prepare(pool: PoolConfig, before: Config | null): Promise<void> {
    const { name } = pool;
    const plan = planOf(pool);
    const old = before?.pools.find((one) => one.name === name);
    const isKnown = this.#pools.has(name);
    const state =
      this.#pools.get(name) ??
      this.#add(name, {
        placement: old === undefined ? plan : planOf(old),
        epoch: 0,
        current: null,
      });
    const { course } = state;
    if (!isKnown && !this.#save(name, course.record)) throw new StartError([this.#unwritten]);
    const { current, placement, declined } = course.record;
    if (current !== null || isSamePlan(placement, plan)) return;
    // What an operator has taken back begins again when a reload asks for it, and not by a start.
    if (before === null && declined !== undefined && isSamePlan(declined, plan)) return;
    state.checked = null;
    state.retries = 0;
    const isSaved = await new Promise<boolean>((resolve) => course.begin(plan, resolve));
    if (!isSaved) throw new StartError([this.#unwritten]);
    this.#begun.push(state);
    this.#log.begins(name);
  }

  get #unwritten(): string {
    return `${this.#file?.path} cannot be written, which says where keys are; see the log`;
  }

  /** What `prepare` has noted does not hold: no worker serves it. */
  abandon(): void {
    for (const state of this.#begun.splice(0)) state.course.cancel(false, () => {});
  }

  /** `config` holds. What it asks for is seen to from now on. */
  commit(config: Config): void {
    this.#begun.length = 0;
    for (const pool of config.pools) {
      const state = this.#pools.get(pool.name);
      if (state !== undefined) state.wanted = planOf(pool);
    }
    const moving = config.pools.filter(({ migrate }) => migrate === true);
    const gone = [...this.#pools.keys()].filter((name) => {
      return !moving.some((pool) => pool.name === name);
    });
    if (gone.length === 0) return;
    for (const name of gone) this.#pools.delete(name);
    this.#file?.forget(gone);
  }

  // How it goes on

  get isUnderWay(): boolean {
    return [...this.#pools.values()].some(({ course }) => course.record.current !== null);
  }

  isMoving(pool: string): boolean {
    return (this.#pools.get(pool)?.course.record.current ?? null) !== null;
  }

  /** For a moment no process is started, and the sweeper ends. */
  rest(isResting: boolean): void {
    this.#rests = isResting;
    if (isResting) this.#sweeper.stop();
    else this.tick();
  }

  get isResting(): boolean {
    return this.#rests && !this.#sweeper.isThere && this.#onSwitched === null;
  }

  /** Called once a second. */
  tick(): void {
    this.verification.tick();
    if (this.#rests) return;
    this.#sweeper.tick();
    for (const [name, state] of this.#pools) {
      const { course } = state;
      if (this.#wantsSweeper(state) && !course.order.isHeld && !this.#sweeper.isThere) {
        this.#sweeper.start();
      }
      if (this.#onSwitched === null && this.#options.isAlone()) this.#follow(name, state);
      const isDue = state.checked === "" && performance.now() >= state.retryAtMs;
      if (course.wantsSwitch && isDue && this.#onSwitched === null && this.#options.isAlone()) {
        void this.#options.alone(() => this.#switch(name, () => course.switchOver()));
      }
    }
  }

  /** @param begin has the course hold requests back */
  async #switch(pool: string, begin: () => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onSwitched = resolve;
    const timer = setTimeout(() => {
      const state = this.#pools.get(pool);
      if (state === undefined) return;
      const names = state.course.awaited.map(({ name }) => name);
      state.course.onDeadline();
      if (names.length > 0)
        state.problem = `${names.join(", ")} had requests at servers that did not end in time`;
    }, SWITCH_MS_MAX);
    begin();
    if (this.#pools.get(pool)?.course.order.isHeld !== true) resolve();
    await promise;
    clearTimeout(timer);
    this.#onSwitched = null;
  }

  #noteSwitch(pool: string, problem: string | null): void {
    const state = this.#pools.get(pool);
    if (state !== undefined) {
      state.problem = problem;
      state.retries = problem === null ? 0 : state.retries + 1;
      const afterMs = Math.min(SWITCH_AGAIN_MS * 2 ** (state.retries - 1), SWITCH_AGAIN_MS_MAX);
      state.retryAtMs = performance.now() + afterMs;
      if (problem === null) {
        state.sweeps = [];
        this.#log.movesKeys(pool);
      } else this.#log.waits(pool, problem);
    }
    this.#onSwitched?.();
    this.tick();
  }

  onMessage(worker: Follower, message: FromWorker): void {
    if (message.type !== "migrated" || message.revision !== this.#revision) return;
    for (const { course } of this.#pools.values()) course.onQuiet(worker);
  }

  onGone(worker: Follower): void {
    for (const { course } of this.#pools.values()) course.onGone(worker);
  }

  #onSweeper(message: FromSweeper): void {
    if (message.type === "ready") this.#sweeper.send(this.order);
    if (message.type === "ready" || message.type === "verified") return;
    const state = this.#pools.get(message.pool);
    if (state === undefined || state.course.record.epoch !== message.epoch) return;
    if (message.type === "checked") {
      state.checked = message.problem ?? "";
      state.problem = message.problem;
    } else if (message.type === "sweeping") state.sweeps = message.servers;
    else {
      const wasUnderWay = state.course.record.current !== null;
      state.course.onSwept(message.address, message.epoch);
      if (wasUnderWay && state.course.record.current === null) {
        this.#log.isDone(message.pool);
      }
    }
  }

  // What operators ask for

  statuses(): readonly MigrationStatus[] {
    return [...this.#pools].flatMap(([pool, { course, problem, sweeps }]) => {
      return statusOf(pool, course.record, { problem, sweeps }) ?? [];
    });
  }

  /** @throws StartError */
  async pause(pool: string | null, isPaused: boolean): Promise<readonly string[]> {
    const names = this.#underWay(pool);
    for (const name of names) {
      const { course } = this.#pools.get(name)!;
      const isSaved = await new Promise<boolean>((resolve) => course.pause(isPaused, resolve));
      if (!isSaved) throw new StartError([this.#unwritten]);
    }
    return names;
  }

  /** Keys go back to where they were, and stay there until a reload. @throws StartError */
  async cancel(pool: string | null): Promise<readonly string[]> {
    const names = this.#underWay(pool);
    for (const name of names) await this.#cancel(name);
    return names;
  }

  async #cancel(name: string): Promise<void> {
    const { course } = this.#pools.get(name)!;
    if (
      !course.canSwitch ||
      (course.record.current?.phase === "moving" && !this.#options.isAlone())
    ) {
      throw new StartError([
        `pool "${name}": workers of an earlier start or configuration may still be there; try again in some seconds`,
      ]);
    }
    const { epoch } = course.record;
    await this.#switch(name, () => course.cancel(true, () => {}));
    const { record } = course;
    if (record.current !== null && record.epoch === epoch) {
      const why = this.#pools.get(name)?.problem ?? "it could not be written down";
      throw new StartError([`pool "${name}": the migration goes on as before: ${why}; try again`]);
    }
    this.#log.isTakenBack(name);
  }

  /** Has the course go to where the configuration asks, which may have changed while keys moved. */
  #follow(name: string, state: PoolState): void {
    const { course, wanted } = state;
    const { current, placement, declined } = course.record;
    if (wanted === null) return;
    const isWanted = (plan: RingPlan | undefined): boolean =>
      plan !== undefined && isSamePlan(plan, wanted);
    if (current === null) {
      if (isWanted(placement)) course.forgetDeclined();
      else if (!isWanted(declined)) {
        state.checked = null;
        course.begin(wanted, () => {});
      }
    } else if (!isWanted(current.to) && isWanted(current.from) && !isWanted(declined)) {
      const isDue = course.canSwitch && performance.now() >= state.retryAtMs;
      const back = (): void => course.cancel(false, () => {});
      if (isDue) void this.#options.alone(() => this.#switch(name, back));
    }
  }

  #underWay(pool: string | null): readonly string[] {
    const all = [...this.#pools].filter(([, { course }]) => course.record.current !== null);
    const names = all.map(([name]) => name).filter((name) => pool === null || name === pool);
    if (names.length > 0) return names;
    const where = pool === null ? "" : ` of pool "${pool}"`;
    throw new StartError([`no migration${where} is under way`]);
  }

  reopenLog(): void {
    this.#sweeper.reopenLog();
    this.verification.reopenLog();
  }

  /** Values were set in the running proxy: the next sweeper has them. */
  onSettings(): void {
    this.#sweeper.stop();
  }

  close(): void {
    this.#sweeper.stop();
    this.verification.close();
  }
}
