/**
 * What holds besides the configuration file until it is taken back or its time is over: values that were set in the running proxy.
 *
 * Every change goes to all workers at once, see Agreement. A worker that starts is given what holds, and so is the program that
 * replaces this one. A reload drops the values: the file is the truth then.
 */
import type { FromWorker } from "../../api/control.ts";
import type { CheckedSetting } from "../../api/settings.ts";
import type { Lever, SteeringOrder } from "../../api/steering.ts";
import { LEVERS_MAX, SETTINGS_MAX } from "../../base/limits.ts";
import type { Logger } from "../../base/log.ts";
import { StartError } from "../start-error.ts";
import { Agreement, type Steerable } from "./agreement.ts";
import type { Operator } from "./operator.ts";

/** How long something holds, and whose wish it is. Times in milliseconds since the epoch. */
export interface Term extends Operator {
  readonly atMs: number;
  /** Null: until it is taken back. */
  readonly untilMs: number | null;
}

export interface Setting extends CheckedSetting, Term {
  /** The file says the same by now. */
  readonly isSaved: boolean;
}

export interface HeldLever extends Lever, Term {
  /** Names it for operators; no other has it. */
  readonly id: number;
  readonly untilMs: number;
}

/** Plain data, for the program that replaces this one. */
export interface SteeringSnapshot {
  readonly revision: number;
  /** Of two with one path the second, which has an end, goes before the first. */
  readonly settings: readonly Setting[];
  /** All but those of the kinds `drain` and `drain_to`, as in SteeringOrder. Absent: an older program, which had none. */
  readonly levers?: readonly HeldLever[];
  /** Those. Absent: likewise. */
  readonly drains?: readonly HeldLever[];
  /** The highest number that a lever ever had. Absent: an older program, which did not keep it. */
  readonly lastLever?: number;
}

interface Held {
  readonly settings: readonly Setting[];
  /** Of all kinds. */
  readonly levers: readonly HeldLever[];
}

export interface SteeringOptions {
  readonly log: Logger;
  /** Those that serve and understand orders. */
  workers(): readonly Steerable[];
  /** Something else holds now. */
  onChange(): void;
  /** Within which each worker must answer; default: see Agreement. */
  readonly answerMs?: number;
}

/** What is imposed in this time is told to the workers together: a storm of signals must not keep them busy. */
const IMPOSE_MS = 20;

/** A clock that is put forward is noticed after so long at the latest. */
const LOOK_MS_MAX = 60_000;

export class Steering {
  readonly #options: SteeringOptions;
  readonly #agreement: Agreement;
  #held: Held;
  #revision: number;
  #lastLever: number;
  #isChanging = false;
  #timer: Timer | undefined;
  /** Set: the workers are to be told what was imposed. */
  #imposeTimer: Timer | null = null;

  constructor(options: SteeringOptions, saved: SteeringSnapshot | null) {
    this.#options = options;
    this.#agreement = new Agreement(() => options.workers(), options.answerMs);
    const { settings = [], levers = [], drains = [] } = saved ?? {};
    this.#held = { settings, levers: [...levers, ...drains] };
    this.#revision = saved?.revision ?? 0;
    const ids = this.levers.map(({ id }) => id);
    this.#lastLever = Math.max(saved?.lastLever ?? 0, ...ids);
    this.#watch();
  }

  get settings(): readonly Setting[] {
    return this.#held.settings;
  }

  get levers(): readonly HeldLever[] {
    return this.#held.levers;
  }

  /** Everything that holds. */
  get order(): SteeringOrder {
    return orderOf(this.#held, this.#revision);
  }

  /** Tells the workers first, so it comes before a snapshot of what is on its way to them. */
  snapshot(): SteeringSnapshot {
    if (this.#imposeTimer !== null) this.#tell();
    const { settings, levers } = this.#held;
    return { revision: this.#revision, settings, ...byWire(levers), lastLever: this.#lastLever };
  }

  onMessage(worker: Steerable, message: FromWorker): void {
    this.#agreement.onMessage(worker, message);
  }

  onGone(worker: Steerable): void {
    this.#agreement.onGone(worker);
  }

  /** Has it hold in all workers. One change at a time. @throws StartError: nothing has changed in any */
  async set(settings: readonly Setting[]): Promise<void> {
    if (settings.length > SETTINGS_MAX) {
      throw new StartError([`${SETTINGS_MAX} values are set already; write some into the file`]);
    }
    await this.#change({ ...this.#held, settings });
  }

  /** The same for all levers. @throws StartError */
  async setLevers(levers: readonly HeldLever[]): Promise<void> {
    if (levers.length > LEVERS_MAX) {
      throw new StartError([`there are ${LEVERS_MAX} levers already; release some`]);
    }
    await this.#change({ ...this.#held, levers });
  }

  /** A number that no lever had before: a late release of one that is over must not end another. */
  nextLeverId(): number {
    this.#lastLever += 1;
    return this.#lastLever;
  }

  /** Ends levers, also where a worker does not answer. False: a change is under way, and it was not done. */
  release(ids: ReadonlySet<number>): boolean {
    if (this.#isChanging) return false;
    const levers = this.#held.levers.filter(({ id }) => !ids.has(id));
    this.#force({ ...this.#held, levers });
    return true;
  }

  /** Puts it in the place of all with its path, and waits for no worker. False: a change is under way, and it was not done. */
  impose(setting: Setting): boolean {
    if (this.#isChanging) return false;
    const others = this.#held.settings.filter(({ path }) => path !== setting.path);
    this.#hold({ ...this.#held, settings: [...others, setting] });
    this.#imposeTimer ??= setTimeout(() => this.#tell(), IMPOSE_MS);
    return true;
  }

  /** The file has been read again: what it says holds, but for what was set beside it, if that is kept. */
  forgetSettings(keepsUnsaved: boolean): void {
    const settings = this.#held.settings.filter(({ isSaved }) => keepsUnsaved && !isSaved);
    if (settings.length < this.#held.settings.length) this.#force({ ...this.#held, settings });
  }

  /** What holds is what the file says, from now on without an end. */
  keepSaved(): void {
    const settings = this.#held.settings.map((setting) => ({
      ...{ ...setting, isSaved: true, untilMs: null },
    }));
    this.#force({ ...this.#held, settings });
  }

  async #change(next: Held): Promise<void> {
    const before = this.#held;
    if (this.#imposeTimer !== null) this.#tell();
    this.#isChanging = true;
    try {
      const order = orderOf(next, this.#revision + 1);
      await this.#agreement.reach(order, () => this.#hold(next));
    } catch (error) {
      if (this.#held !== before) this.#force(before);
      throw error;
    } finally {
      this.#isChanging = false;
      this.#watch();
    }
  }

  #force(next: Held): void {
    this.#hold(next);
    this.#tell();
  }

  #tell(): void {
    if (this.#imposeTimer !== null) clearTimeout(this.#imposeTimer);
    this.#imposeTimer = null;
    this.#agreement.force(this.order);
  }

  #hold(next: Held): void {
    this.#revision += 1;
    this.#held = next;
    this.#options.onChange();
    this.#watch();
  }

  /** Sees to the end of what ends next. */
  #watch(): void {
    clearTimeout(this.#timer);
    const { settings, levers } = this.#held;
    const ends = [...settings, ...levers].flatMap(({ untilMs }) =>
      untilMs === null ? [] : [untilMs],
    );
    if (ends.length === 0) return;
    const inMs = Math.min(...ends) - Date.now();
    this.#timer = setTimeout(() => this.#endOld(), Math.min(Math.max(inMs, 0), LOOK_MS_MAX));
  }

  #endOld(): void {
    // `#change` looks again when it is done.
    if (this.#isChanging) return;
    const nowMs = Date.now();
    const isOver = ({ untilMs }: Term): boolean => untilMs !== null && untilMs <= nowMs;
    const { log } = this.#options;
    const { settings, levers } = this.#held;
    for (const { path, text } of settings.filter(isOver)) {
      log.info("a setting's time is over", { option: path, value: text });
    }
    for (const { id, kind, pool, text } of levers.filter(isOver)) {
      log.info("a lever's time is over", { lever: id, kind, pool, text });
    }
    const left: Held = {
      settings: settings.filter((setting) => !isOver(setting)),
      levers: levers.filter((lever) => !isOver(lever)),
    };
    const isSame = left.settings.length === settings.length && left.levers.length === levers.length;
    if (isSame) this.#watch();
    else this.#force(left);
  }
}

function orderOf({ settings, levers }: Held, revision: number): SteeringOrder {
  return {
    revision,
    values: settings.map(({ pool, field, value }) => ({ pool, field, value })),
    ...byWire(levers.map(({ kind, pool, text }) => ({ kind, pool, text }))),
  };
}

/** As programs are told of them, see `SteeringOrder.drains`. */
function byWire<L extends Lever>(
  levers: readonly L[],
): { readonly levers: L[]; readonly drains: L[] } {
  return {
    levers: levers.filter((lever) => !isDrain(lever)),
    drains: levers.filter(isDrain),
  };
}

function isDrain({ kind }: Lever): boolean {
  return kind === "drain" || kind === "drain_to";
}
