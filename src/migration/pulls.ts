/**
 * The keys that one process is moving just now, each once, and what waits for them. A key that could not be moved is not tried again at
 * once: who asks for it meanwhile is told why.
 *
 * Decides only: what is sent, and when it goes on after a pause, is up to its effects.
 */
import type { SettledKeys } from "./settled-keys.ts";

/** After a failure a key is not tried for so long. */
const FAILURE_MS = 100;

/** What is to be done next with a key that is moved; how a protocol does it is its own table of steps. */
export interface KeyMove<Step extends string, Reply extends string> {
  readonly step: Step | MoveEnd;
  /** There is a lock that is to be removed at the end. */
  readonly isLocked: boolean;
  /** @returns the next step */
  on(reply: Reply): Step | MoveEnd;
  /** After `pause`. */
  goOn(): Step | MoveEnd;
}

/** `pause`: it goes on a moment later. `settled`, `failed`: the end. */
export type MoveEnd = "pause" | "settled" | "failed";

/** One key on its way. `Place` says what it is and between which servers, as the effects need it. */
export interface Pull<Place, Waiter, Step extends string, Reply extends string> {
  readonly name: string;
  readonly place: Place;
  readonly move: KeyMove<Step, Reply>;
  readonly waiters: Waiter[];
  /** A step was sent and is not answered. */
  isOut: boolean;
}

export interface PullEffects<Place, Waiter, Step extends string, Reply extends string> {
  /** For a key that is about to be moved. */
  createMove(): KeyMove<Step, Reply>;
  /** Sends a step; `reply` follows, once. */
  perform(pull: Pull<Place, Waiter, Step, Reply>, step: Step): void;
  /** Calls `goOn` with the pull a moment later. */
  pause(pull: Pull<Place, Waiter, Step, Reply>): void;
  /** Removes the locks; how that ends does not matter. */
  unlock(pull: Pull<Place, Waiter, Step, Reply>): void;
  wake(waiter: Waiter): void;
  /** The key has moved, or there was none. */
  onSettled?(pull: Pull<Place, Waiter, Step, Reply>): void;
  nowMs(): number;
  /** None of its steps is at a server. */
  onQuiet(): void;
}

interface PullFailure {
  readonly text: string;
  readonly untilMs: number;
}

export class Pulls<Place, Waiter, Step extends string, Reply extends string> {
  private readonly settled: SettledKeys;
  private readonly effects: PullEffects<Place, Waiter, Step, Reply>;
  private readonly byName: Map<string, Pull<Place, Waiter, Step, Reply>> = new Map();
  private readonly failures: Map<string, PullFailure> = new Map();
  /** Steps that were sent and are not answered, also those of pulls that were given up. */
  private out = 0;
  private isHeld = false;

  constructor(settled: SettledKeys, effects: PullEffects<Place, Waiter, Step, Reply>) {
    this.settled = settled;
    this.effects = effects;
  }

  get size(): number {
    return this.byName.size;
  }

  get isQuiet(): boolean {
    return this.out === 0;
  }

  /** Why the key could not be moved a moment ago; null: that is not so. */
  failureOf(name: string): string | null {
    const failure = this.failures.get(name);
    if (failure === undefined) return null;
    if (failure.untilMs > this.effects.nowMs()) return failure.text;
    this.failures.delete(name);
    return null;
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  /** Has the key moved, unless it is on its way already. */
  add(name: string, place: Place): void {
    if (this.byName.has(name)) return;
    const pull = { name, place, move: this.effects.createMove(), waiters: [], isOut: false };
    this.byName.set(name, pull);
    if (!this.isHeld) this.perform(pull);
  }

  /** Wakes `waiter` when the key is settled, has failed, or is to be looked at anew; at once if it is not on its way. */
  wakeAfter(name: string, waiter: Waiter): void {
    const pull = this.byName.get(name);
    if (pull === undefined) this.effects.wake(waiter);
    else pull.waiters.push(waiter);
  }

  /** @param why for "refused": the words of the server */
  reply(pull: Pull<Place, Waiter, Step, Reply>, reply: Reply, why = ""): void {
    this.out--;
    pull.isOut = false;
    if (this.byName.get(pull.name) === pull) this.onReply(pull, reply, why);
    if (this.out === 0) this.effects.onQuiet();
  }

  /** After a pause. */
  goOn(pull: Pull<Place, Waiter, Step, Reply>): void {
    if (this.byName.get(pull.name) !== pull || pull.isOut) return;
    pull.move.goOn();
    if (!this.isHeld) this.perform(pull);
  }

  /** Sends no step until `letGo`. */
  hold(): void {
    this.isHeld = true;
  }

  letGo(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    for (const pull of this.byName.values()) if (!pull.isOut) this.perform(pull);
  }

  /** Another migration: all that was begun or found out holds no more. */
  reset(): void {
    const pulls = [...this.byName.values()];
    this.byName.clear();
    this.failures.clear();
    this.settled.clear();
    this.isHeld = false;
    for (const pull of pulls) this.wakeAll(pull);
  }

  private perform(pull: Pull<Place, Waiter, Step, Reply>): void {
    const { step } = pull.move;
    if (step === "pause") this.effects.pause(pull);
    if (isEnd(step)) return;
    pull.isOut = true;
    this.out++;
    this.effects.perform(pull, step);
  }

  private onReply(pull: Pull<Place, Waiter, Step, Reply>, reply: Reply, why: string): void {
    const step = pull.move.on(reply);
    if (step === "settled") this.end(pull);
    else if (step === "failed") this.fail(pull, why);
    else if (!this.isHeld) this.perform(pull);
  }

  private end(pull: Pull<Place, Waiter, Step, Reply>): void {
    this.byName.delete(pull.name);
    this.settled.add(pull.name);
    if (pull.move.isLocked) this.effects.unlock(pull);
    this.effects.onSettled?.(pull);
    this.wakeAll(pull);
  }

  private fail(pull: Pull<Place, Waiter, Step, Reply>, why: string): void {
    this.byName.delete(pull.name);
    const untilMs = this.effects.nowMs() + FAILURE_MS;
    this.forgetFailures();
    this.failures.set(pull.name, { text: why, untilMs });
    if (pull.move.isLocked) this.effects.unlock(pull);
    this.wakeAll(pull);
  }

  /** The oldest come first. */
  private forgetFailures(): void {
    const nowMs = this.effects.nowMs();
    for (const [name, { untilMs }] of this.failures) {
      if (untilMs > nowMs) break;
      this.failures.delete(name);
    }
  }

  private wakeAll({ waiters }: Pull<Place, Waiter, Step, Reply>): void {
    for (const waiter of waiters.splice(0)) this.effects.wake(waiter);
  }
}

function isEnd(step: string): step is MoveEnd {
  return step === "pause" || step === "settled" || step === "failed";
}
