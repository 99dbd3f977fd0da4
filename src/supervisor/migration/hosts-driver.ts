/** Decides when the rings of pools change, together with other hosts that have the same servers. See decision 23. */
import { randomBytes } from "node:crypto";
import type { Config, EtcdConfig, PoolConfig } from "../../api/config.ts";
import type { HostsStatus } from "../../api/hosts.ts";
import type { RingPlan } from "../../api/migration.ts";
import {
  AGREEMENT_LOOK_MS,
  AGREEMENT_LOOK_MS_BUSY,
  AGREEMENT_START_MS,
  HOSTS_AGAIN_MS,
  HOSTS_FENCE_MS,
  HOSTS_SWITCH_MS_MAX,
} from "../../base/agreement-limits.ts";
import type { CourseRecord } from "../../migration/course-record.ts";
import { HostAgreement } from "../../migration/host-agreement.ts";
import { HostCourse } from "../../migration/host-course.ts";
import { isSamePlan, planOf } from "../../migration/key-places.ts";
import {
  type BroughtPool,
  givenUp,
  held,
  left,
  type MakeNext,
  readied,
  rested,
  type SharedState,
  swept,
} from "../../migration/shared-state.ts";
import { EtcdHosts } from "../etcd/etcd-hosts.ts";
import { StartError } from "../start-error.ts";
import { HostFile } from "./host-file.ts";
import { hostsStatusOf } from "./hosts-status.ts";
import type { Driven, Driver, Follower } from "./migration-parts.ts";
import type { StateFile } from "./state-file.ts";
import { isUnwritten, noteSwitch } from "./switch-notes.ts";

const PATIENCE = {
  ...{ holdMs: HOSTS_SWITCH_MS_MAX, fenceMs: HOSTS_FENCE_MS, againMs: HOSTS_AGAIN_MS },
} as const;

export class HostsDriver implements Driver {
  readonly #driven: Driven;
  readonly #file: HostFile;
  readonly #config: EtcdConfig;
  readonly #etcd: EtcdHosts;
  readonly #agreement: HostAgreement;
  readonly #courses = new Map<string, HostCourse<Follower>>();
  /** Of pools whose requests are held back: lets other changes at this host begin. */
  readonly #locks = new Map<string, () => void>();
  /** What the configuration asks for, of the one that holds or is about to. */
  #wants: Readonly<Record<string, RingPlan>> = {};
  /** What a reload has asked for, until the others know. */
  #asked: readonly string[] = [];
  #isCommitted = false;
  /** It has never been with others. */
  #isNew: boolean;
  #rests = false;
  #isEnding = false;
  #isLooping = false;
  #contactMs: number | null = null;
  #problem: string | null = null;

  constructor(driven: Driven, file: StateFile, config: EtcdConfig) {
    this.#driven = driven;
    this.#file = new HostFile(file);
    this.#config = config;
    this.#isNew = this.#file.isNew;
    const name = { id: this.#file.id, start: randomBytes(8).toString("hex") };
    this.#etcd = new EtcdHosts(config, name, {
      onLive: (ids) => {
        this.#agreement.live = ids;
      },
      onContact: (problem) => this.#onContact(problem),
    });
    this.#agreement = new HostAgreement(name, this.#etcd, {
      onSeen: (state) => this.#onSeen(state),
      onLost: () => this.#onLost(),
      brought: () => this.#brought(),
      nowMs: () => Date.now(),
    });
  }

  create(pool: string, record: CourseRecord): HostCourse<Follower> {
    const course = new HostCourse<Follower>(
      ...([pool, this.#agreement.name, record, !this.#file.isSure(pool), PATIENCE] as const),
      {
        save: (next, hold, done) => done(this.#file.save(pool, next, hold)),
        change: (make) => this.#agreement.change(make),
        publish: () => this.#driven.publish(),
        workers: () => this.#driven.followers(),
        begin: () => this.#lock(pool),
        end: () => this.#unlock(pool),
        onSwitched: (problem) => {
          noteSwitch(this.#driven, pool, problem);
          this.#driven.tick();
        },
        monotonicMs: () => performance.now(),
      },
    );
    this.#courses.set(pool, course);
    return course;
  }

  #lock(pool: string): boolean {
    const { options, switchesFromMs } = this.#driven;
    const isReady = this.#isCommitted && !this.#rests && performance.now() >= switchesFromMs;
    if (!isReady || !options.isAlone() || this.#locks.size > 0) return false;
    void options.alone(() => {
      return new Promise((resolve) => this.#locks.set(pool, resolve));
    });
    return this.#locks.has(pool);
  }

  #unlock(pool: string): void {
    const unlock = this.#locks.get(pool);
    this.#locks.delete(pool);
    unlock?.();
  }

  // What others do

  #onContact(problem: string | null): void {
    if (problem === null) this.#contactMs = performance.now();
    if ((problem === null) !== (this.#problem === null)) this.#driven.log.hearsOthers(problem);
    this.#problem = problem;
  }

  #onSeen(state: SharedState): void {
    this.#file.noteMember(this.#courses.keys(), state);
    for (const [pool, course] of this.#courses) {
      const before = course.record;
      course.see(state);
      const { record } = course;
      if (before.epoch !== record.epoch) {
        const known = this.#driven.pools.get(pool);
        if (known !== undefined) known.checked = null;
        if (record.current?.phase === "before") this.#driven.log.begins(pool);
      }
      if (before.current?.phase === "moving" && record.current === null) {
        this.#driven.log.isDone(pool);
      }
    }
  }

  #onLost(): void {
    this.#driven.log.isForgotten(this.#agreement.isTaken);
    this.#file.noteLeft();
    for (const course of this.#courses.values()) course.isUnknown = true;
    this.#driven.publish();
  }

  #brought(): Readonly<Record<string, BroughtPool>> {
    const pools = Object.entries(this.#wants).flatMap(([pool, wants]) => {
      const course = this.#courses.get(pool);
      return course === undefined ? [] : [[pool, { wants, record: course.record }] as const];
    });
    return Object.fromEntries(pools);
  }

  // What the configuration asks for

  problemsOf({ etcd = null }: Config): readonly string[] {
    if (JSON.stringify(etcd) === JSON.stringify(this.#config)) return [];
    return [
      "etcd and the options beside it hold until the proxy is stopped: a reload cannot change them",
    ];
  }

  async prepare(pools: readonly PoolConfig[], before: Config | null): Promise<void> {
    const fresh: string[] = [];
    for (const pool of pools) {
      const { name } = pool;
      this.#wants = { ...this.#wants, [name]: planOf(pool) };
      if (this.#driven.pools.has(name)) continue;
      const old = before?.pools.find((one) => one.name === name);
      const placement = planOf(old ?? pool);
      fresh.push(name);
      this.#driven.add(name, { placement, epoch: 0, current: null });
    }
    if (pools.length === 0) return;
    // Before the others hear its name: a host with another one would be waited for beside this.
    if (!this.#file.keepName()) throw isUnwritten(this.#file);
    if (this.#isNew) await this.#checkFirst();
    this.#loop();
    if (before !== null && fresh.length === 0) return;
    const isKnown = await this.#enter();
    if (isKnown || before === null) return;
    throw new StartError([
      `nothing is heard of other hosts, so pool "${fresh.join('", "')}" cannot come now: ${this.#problem ?? "etcd does not answer in time"}`,
    ]);
  }

  /** So far this host moved keys without others. @throws StartError: they would not agree on where keys are */
  async #checkFirst(): Promise<void> {
    const own = Object.entries(this.#file.records);
    const moving = own.filter(([, { current }]) => current !== null);
    const problems = moving.map(([pool]) => {
      return `pool "${pool}": its keys are moving; take "etcd" out of the file until that is done`;
    });
    if (own.length > 0) {
      await Promise.race([
        new Promise<unknown>((resolve) => this.#agreement.look(resolve)),
        Bun.sleep(AGREEMENT_START_MS),
      ]);
    }
    const { state } = this.#agreement;
    if (state === null && own.length > 0) {
      const why = this.#problem ?? "it does not answer in time";
      problems.push(`etcd has to answer when a host with keys joins the others: ${why}`);
    }
    const { pools = {} } = state ?? {};
    for (const [pool, { placement }] of own) {
      const theirs = pools[pool]?.record.placement;
      if (theirs === undefined || isSamePlan(theirs, placement)) continue;
      problems.push(
        `pool "${pool}": the other hosts have its keys on other servers than this host: make the lists the same before it joins them, or remove ${this.#file.path} if this host has none of the keys`,
      );
    }
    if (problems.length > 0) throw new StartError(problems);
    this.#isNew = false;
  }

  async #enter(): Promise<boolean> {
    const known = new Promise<boolean>((resolve) => this.#agreement.enter(resolve));
    return await Promise.race([known, Bun.sleep(AGREEMENT_START_MS).then(() => false)]);
  }

  abandon(): void {
    const wants = Object.entries(this.#wants).flatMap(([pool]) => {
      const wanted = this.#driven.pools.get(pool)?.wanted ?? null;
      return wanted === null ? [] : [[pool, wanted] as const];
    });
    this.#wants = Object.fromEntries(wants);
  }

  commit(config: Config, gone: readonly string[]): void {
    const pools = config.pools.filter(({ migrate }) => migrate === true);
    this.#wants = Object.fromEntries(pools.map((pool) => [pool.name, planOf(pool)]));
    // What was taken back begins again when a reload asks for it, and not by a start.
    if (this.#isCommitted) this.#asked = Object.keys(this.#wants);
    this.#isCommitted = true;
    for (const pool of gone) {
      this.#courses.delete(pool);
      this.#unlock(pool);
    }
    if (gone.length > 0) this.#file.forget(gone);
    this.#loop();
  }

  // How it goes on

  rest(isResting: boolean): void {
    this.#rests = isResting;
  }

  get isSwitching(): boolean {
    return this.#locks.size > 0;
  }

  tick(): void {}

  #loop(): void {
    if (this.#isLooping || this.#isEnding || Object.keys(this.#wants).length === 0) return;
    this.#isLooping = true;
    const turn = (): void => {
      this.#isLooping = !this.#isEnding && Object.keys(this.#wants).length > 0;
      if (!this.#isLooping) return;
      this.#turn();
      setTimeout(turn, this.#isBusy ? AGREEMENT_LOOK_MS_BUSY : AGREEMENT_LOOK_MS);
    };
    turn();
  }

  get #isBusy(): boolean {
    const shared = Object.values(this.#agreement.state?.pools ?? {});
    const isUnderWay = shared.some(({ record, hold }) => record.current !== null || hold !== null);
    return isUnderWay || this.#locks.size > 0;
  }

  #turn(): void {
    const agreement = this.#agreement;
    this.#etcd.tick();
    agreement.look();
    agreement.enter();
    this.#tellReady();
    for (const [pool, course] of this.#courses) {
      const state = this.#driven.pools.get(pool);
      const isSweeper = agreement.sweeperOf(pool) === agreement.name.id;
      if (isSweeper !== course.isSweeper) {
        course.isSweeper = isSweeper;
        if (course.record.current !== null) this.#driven.publish();
      }
      const isDue = performance.now() >= (state?.retryAtMs ?? 0);
      if (!this.#rests) agreement.propose(pool, state?.checked === "", isDue);
      course.tick();
    }
  }

  /** Others hear what this host wants when all its workers serve that. */
  #tellReady(): void {
    const { options, switchesFromMs } = this.#driven;
    const { state, name } = this.#agreement;
    const there = state?.hosts[name.id];
    if (state === null || there === undefined || !this.#isCommitted) return;
    const isReady = options.isAlone() && performance.now() >= switchesFromMs;
    const wants = isReady ? this.#wants : there.wants;
    const asked = isReady ? this.#asked : [];
    if (readied(name.id, wants, isReady, asked)(state) === null) {
      if (isReady) this.#asked = [];
      return;
    }
    this.#agreement.ready(wants, isReady, asked);
  }

  waitsFor(pool: string): string | null {
    const { current } = this.#courses.get(pool)!.record;
    return current?.phase === "before" ? this.#agreement.problemOf(pool) : null;
  }

  get hosts(): HostsStatus {
    const heardAgoMs = this.#contactMs === null ? null : performance.now() - this.#contactMs;
    return hostsStatusOf(this.#agreement, this.#problem, heardAgoMs);
  }

  onSwept(pool: string, address: string, epoch: number): void {
    this.#agreement.change(swept(pool, address, epoch));
  }

  pause(pool: string, isPaused: boolean): Promise<boolean> {
    return this.#change(rested(pool, isPaused));
  }

  async cancel(pool: string): Promise<void> {
    const course = this.#courses.get(pool)!;
    const { epoch, current } = course.record;
    if (current?.phase === "before") await this.#mustChange(givenUp(pool));
    else {
      const problem = this.#agreement.problemOf(pool);
      const isOther = problem !== null && !problem.startsWith("not all");
      if (isOther) throw new StartError([`pool "${pool}": ${problem}; try again later`]);
      const hold = { isBack: true, isDeclined: true, atMs: Date.now() };
      await this.#mustChange(held(pool, epoch, hold));
    }
    const endMs = performance.now() + 2 * HOSTS_SWITCH_MS_MAX;
    const isOver = (): boolean => course.record.current === null || course.record.epoch !== epoch;
    while (!isOver() && performance.now() < endMs) await Bun.sleep(AGREEMENT_LOOK_MS_BUSY);
    if (!isOver()) {
      const why = this.#driven.pools.get(pool)?.problem ?? "other hosts did not say yes in time";
      throw new StartError([`pool "${pool}": the migration goes on as before: ${why}; try again`]);
    }
    this.#driven.log.isTakenBack(pool);
  }

  async forget(host: string): Promise<void> {
    const agreement = this.#agreement;
    const ids = Object.keys(agreement.state?.hosts ?? {});
    if (!ids.includes(host)) {
      throw new StartError([`no host "${host}" is known: there are ${ids.join(", ")}`]);
    }
    if (host === agreement.name.id || agreement.live.has(host)) {
      throw new StartError([
        `host "${host}" is there: stop its proxy, which then leaves by itself`,
      ]);
    }
    await this.#mustChange(left(host));
  }

  #change(make: MakeNext): Promise<boolean> {
    return new Promise((resolve) => this.#agreement.change(make, resolve));
  }

  /** @throws StartError */
  async #mustChange(make: MakeNext): Promise<void> {
    if (await this.#change(make)) return;
    throw new StartError([`etcd could not be told: ${this.#problem ?? "it does not answer"}`]);
  }

  async leave(): Promise<void> {
    this.#isEnding = true;
    // Who cannot be told believes that this host is there, and so it stays one of them.
    if (this.#problem !== null || this.#contactMs === null) return;
    if (!this.#file.noteLeft()) return;
    const isLeft = new Promise<boolean>((resolve) => this.#agreement.leave(resolve));
    await Promise.race([isLeft, Bun.sleep(AGREEMENT_START_MS)]);
    await Promise.race([this.#etcd.fallSilent(), Bun.sleep(AGREEMENT_START_MS)]);
  }
}
