/**
 * One turn of the event loop, as the data plane sees it.
 *
 * The engine calls back for each readable socket, and once after the whole batch. Whatever became
 * dirty in between is flushed there, so a socket is written once per turn however many requests touched it.
 *
 *   socket events ──▶ mark / wake ──▶ [turn end] woken sessions run ──▶ dirty streams flush
 */
import { ReceivedMemory } from "./received-memory.ts";

export interface Flushable {
  /** Owned by Turn: true while on its list. */
  isMarked: boolean;
  /** Writes what is queued. May mark and wake others. Must not throw. */
  flush(): void;
}

export interface Wakeable {
  /** Owned by Turn: true while on its list. */
  isWoken: boolean;
  /** Continues work that had to stop, before this turn's flush. Must not throw. */
  wakeUp(): void;
}

/** The part of an engine that turns are made of; see Engine. */
export interface TurnLoop {
  nowMs(): number;
  atTurnEnd(callback: () => void): void;
}

const RUNTIME: TurnLoop = {
  nowMs: () => performance.now(),
  atTurnEnd: (callback) => {
    setImmediate(callback);
  },
};

export class Turn {
  /** What is received is copied to it. */
  readonly received: ReceivedMemory = new ReceivedMemory();
  private readonly loop: TurnLoop;
  private dirty: Flushable[] = [];
  /** The other list: they take turns, so that no turn allocates one. */
  private spare: Flushable[] = [];
  private woken: Wakeable[] = [];
  private isArmed = false;
  private clockMs = 0;
  /** When the clock was read last. */
  private latestMs = 0;
  /** Told at the end of a turn how long it took, from its first event to its last reading of the clock; null: not told. */
  onTook: ((tookMs: number) => void) | null = null;

  constructor(loop: TurnLoop = RUNTIME) {
    this.loop = loop;
  }

  /** Milliseconds of a monotonic clock, read once per turn. */
  get nowMs(): number {
    if (this.clockMs === 0) {
      this.clockMs = this.loop.nowMs();
      this.latestMs = this.clockMs;
      // A turn that only looks at the clock must still end, or the reading would go stale.
      this.arm();
    }
    return this.clockMs;
  }

  /** The same clock, read now. To read it takes about 40 ns. */
  get freshMs(): number {
    this.latestMs = this.loop.nowMs();
    return this.latestMs;
  }

  /** `target.flush()` is called once at the end of this turn. */
  mark(target: Flushable): void {
    if (target.isMarked) return;
    target.isMarked = true;
    this.dirty.push(target);
    this.arm();
  }

  /** `target.wakeUp()` is called once at the end of this turn, before the flush. */
  wake(target: Wakeable): void {
    if (target.isWoken) return;
    target.isWoken = true;
    this.woken.push(target);
    this.arm();
  }

  private arm(): void {
    if (this.isArmed) return;
    this.isArmed = true;
    this.loop.atTurnEnd(this.end);
  }

  private readonly end = (): void => {
    this.isArmed = false;
    // Those woken by the flushes below have a turn of their own: a busy session cannot keep the loop from its sockets.
    const woken = this.woken;
    if (woken.length > 0) {
      this.woken = [];
      for (const target of woken) {
        target.isWoken = false;
        target.wakeUp();
      }
    }
    // Whatever a flush marks again waits for the next turn, when its socket may have taken more.
    const dirty = this.dirty;
    this.dirty = this.spare;
    this.received.close();
    for (let i = 0; i < dirty.length; i++) {
      const target = dirty[i]!;
      target.isMarked = false;
      target.flush();
    }
    dirty.length = 0;
    this.spare = dirty;
    // Those that referred to received bytes have copied them when they were flushed.
    this.received.recycle();
    if (this.onTook !== null && this.clockMs > 0) this.onTook(this.latestMs - this.clockMs);
    this.clockMs = 0;
  };
}
