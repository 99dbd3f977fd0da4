/** Decides when the rings of pools change, where no other host has the same servers. */
import type { Config, PoolConfig } from "../../api/config.ts";
import type { RingPlan } from "../../api/migration.ts";
import { SWITCH_MS_MAX } from "../../base/migration-limits.ts";
import { Course } from "../../migration/course.ts";
import type { CourseRecord } from "../../migration/course-record.ts";
import { isSamePlan, planOf } from "../../migration/key-places.ts";
import { StartError } from "../start-error.ts";
import type { Driven, Driver, Follower, PoolState } from "./migration-parts.ts";
import { isUnwritten, noteSwitch } from "./switch-notes.ts";

export class LocalDriver implements Driver {
  readonly hosts = null;
  readonly #driven: Driven;
  readonly #courses = new Map<string, Course<Follower>>();
  #onSwitched: (() => void) | null = null;
  /** Their migrations begin with a configuration that does not hold so far. */
  readonly #begun: string[] = [];

  constructor(driven: Driven) {
    this.#driven = driven;
  }

  create(pool: string, record: CourseRecord): Course<Follower> {
    const driven = this.#driven;
    const course = new Course<Follower>(
      pool,
      record,
      {
        save: (next, done) => done(this.#save(pool, next)),
        publish: () => driven.publish(),
        workers: () => driven.followers(),
        onSwitched: (problem) => this.#noteSwitch(pool, problem),
        nowMs: () => Date.now(),
        monotonicMs: () => performance.now(),
      },
      driven.switchesFromMs,
    );
    this.#courses.set(pool, course);
    return course;
  }

  #save(pool: string, record: CourseRecord): boolean {
    const { file } = this.#driven;
    return file?.write({ ...file.records, [pool]: record }) === true;
  }

  problemsOf({ etcd = null }: Config): readonly string[] {
    if (etcd === null) return [];
    return ["etcd: takes effect when the proxy is started, and cannot come by a reload"];
  }

  async prepare(pools: readonly PoolConfig[], before: Config | null): Promise<void> {
    for (const pool of pools) await this.#prepare(pool, before);
  }

  async #prepare(pool: PoolConfig, before: Config | null): Promise<void> {
    const { name } = pool;
    const plan = planOf(pool);
    const old = before?.pools.find((one) => one.name === name);
    const known = this.#driven.pools.get(name);
    const placement = old === undefined ? plan : planOf(old);
    const state = known ?? this.#driven.add(name, { placement, epoch: 0, current: null });
    const course = this.#courses.get(name)!;
    if (known === undefined && !this.#save(name, course.record)) throw this.#unwritten;
    const { current, placement: place, declined } = course.record;
    if (current !== null || isSamePlan(place, plan)) return;
    // What an operator has taken back begins again when a reload asks for it, and not by a start.
    if (before === null && declined !== undefined && isSamePlan(declined, plan)) return;
    state.checked = null;
    state.retries = 0;
    const isSaved = await new Promise<boolean>((resolve) => course.begin(plan, resolve));
    if (!isSaved) throw this.#unwritten;
    this.#begun.push(name);
    this.#driven.log.begins(name);
  }

  get #unwritten(): StartError {
    return isUnwritten(this.#driven.file);
  }

  waitsFor(): null {
    return null;
  }

  abandon(): void {
    for (const name of this.#begun.splice(0)) this.#courses.get(name)?.cancel(false, () => {});
  }

  commit(_config: Config, gone: readonly string[]): void {
    this.#begun.length = 0;
    for (const name of gone) this.#courses.delete(name);
    if (gone.length > 0) this.#driven.file?.forget(gone);
  }

  rest(): void {}

  get isSwitching(): boolean {
    return this.#onSwitched !== null;
  }

  tick(): void {
    const { options, pools } = this.#driven;
    for (const [name, state] of pools) {
      const course = this.#courses.get(name)!;
      if (this.#onSwitched === null && options.isAlone()) this.#follow(name, course, state);
      const isDue = state.checked === "" && performance.now() >= state.retryAtMs;
      if (course.wantsSwitch && isDue && this.#onSwitched === null && options.isAlone()) {
        void options.alone(() => this.#switch(name, course, () => course.switchOver()));
      }
    }
  }

  /** Has the course go to where the configuration asks, which may have changed while keys moved. */
  #follow(name: string, course: Course<Follower>, state: PoolState): void {
    const { wanted } = state;
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
      if (isDue) void this.#driven.options.alone(() => this.#switch(name, course, back));
    }
  }

  /** @param begin has the course hold requests back */
  async #switch(pool: string, course: Course<Follower>, begin: () => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onSwitched = resolve;
    const timer = setTimeout(() => {
      const names = course.awaited.map(({ name }) => name);
      course.onDeadline();
      const state = this.#driven.pools.get(pool);
      if (state === undefined || names.length === 0) return;
      state.problem = `${names.join(", ")} had requests at servers that did not end in time`;
    }, SWITCH_MS_MAX);
    begin();
    if (!course.order.isHeld) resolve();
    await promise;
    clearTimeout(timer);
    this.#onSwitched = null;
  }

  #noteSwitch(pool: string, problem: string | null): void {
    noteSwitch(this.#driven, pool, problem);
    this.#onSwitched?.();
    this.#driven.tick();
  }

  onSwept(pool: string, address: string, epoch: number): void {
    const course = this.#courses.get(pool);
    const isMoving = (): boolean => (course?.record.current ?? null) !== null;
    const wasMoving = isMoving();
    course?.onSwept(address, epoch);
    if (wasMoving && !isMoving()) this.#driven.log.isDone(pool);
  }

  pause(pool: string, isPaused: boolean): Promise<boolean> {
    const course = this.#courses.get(pool)!;
    return new Promise((resolve) => course.pause(isPaused, resolve));
  }

  async cancel(pool: string): Promise<void> {
    const course = this.#courses.get(pool)!;
    const { options, pools, log } = this.#driven;
    const isMoving = course.record.current?.phase === "moving";
    if (!course.canSwitch || (isMoving && !options.isAlone())) {
      throw new StartError([
        `pool "${pool}": workers of an earlier start or configuration may still be there; try again in some seconds`,
      ]);
    }
    const { epoch } = course.record;
    await this.#switch(pool, course, () => course.cancel(true, () => {}));
    const { record } = course;
    if (record.current !== null && record.epoch === epoch) {
      const why = pools.get(pool)?.problem ?? "it could not be written down";
      throw new StartError([`pool "${pool}": the migration goes on as before: ${why}; try again`]);
    }
    log.isTakenBack(pool);
  }

  forget(): Promise<void> {
    throw new StartError(["this proxy agrees with no other hosts: its configuration has no etcd"]);
  }

  async leave(): Promise<void> {}
}
