/**
 * All migrations of a proxy: their courses, what is written down, and the process that moves what no client asks for. See decision 21.
 */
import type { Config } from "../../api/config.ts";
import type { FromWorker } from "../../api/control.ts";
import type { MigrationStatus, ProcessStatus } from "../../api/control-socket.ts";
import type { HostsStatus } from "../../api/hosts.ts";
import type { MigrationOrder } from "../../api/migration.ts";
import type { FromSweeper } from "../../api/sweeper.ts";
import type { CourseRecord } from "../../migration/course-record.ts";
import { planOf } from "../../migration/key-places.ts";
import { StartError } from "../start-error.ts";
import { HostsDriver } from "./hosts-driver.ts";
import { LocalDriver } from "./local-driver.ts";
import { MigrationLog } from "./migration-log.ts";
import type {
  Driven,
  Driver,
  Follower,
  MigrationsOptions,
  PoolState,
  SweeperSlot,
} from "./migration-parts.ts";
import { problemOf, statusOf } from "./migration-status.ts";
import { StateFile } from "./state-file.ts";
import { isUnwritten } from "./switch-notes.ts";
import { Verification } from "./verification.ts";

/** In place of the sweeper among those that a switch waits for. */
const SWEEPER: Follower = { name: "sweeper", send() {} };

export class Migrations implements Driven {
  readonly options: MigrationsOptions;
  readonly log: MigrationLog;
  readonly pools: Map<string, PoolState> = new Map();
  readonly #sweeper: SweeperSlot;
  readonly verification: Verification;
  readonly file: StateFile | null;
  readonly switchesFromMs: number;
  #revision: number;
  readonly #driver: Driver;
  #rests = false;

  /**
   * @param config its file is that beside which it is written down where keys are
   * @param revision of the last order of the program before this one; null: this is the first, and may have been killed before
   * @throws StartError
   */
  constructor(options: MigrationsOptions, config: Config, revision: number | null) {
    const { file, etcd = null } = config;
    this.options = options;
    this.log = new MigrationLog(options.log);
    this.#revision = revision ?? 1;
    this.switchesFromMs = revision === null ? performance.now() + options.orphanMs() : 0;
    this.#sweeper = options.sweeper(
      {
        onMessage: (message) => this.#onSweeper(message),
        onGone: () => this.onGone(SWEEPER),
      },
      () => this.order,
    );
    this.verification = new Verification(options.sweeper, () => this.order);
    this.file = file === null ? null : new StateFile(file, options.log);
    const isShared = etcd !== null && this.file !== null;
    this.#driver = isShared ? new HostsDriver(this, this.file, etcd) : new LocalDriver(this);
    for (const [pool, record] of Object.entries(this.file?.records ?? {})) this.add(pool, record);
  }

  get processes(): readonly ProcessStatus[] {
    return [...this.#sweeper.statuses, ...this.verification.statuses];
  }

  get revision(): number {
    return this.#revision;
  }

  get order(): MigrationOrder {
    const pools = [...this.pools.values()].map(({ course }) => course.order);
    return { revision: this.#revision, pools };
  }

  /** Other hosts with which it agrees; null: none. */
  get hosts(): HostsStatus | null {
    return this.#driver.hosts;
  }

  add(pool: string, record: CourseRecord): PoolState {
    const state: PoolState = {
      course: this.#driver.create(pool, record),
      ...{ checked: null, problem: null, retryAtMs: 0, retries: 0, sweeps: [], wanted: null },
    };
    this.pools.set(pool, state);
    return state;
  }

  followers(): readonly Follower[] {
    return [...this.options.workers(), ...(this.#sweeper.isThere ? [SWEEPER] : [])];
  }

  publish(): void {
    this.#revision++;
    const { order } = this;
    for (const worker of this.options.workers()) worker.send({ type: "migrate", order });
    const isHeld = order.pools.some((pool) => pool.isHeld);
    const isWanted = [...this.pools.values()].some((state) => this.#wantsSweeper(state));
    if (isHeld || !isWanted) this.#sweeper.stop();
    else this.#sweeper.send(order);
  }

  /** It also looks whether the ring may change. */
  #wantsSweeper({ course }: PoolState): boolean {
    return course.wantsSweep || course.wantsCheck;
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
    await this.#driver.prepare(moving, before);
  }

  /** @throws StartError: what `config` says cannot hold now */
  check(config: Config): void {
    const problems: string[] = [...this.pools].flatMap(([name, { course }]) => {
      const pool = config.pools.find((one) => one.name === name);
      return problemOf(name, course.record, pool);
    });
    const isAny = config.pools.some(({ migrate }) => migrate === true);
    if (isAny && this.file === null) {
      problems.push(
        "migrate: true needs a configuration file, beside which it is written down where keys are",
      );
    }
    problems.push(...this.#driver.problemsOf(config));
    if (problems.length > 0) throw new StartError(problems);
  }

  /** What `prepare` has noted does not hold: no worker serves it. */
  abandon(): void {
    this.#driver.abandon();
  }

  /** `config` holds. What it asks for is seen to from now on. */
  commit(config: Config): void {
    for (const pool of config.pools) {
      const state = this.pools.get(pool.name);
      if (state !== undefined) state.wanted = planOf(pool);
    }
    const moving = config.pools.filter(({ migrate }) => migrate === true);
    const gone = [...this.pools.keys()].filter((name) => {
      return !moving.some((pool) => pool.name === name);
    });
    for (const name of gone) this.pools.delete(name);
    this.#driver.commit(config, gone);
  }

  // How it goes on

  get isUnderWay(): boolean {
    return [...this.pools.values()].some(({ course }) => course.record.current !== null);
  }

  isMoving(pool: string): boolean {
    return (this.pools.get(pool)?.course.record.current ?? null) !== null;
  }

  /** For a moment no process is started, and the sweeper ends. */
  rest(isResting: boolean): void {
    this.#rests = isResting;
    this.#driver.rest(isResting);
    if (isResting) this.#sweeper.stop();
    else this.tick();
  }

  get isResting(): boolean {
    return this.#rests && !this.#sweeper.isThere && !this.#driver.isSwitching;
  }

  /** Called once a second. */
  tick(): void {
    this.verification.tick();
    if (this.#rests) return;
    this.#sweeper.tick();
    const isHeld = this.order.pools.some((pool) => pool.isHeld);
    const isWanted = [...this.pools.values()].some((state) => this.#wantsSweeper(state));
    if (isWanted && !isHeld && !this.#sweeper.isThere) this.#sweeper.start();
    this.#driver.tick();
  }

  onMessage(worker: Follower, message: FromWorker): void {
    if (message.type !== "migrated" || message.revision !== this.#revision) return;
    for (const { course } of this.pools.values()) course.onQuiet(worker);
  }

  onGone(worker: Follower): void {
    for (const { course } of this.pools.values()) course.onGone(worker);
  }

  #onSweeper(message: FromSweeper): void {
    if (message.type === "ready") this.#sweeper.send(this.order);
    if (message.type === "ready" || message.type === "verified") return;
    const state = this.pools.get(message.pool);
    if (state === undefined || state.course.record.epoch !== message.epoch) return;
    if (message.type === "checked") {
      state.checked = message.problem ?? "";
      state.problem = message.problem;
    } else if (message.type === "sweeping") state.sweeps = message.servers;
    else this.#driver.onSwept(message.pool, message.address, message.epoch);
  }

  // What operators ask for

  statuses(): readonly MigrationStatus[] {
    return [...this.pools].flatMap(([pool, { course, problem, sweeps }]) => {
      const why = problem ?? this.#driver.waitsFor(pool);
      return statusOf(pool, course.record, { problem: why, sweeps }) ?? [];
    });
  }

  /** @throws StartError */
  async pause(pool: string | null, isPaused: boolean): Promise<readonly string[]> {
    const names = this.#underWay(pool);
    for (const name of names) {
      if (!(await this.#driver.pause(name, isPaused))) throw isUnwritten(this.file);
    }
    return names;
  }

  /** Keys go back to where they were, and stay there until a reload. @throws StartError */
  async cancel(pool: string | null): Promise<readonly string[]> {
    const names = this.#underWay(pool);
    for (const name of names) await this.#driver.cancel(name);
    return names;
  }

  /** The host is gone for good, and none waits for it any more. @throws StartError */
  async forget(host: string): Promise<void> {
    await this.#driver.forget(host);
  }

  /** No process of the proxy is there any more. */
  async leave(): Promise<void> {
    await this.#driver.leave();
  }

  #underWay(pool: string | null): readonly string[] {
    const all = [...this.pools].filter(([, { course }]) => course.record.current !== null);
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
