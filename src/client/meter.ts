/** Meters of requests, bytes or connections: a token bucket each, which fills at a rate and is taken from. */
import { THROTTLE_TICK_MS, THROTTLE_WINDOW_MS } from "../base/limits.ts";

export interface MeterForm {
  /** It fills at the beginning of each window only: what is too much waits for the next one. */
  readonly isWindow: boolean;
  /** What is not used is saved up for so long. Not with windows. */
  readonly burstMs: number;
}

const NO_LIMIT = Number.POSITIVE_INFINITY;

export class Meter {
  private perMs: number = NO_LIMIT;
  private most: number = NO_LIMIT;
  private left: number = NO_LIMIT;
  private atMs = 0;
  private isWindow = false;

  get isLimited(): boolean {
    return this.perMs !== NO_LIMIT;
  }

  /** How fast it fills; infinite: there is no limit. */
  get perSecond(): number {
    return this.perMs * 1000;
  }

  /** @param perSecond 0: there is no limit */
  set(perSecond: number, { isWindow, burstMs }: MeterForm, nowMs: number): void {
    if (perSecond === 0) {
      this.perMs = NO_LIMIT;
      this.most = NO_LIMIT;
      this.left = NO_LIMIT;
      return;
    }
    if (this.isLimited) this.fill(nowMs);
    this.isWindow = isWindow;
    this.perMs = perSecond / 1000;
    this.atMs = this.now(nowMs);
    const saved = Math.max(1, this.perMs * (isWindow ? THROTTLE_WINDOW_MS : burstMs));
    // Who waits is looked at once in a tick, and parts of one are not lost until then.
    this.most = saved + (isWindow ? 1 : 2 * THROTTLE_TICK_MS * this.perMs);
    this.left = this.left === NO_LIMIT ? saved : Math.min(this.left, this.most);
  }

  /** What may be taken; below 0: so much too much was taken. Without a limit it is infinite. */
  available(nowMs: number): number {
    this.fill(nowMs);
    return this.left;
  }

  isFull(nowMs: number): boolean {
    return this.available(nowMs) >= this.most;
  }

  /** @param amount below 0: it is given back */
  take(amount: number): void {
    this.left -= amount;
  }

  private now(nowMs: number): number {
    return this.isWindow ? nowMs - (nowMs % THROTTLE_WINDOW_MS) : nowMs;
  }

  private fill(nowMs: number): void {
    const now = this.now(nowMs);
    if (now <= this.atMs) return;
    this.left = Math.min(this.most, this.left + (now - this.atMs) * this.perMs);
    this.atMs = now;
  }
}

/** A meter that several clients take from: those who wait for it come first, in their order, with an equal share each. */
export class SharedMeter extends Meter {
  /** Clients that wait because of this meter. */
  waiting = 0;
  /** What was taken since this was looked at last, and the most that waited, or were refused, since then. */
  used = 0;
  denied = 0;

  override take(amount: number): void {
    super.take(amount);
    this.used += amount;
  }

  /** What one client may take. @param isNext it has waited, and its turn has come */
  share(nowMs: number, isNext: boolean): number {
    const left = this.available(nowMs);
    if (this.waiting === 0) return left;
    if (isNext) return left >= 1 ? Math.max(1, left / this.waiting) : left;
    return left / (this.waiting + 1);
  }

  /** One more could not have what it wanted, and does not wait. */
  deny(): void {
    this.denied++;
  }

  wait(): void {
    this.waiting++;
    this.denied = Math.max(this.denied, this.waiting);
  }
}

/** What the clients of one address or user share, or all of a pool. */
export class ThrottleScope {
  readonly requests: SharedMeter = new SharedMeter();
  readonly bytes: SharedMeter = new SharedMeter();
  readonly connects: SharedMeter = new SharedMeter();
  /** The address, or "user " and the user's name; "": a pool. */
  readonly key: string;
  readonly isUser: boolean;
  /** Clients of this worker. */
  connections = 0;
  /** Something was taken since the shares of the workers were looked at. */
  isTouched = false;

  constructor(key: string, isUser: boolean = false) {
    this.key = key;
    this.isUser = isUser;
  }

  isFull(nowMs: number): boolean {
    return this.requests.isFull(nowMs) && this.bytes.isFull(nowMs) && this.connects.isFull(nowMs);
  }
}
