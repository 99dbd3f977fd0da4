/**
 * The time in which a server does not do what is asked of it, as the links to it have found out: requests wait for its end, or until
 * another server is in its place.
 *
 *   under way ─ answered well ─▶ gone
 *       └────── window over ───▶ over ─ answered well, or a while later ─▶ gone
 */
import type { Upstream } from "../../../api/upstream.ts";
import { FAILOVER_REST_MS } from "../../../base/limits.ts";

export class Outage {
  readonly upstream: Upstream;
  readonly sinceMs: number;
  /** Requests wait no longer; when that was decided. Infinity: they wait. */
  private overMs: number = Number.POSITIVE_INFINITY;

  constructor(upstream: Upstream, nowMs: number) {
    this.upstream = upstream;
    this.sinceMs = nowMs;
  }

  get isOver(): boolean {
    return this.overMs < Number.POSITIVE_INFINITY;
  }

  end(nowMs: number): void {
    this.overMs = nowMs;
  }

  /** It ended so long ago that requests may wait again. */
  isForgotten(nowMs: number): boolean {
    return nowMs - this.overMs >= FAILOVER_REST_MS;
  }
}
