/**
 * The event loop: one io_uring_enter for each turn, and Bun's own loop beside it.
 *
 *   ┌▶ enter ─▶ completions ─▶ timers that are due ─▶ paced work ─▶ end of the turn ─▶ microtasks ─┐
 *   └────────────────────────────────────────────────────────────────────────────────────────────┘
 *        │ Bun has events, or a setImmediate callback, or has waited long enough
 *        └▶ Bun's loop turns once, and calls back
 *
 * Bun's epoll descriptor is a member of this loop, so signals, child processes, the control channel and name lookups are heard of at
 * once. Only Bun's own timers are not: see BUN_WAIT_MS.
 */
import { drainMicrotasks } from "bun:jsc";
import { assert } from "../../base/assert.ts";
import { Deadlines } from "../../base/deadlines.ts";
import { BUN_WAIT_IDLE_MS, BUN_WAIT_MS } from "../../base/limits.ts";
import { every } from "../../base/schedule.ts";
import { findEventLoop } from "../../os/event-loop.ts";
import { closeFd } from "../../os/fd.ts";
import { CQE_MORE, IoUring, POLL, POLLIN } from "../../os/io-uring.ts";
import { PacedWork } from "./paced-work.ts";
import { ReceiveBuffers } from "./receive-buffers.ts";
import { SendSlots } from "./send-slots.ts";

/** Hears what became of its operations. */
export interface Operator {
  /** @param kind see `tagOf` @param result as of the system call, errors negative @param flags CQE_… */
  onCompletion(kind: number, result: number, flags: number): void;
}

const SUBMISSIONS = 1024;
/** More than these wait in the kernel's memory. */
const COMPLETIONS = 8192;
const RECEIVE_BUFFERS = 256;
const RECEIVE_BUFFER_BYTES: number = 32 * 1024;
const SEND_SLOTS = 1024;
const SEND_SLOT_BYTES: number = 8 * 1024;
/** How often memory is given back that was not needed meanwhile. */
const TRIM_STEP_MS = 5000;
/** After so many turns Bun's loop gets one, whatever else there is to do. */
const TURNS_MAX = 64;
const KIND_BITS = 3;

/** Names the operation `kind`, 1 to 7, of the operator that was registered as `id`. */
export function tagOf(id: number, kind: number): number {
  return (id << KIND_BITS) | kind;
}

export class UringLoop {
  readonly ring: IoUring;
  readonly buffers: ReceiveBuffers;
  readonly slots: SendSlots;
  readonly paced: PacedWork = new PacedWork(() => performance.now());
  private readonly timers: Deadlines;
  /** By id. The first place stays empty: 0 is no tag. */
  private readonly operators: (Operator | null)[] = [null];
  private readonly freeIds: number[] = [];
  /** What is to be called at the end of this turn; and a list for the next, which take turns. */
  private pending: (() => void)[] = [];
  private spare: (() => void)[] = [];
  private isRunning = false;
  private isClosed = false;
  private turnMs = 0;
  private bunTurnMs = 0;
  /** Bun's loop gets a turn when it has had none for so long. */
  private bunWaitMs = BUN_WAIT_MS;
  private mustTurnBun = false;
  private mustTrim = false;
  private readonly bunFd: number;
  private readonly bunId: number;
  private isBunPolled = false;
  private readonly setImmediate: typeof setImmediate = globalThis.setImmediate;

  /** Starts at once. There is one in a process. @throws OsError: see IoUring */
  constructor() {
    this.bunFd = findEventLoop();
    this.ring = new IoUring({ submissions: SUBMISSIONS, completions: COMPLETIONS });
    try {
      this.buffers = new ReceiveBuffers(this.ring, RECEIVE_BUFFERS, RECEIVE_BUFFER_BYTES);
      this.slots = new SendSlots(SEND_SLOTS, SEND_SLOT_BYTES);
    } catch (error) {
      this.ring.close();
      throw error;
    }
    this.timers = new Deadlines(this.nowMs, () => () => {});
    this.bunId = this.register({ onCompletion: (_kind, _result, flags) => this.onBunReady(flags) });
    this.watchImmediates();
    every(this.timer, TRIM_STEP_MS, () => {
      this.mustTrim = true;
    });
    this.setImmediate(this.run);
  }

  /** Within a turn it stands still. */
  private readonly nowMs = (): number => (this.isRunning ? this.turnMs : performance.now());

  readonly timer = (delayMs: number, callback: () => void): (() => void) => {
    const deadline = this.timers.create(callback);
    deadline.set(performance.now() + delayMs);
    return () => deadline.cancel();
  };

  readonly atTurnEnd = (callback: () => void): void => {
    this.pending.push(callback);
  };

  // Operations

  /** @returns the id that its tags are made of */
  register(operator: Operator): number {
    const id = this.freeIds.pop() ?? this.operators.length;
    this.operators[id] = operator;
    return id;
  }

  /** Only when no operation of it is with the kernel any more. */
  unregister(id: number): void {
    this.operators[id] = null;
    this.freeIds.push(id);
  }

  /**
   * Lets the kernel work on what was prepared, and deals with what has become of the operations of `id`. What became of others
   * waits for its turn.
   */
  complete(id: number): void {
    const { ring } = this;
    ring.enter(0, 0);
    for (let index = ring.head; index !== ring.tail; index = (index + 1) | 0) {
      const at = ring.completionAt(index);
      const tag = ring.tagAt(at);
      if (tag >>> KIND_BITS !== id || tag === 0) continue;
      ring.clearTag(at);
      const operator = this.operators[id];
      operator?.onCompletion(tag & ((1 << KIND_BITS) - 1), ring.resultAt(at), ring.flagsAt(at));
    }
  }

  /** Hands over what was prepared, for a process that ends. Nothing of this may be used any more. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    globalThis.setImmediate = this.setImmediate;
    this.ring.enter(0, 0);
    // The memory stays: the process ends.
    closeFd(this.ring.fd);
  }

  // Turns

  private readonly run = (): void => {
    this.isRunning = true;
    this.bunTurnMs = performance.now();
    this.turnMs = this.bunTurnMs;
    // Doubled each time, until something happens.
    this.bunWaitMs = Math.min(2 * this.bunWaitMs, BUN_WAIT_IDLE_MS);
    this.pollBun();
    for (let turns = 0; turns < TURNS_MAX && !this.isClosed; turns++) {
      this.endTurn();
      if (this.isClosed) break;
      this.enter();
      this.turnMs = performance.now();
      this.dispatch();
      if (this.timers.nextMs <= this.turnMs) this.timers.run();
      if (!this.paced.isDone) this.paced.run(this.turnMs);
      if (this.mustTurnBun || this.turnMs - this.bunTurnMs >= this.bunWaitMs) break;
    }
    if (!this.isClosed) this.endTurn();
    this.isRunning = false;
    this.mustTurnBun = false;
    if (!this.isClosed) this.setImmediate(this.run);
  };

  private enter(): void {
    const { ring } = this;
    const isIdle = this.pending.length === 0 && ring.head === ring.tail && this.paced.isDone;
    const mayWait = isIdle && !this.mustTurnBun;
    if (!mayWait) {
      ring.enter(0, 0);
      return;
    }
    const untilMs = Math.min(this.timers.nextMs, this.bunTurnMs + this.bunWaitMs);
    ring.enter(1, Math.max(untilMs - this.turnMs, 0));
  }

  private dispatch(): void {
    const { ring, operators } = this;
    const { tail } = ring;
    while (ring.head !== tail) {
      const at = ring.completionAt(ring.head);
      const tag = ring.tagAt(at);
      const result = ring.resultAt(at);
      const flags = ring.flagsAt(at);
      // Before the call, from inside of which the kernel may be entered.
      ring.head = (ring.head + 1) | 0;
      if (tag === 0) continue;
      const id = tag >>> KIND_BITS;
      if (id !== this.bunId) this.bunWaitMs = BUN_WAIT_MS;
      const operator = operators[id];
      assert(operator !== null && operator !== undefined, "every operation has an operator");
      operator.onCompletion(tag & ((1 << KIND_BITS) - 1), result, flags);
      if (this.isClosed) return;
    }
  }

  private endTurn(): void {
    const { pending } = this;
    if (pending.length > 0) {
      // What is added from inside belongs to the next turn.
      this.pending = this.spare;
      for (let i = 0; i < pending.length; i++) pending[i]!();
      pending.length = 0;
      this.spare = pending;
    }
    drainMicrotasks();
    if (this.isClosed) return;
    this.buffers.publish();
    if (this.mustTrim) this.trim();
  }

  /** Not while completions wait: they name buffers. */
  private trim(): void {
    if (this.ring.head !== this.ring.tail) return;
    this.mustTrim = false;
    this.buffers.trim();
    this.slots.trim();
  }

  // Bun's loop

  private onBunReady(flags: number): void {
    this.isBunPolled = (flags & CQE_MORE) !== 0;
    this.mustTurnBun = true;
  }

  private pollBun(): void {
    if (this.isBunPolled) return;
    this.isBunPolled = true;
    this.ring.prepare(POLL, this.bunFd, 0, 0, POLLIN, tagOf(this.bunId, 1));
  }

  /** Their callbacks are Bun's to call, which happens in its next turn. */
  private watchImmediates(): void {
    const { setImmediate } = this;
    const watched = (...args: Parameters<typeof setImmediate>): NodeJS.Immediate => {
      this.mustTurnBun = true;
      return setImmediate(...args);
    };
    globalThis.setImmediate = watched as unknown as typeof globalThis.setImmediate;
  }
}
