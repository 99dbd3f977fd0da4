/**
 * Which requests are looked at: one now and then, so that there are about as many in a second as are wanted, however many requests come.
 * A request that is not looked at costs its part of a subtraction for all that came at once.
 *
 *   requests  · · · · x · · · · · · x · · x        x: looked at; it stands for itself and for those since the last one
 */
import { KEYS_INTERVAL_MAX } from "../base/key-limits.ts";

/** After so many the interval is looked at again. */
const ROUND = 16;
const FASTER_MAX = 64;

export class SamplePace {
  /** Requests that may come until one is looked at; Infinity: none is. */
  private left: number = Number.POSITIVE_INFINITY;
  private drawn = 0;
  private interval = 1;
  /** Of the round. */
  private sampled = 0;
  private came = 0;
  private roundMs = 0;
  private readonly random: () => number;

  /** @param random between 0 and 1 */
  constructor(random: () => number) {
    this.random = random;
  }

  get isOn(): boolean {
    return this.left < Number.POSITIVE_INFINITY;
  }

  /** Begins, or begins anew. */
  start(nowMs: number): void {
    this.interval = 1;
    this.sampled = 0;
    this.came = 0;
    this.roundMs = nowMs;
    this.draw();
  }

  stop(): void {
    this.left = Number.POSITIVE_INFINITY;
    this.drawn = 0;
  }

  /** `count` requests have come. True: one of them is to be looked at, with `next`. */
  isDue(count: number): boolean {
    this.left -= count;
    return this.left <= 0;
  }

  /** A request is looked at now. @returns how many it stands for */
  next(nowMs: number, perSecond: number): number {
    const since = this.drawn - this.left;
    this.sampled++;
    this.came += since;
    if (this.sampled === ROUND) {
      this.adapt(nowMs - this.roundMs, perSecond);
      this.sampled = 0;
      this.came = 0;
      this.roundMs = nowMs;
    }
    this.draw();
    return since;
  }

  /** Some time has passed in which so many requests came: fewer than before must not wait for what was drawn then. */
  slowDown(requests: number, tookMs: number, perSecond: number): void {
    const wanted = (perSecond * tookMs) / 1000;
    const interval = Math.max(1, Math.floor(requests / Math.max(1, wanted)));
    if (interval >= this.interval) return;
    this.interval = interval;
    if (this.left > 2 * interval) {
      this.drawn -= this.left - 2 * interval;
      this.left = 2 * interval;
    }
  }

  /** So many came, that no one has looked at, since the last one that was. */
  get passed(): number {
    return this.isOn ? this.drawn - this.left : 0;
  }

  private adapt(tookMs: number, perSecond: number): void {
    const wanted = Math.max((perSecond * tookMs) / 1000, ROUND / FASTER_MAX);
    const interval = Math.round(this.came / wanted);
    this.interval = Math.min(Math.max(interval, 1), KEYS_INTERVAL_MAX);
  }

  private draw(): void {
    // On average the interval; not the same each time, or it would keep step with what clients repeat.
    this.drawn = 1 + Math.floor(this.random() * (2 * this.interval - 1));
    this.left = this.drawn;
  }
}
