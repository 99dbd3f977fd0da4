/** Servers, and the ways to them, of a simulated migration. */
import type { MoveReply, MoveStep } from "../../../src/migration/move-key.ts";
import type { Clock } from "./clock.ts";

/** A lock lasts so long. */
export const LOCK_MS = 400;

interface Lock {
  readonly epoch: number;
  readonly token: number;
  readonly untilMs: number;
}

/** What a mover asks of a server for one key. */
export interface Step {
  readonly step: MoveStep | "unlock";
  readonly key: string;
  readonly epoch: number;
  readonly token: number;
  /** With `put`. */
  readonly value: number;
}

export interface StepReply {
  readonly reply: MoveReply;
  readonly value: number;
}

export class SimServer {
  readonly name: string;
  readonly data: Map<string, number>;
  private readonly locks: Map<string, Lock> = new Map();
  private readonly clock: Clock;

  constructor(name: string, clock: Clock, data: Map<string, number> = new Map()) {
    this.name = name;
    this.clock = clock;
    this.data = data;
  }

  /** The keys that it has, and those that it has a lock of. */
  get keysAndLocked(): readonly string[] {
    return [...new Set([...this.data.keys(), ...this.locks.keys()])];
  }

  private lockOf(key: string): Lock | null {
    const lock = this.locks.get(key);
    if (lock === undefined) return null;
    if (lock.untilMs > this.clock.nowMs) return lock;
    this.locks.delete(key);
    return null;
  }

  private setLock({ key, epoch, token }: Step): void {
    this.locks.set(key, { epoch, token, untilMs: this.clock.nowMs + LOCK_MS });
  }

  execute(step: Step): StepReply {
    const { key, epoch, token } = step;
    const lock = this.lockOf(key);
    const isOwn = lock?.token === token;
    const answer = (reply: MoveReply, value = 0): StepReply => ({ reply, value });
    switch (step.step) {
      case "look":
        return answer(this.data.has(key) || lock !== null ? "there" : "absent");
      case "lock":
        if (lock !== null && !isOwn && lock.epoch >= epoch) return answer("busy");
        this.setLock(step);
        return answer("locked");
      case "take": {
        if (lock !== null && lock.epoch > epoch) return answer("lost");
        const value = this.data.get(key);
        if (value === undefined) this.locks.delete(key);
        else this.setLock(step);
        return value === undefined ? answer("absent") : answer("taken", value);
      }
      case "put":
        if (!isOwn) return answer("lost");
        if (!this.data.has(key)) this.data.set(key, step.value);
        return answer("put");
      case "drop":
        if (!isOwn) return answer("lost");
        this.data.delete(key);
        this.locks.delete(key);
        return answer("dropped");
      default:
        if (isOwn) this.locks.delete(key);
        return answer(isOwn ? "freed" : "lost");
    }
  }
}

/** A connection from one process to one server: what is sent is executed in its order, some time later, also after the process is dead. */
export class SimLink {
  private readonly clock: Clock;
  private lastMs = 0;
  private lastReplyMs = 0;
  private isCut = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** @param onReply called some time after `execute`, unless the process is dead by then */
  send<Result>(execute: () => Result, onReply: (result: Result) => void): void {
    const { clock } = this;
    const atMs = Math.max(this.lastMs, clock.nowMs + clock.delayMs());
    this.lastMs = atMs;
    // What follows something that got lost is lost as well.
    const isLost = (): boolean => this.isCut && clock.chance(0.2);
    let wasLost = false;
    clock.at(atMs, () => {
      wasLost = isLost();
      if (wasLost) return;
      const result = execute();
      this.lastReplyMs = Math.max(this.lastReplyMs, clock.nowMs + clock.delayMs());
      clock.at(this.lastReplyMs, () => {
        if (!this.isCut) onReply(result);
      });
    });
  }

  /** The process has died. */
  cut(): void {
    this.isCut = true;
  }
}
