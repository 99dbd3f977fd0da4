/**
 * What the clients of one pool see in one worker: how long their requests take, how large these and their replies are, and how many are
 * underway at once.
 *
 * A stamp says when a request arrived and of which family it is, as one number: whole microseconds × FAMILIES_MAX + family. All
 * requests of a family that were taken at once have the same one, and are counted at once.
 */
import { FAMILIES_MAX } from "../api/latency.ts";
import type { MetricBlock } from "../api/metrics.ts";
import { observe } from "../metrics/histogram.ts";
import type { PoolKeys } from "./pool-keys.ts";
import type { SlowRequests } from "./slow-requests.ts";

/** Of what is not measured: below 0 with any family. */
export const NO_STAMP: number = -FAMILIES_MAX;

export interface ClientHistograms {
  /** By family. */
  readonly totalUs: readonly MetricBlock[];
  readonly requestBytes: MetricBlock;
  readonly replyBytes: MetricBlock;
  readonly pipelineDepth: MetricBlock;
}

/** The stamp of the family 0: that of another one is so much larger as its number. */
export function stampAt(nowMs: number): number {
  return Math.floor(nowMs * 1000) * FAMILIES_MAX;
}

export class ClientTimes {
  readonly slow: SlowRequests;
  readonly keys: PoolKeys;
  private readonly histograms: ClientHistograms;

  constructor(histograms: ClientHistograms, slow: SlowRequests, keys: PoolKeys) {
    this.histograms = histograms;
    this.slow = slow;
    this.keys = keys;
  }

  onSettings(): void {
    this.slow.onSettings();
    this.keys.onSettings();
  }

  /** What clients send must be put on the tape. */
  get needsTape(): boolean {
    return this.slow.isOn || this.keys.needsTape;
  }

  /** `count` requests with this stamp were answered at `nowMs`. @returns how long they took, in microseconds; -1: that is not known */
  answered(stamp: number, count: number, nowMs: number): number {
    if (stamp < 0) return -1;
    const arrivedUs = Math.floor(stamp / FAMILIES_MAX);
    const { values, base } = this.histograms.totalUs[stamp - arrivedUs * FAMILIES_MAX]!;
    const tookUs = Math.floor(nowMs * 1000) - arrivedUs;
    observe(values, base, tookUs, count);
    return tookUs;
  }

  /** `count` requests of so many bytes together were taken, and then `underway` were owed a reply. */
  taken(count: number, bytes: number, underway: number): void {
    const { requestBytes, pipelineDepth } = this.histograms;
    observe(requestBytes.values, requestBytes.base, Math.round(bytes / count), count);
    observe(pipelineDepth.values, pipelineDepth.base, underway);
  }

  /** `count` replies of `bytes` together are written. */
  replied(count: number, bytes: number): void {
    if (count === 0) return;
    const { values, base } = this.histograms.replyBytes;
    observe(values, base, Math.round(bytes / count), count);
  }
}
