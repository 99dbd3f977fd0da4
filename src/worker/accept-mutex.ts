/**
 * One listening socket for all workers, but only the holder of a lock listens: a new connection wakes one worker.
 *
 *   waiting ──has its share not yet, and the lock is free──▶ listening
 *      ▲                                                        │
 *      └────────── has more than its share, or stops ───────────┘
 *
 * The lock is flock(2) on an open file of this worker's own, so the kernel frees it when the worker dies. A worker
 * that has more than its share leaves it to the others; when no other worker wants it, which a worker that is ahead tries
 * out seldom, it listens for one step all the same, so that clients are served also while the others hang.
 */
import { closeSync, openSync } from "node:fs";
import type { AcceptHandle } from "../api/engine.ts";
import { tryLock, unlock } from "../os/fd.ts";

export interface AcceptMutexOptions {
  /** A file that all workers of this proxy can open. */
  readonly lockFile: string;
  /** ≥ 2 */
  readonly workers: number;
  /** Most clients that this worker can have. */
  readonly clientsMax: number;
  readonly clientsHere: () => number;
  /** Clients of all workers. */
  readonly clientsEverywhere: () => number;
  /** Clients that wait to be accepted, as far as that can be known. */
  readonly clientsWaiting: () => number;
  /** The lock is free now: tells the worker that should have it. */
  readonly wakeNext: () => void;
  /** Listens on all sockets. `onAccepted` hears of each client, after it was counted; it may stop the acceptors. */
  readonly listen: (onAccepted: () => void) => readonly AcceptHandle[];
}

/** A worker is ahead when it has this much more than the average, and one client more. */
const LEAD_RATIO = 1 / 16;
/** Of its own capacity: nginx's rule. */
const FULL_RATIO = 7 / 8;
/** Steps after which a worker that is ahead asks whether no other worker listens. */
const RELUCTANT_STEPS = 10;
/** In so many steps a worker that is not ahead would have taken a free lock. */
const FREE_STEPS = 3;

export class AcceptMutex implements AcceptHandle {
  readonly #options: AcceptMutexOptions;
  readonly #lock: number;
  #acceptors: readonly AcceptHandle[] = [];
  #isHolding = false;
  /** It is ahead and listens because no other worker did: until the next step. */
  #isReluctant = false;
  #isStopped = false;
  /** Clients that may be accepted before the shares are looked at again. */
  #credit = 0;
  #stepsAhead = 0;
  /** Once while it holds the lock it may take its part of those who wait, instead of handing over after each few. */
  #mayTakeWaiting = false;

  constructor(options: AcceptMutexOptions) {
    this.#options = options;
    // Opened anew: the lock belongs to the open file, and an inherited one would be the same in all workers.
    this.#lock = openSync(options.lockFile, "r");
    this.tick();
  }

  get isHolding(): boolean {
    return this.#isHolding;
  }

  /** To be called when another worker gives the lock up, and every few milliseconds: the other one may have died. */
  tick(): void {
    if (this.#isStopped) return;
    if (this.#isHolding) {
      if (!this.#isReluctant) return;
      this.#release();
      return;
    }
    const isAhead = this.#creditNow() <= 0;
    this.#stepsAhead = isAhead ? this.#stepsAhead + 1 : 0;
    if (isAhead && !this.#isWantedByNobody()) return;
    if (!tryLock(this.#lock)) return;
    this.#isHolding = true;
    this.#isReluctant = isAhead;
    this.#mayTakeWaiting = true;
    this.#credit = this.#creditNow();
    this.#acceptors = this.#options.listen(() => this.#onAccepted());
  }

  /** Looked at seldom, and then found free in several steps in a row: so many that others had the time to take it. */
  #isWantedByNobody(): boolean {
    if (this.#stepsAhead < RELUCTANT_STEPS) return false;
    if (tryLock(this.#lock)) {
      unlock(this.#lock);
      return this.#stepsAhead >= RELUCTANT_STEPS + FREE_STEPS;
    }
    this.#stepsAhead = 0;
    return false;
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#release();
    closeSync(this.#lock);
  }

  #onAccepted(): void {
    if (!this.#isHolding || this.#isReluctant) return;
    this.#credit -= 1;
    if (this.#credit > 0) return;
    this.#credit = this.#creditNow();
    if (this.#credit > 0) return;
    if (this.#mayTakeWaiting) {
      this.#mayTakeWaiting = false;
      const { clientsWaiting, workers } = this.#options;
      this.#credit = Math.min(Math.ceil(clientsWaiting() / workers), this.#roomNow());
      if (this.#credit > 0) return;
    }
    this.#release();
  }

  /** Stopping from inside of an accept event ends the event's run: who still waits is the next holder's. */
  #release(): void {
    if (!this.#isHolding) return;
    for (const acceptor of this.#acceptors) acceptor.stop();
    this.#acceptors = [];
    unlock(this.#lock);
    this.#isHolding = false;
    this.#isReluctant = false;
    this.#stepsAhead = 0;
    this.#options.wakeNext();
  }

  /** Clients that this worker may accept before it is ahead; 0 or less: it is. */
  #creditNow(): number {
    const { workers, clientsHere, clientsEverywhere } = this.#options;
    const share = clientsEverywhere() / workers;
    return Math.min(Math.floor(share * (1 + LEAD_RATIO) + 1 - clientsHere()), this.#roomNow());
  }

  /** Clients that it may have beyond those it has. */
  #roomNow(): number {
    const { clientsMax, clientsHere } = this.#options;
    return Math.floor(clientsMax * FULL_RATIO) - clientsHere();
  }
}
