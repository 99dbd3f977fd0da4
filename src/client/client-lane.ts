/**
 * Which lane a client's requests take: a plain one, or one of heavy clients (`src/api/lane.ts`).
 *
 *   plain ──it is owed, or sends, HEAVY_BYTES──▶ heavy
 *     ▲                                           │
 *     └────less than that for HEAVY_REST_MS───────┘
 *
 * The connections of two lanes answer independently of each other. So a lane changes while nothing is owed to the client: it takes no
 * further requests until then.
 */
import { HEAVY_LANES, heavyLane, plainLane } from "../api/lane.ts";
import {
  HEAVY_BYTES,
  HEAVY_NEWCOMER_REPLIES,
  HEAVY_NEWCOMERS_MS,
  HEAVY_REST_MS,
  NEW_CLIENT_MS,
} from "../base/fairness-limits.ts";
import type { Turn } from "../base/turn.ts";

/** What the clients of a pool have in common. */
export class PoolLanes {
  private next = 0;
  /** When a client was heavy from its first request on. */
  private heavyNewcomerMs: number = Number.NEGATIVE_INFINITY;

  /** @returns the lane of one more client */
  add(nowMs: number): number {
    const lane = plainLane(this.next++);
    return nowMs - this.heavyNewcomerMs < HEAVY_NEWCOMERS_MS ? heavyLane(lane) : lane;
  }

  noteHeavyNewcomer(nowMs: number): void {
    this.heavyNewcomerMs = nowMs;
  }
}

/** The session. */
export interface LaneOwner {
  readonly turn: Turn;
  readonly host: { readonly lanes: PoolLanes };
  /** When its client has come. */
  readonly openedMs: number;
  /** Whether requests are taken may have changed. */
  review(): void;
}

export class ClientLane {
  /** See ClientPort.lane. */
  number: number;
  /** It is heavy, or about to be another: each reply must be told of, not only large ones. */
  isWatched: boolean;
  private readonly session: LaneOwner;
  private wanted: number;
  /** When it was heavy last; -1: it never was, but begins as if. */
  private heavyMs = -1;
  private lightReplies = 0;

  constructor(session: LaneOwner, number: number) {
    this.session = session;
    this.number = number;
    this.wanted = number;
    this.isWatched = this.isHeavy;
  }

  get isHeavy(): boolean {
    return this.number >= HEAVY_LANES;
  }

  /** It goes on as a heavy client that was one in another process. Before its first request. */
  goOnAsHeavy(): void {
    this.heavyMs = this.session.turn.nowMs;
    this.go(heavyLane(this.number), 0);
  }

  /** Nothing is taken until nothing is owed. */
  get isChanging(): boolean {
    return this.number !== this.wanted;
  }

  /** `count` replies of `bytes` together have come (0: something that is no reply), and `pending` are still owed. */
  replied(count: number, bytes: number, pending: number): void {
    const owed = count === 0 ? 0 : (bytes / count) * (pending + count);
    if (owed >= HEAVY_BYTES) this.beHeavy(pending);
    else if (this.isWatched) this.beLight(count, pending);
  }

  /** So many bytes of requests were taken at once, and `pending` replies are owed. */
  sent(bytes: number, pending: number): void {
    if (bytes >= HEAVY_BYTES) this.beHeavy(pending);
  }

  private beHeavy(pending: number): void {
    const { host, openedMs, turn } = this.session;
    const { nowMs } = turn;
    this.heavyMs = nowMs;
    if (nowMs - openedMs < NEW_CLIENT_MS) host.lanes.noteHeavyNewcomer(nowMs);
    this.go(heavyLane(this.number), pending);
  }

  private beLight(count: number, pending: number): void {
    this.lightReplies += count;
    const hasRested =
      this.heavyMs < 0
        ? this.lightReplies >= HEAVY_NEWCOMER_REPLIES
        : this.session.turn.nowMs - this.heavyMs >= HEAVY_REST_MS;
    this.go(hasRested ? plainLane(this.number) : this.wanted, pending);
  }

  private go(wanted: number, pending: number): void {
    if (wanted === this.wanted && !this.isChanging) return;
    this.wanted = wanted;
    if (pending === 0) this.number = wanted;
    this.isWatched = this.isHeavy || this.isChanging;
    this.session.review();
  }
}
