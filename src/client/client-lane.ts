/**
 * Which lane a client's requests take: a plain one, or one of heavy clients (`src/api/lane.ts`).
 *
 *   plain ──it is owed, or sends, HEAVY_BYTES──▶ heavy
 *     ▲                                           │
 *     └────less than that for HEAVY_REST_MS───────┘
 *
 * The connections of two lanes answer independently of each other. So a lane changes while nothing is owed to the client: it takes no
 * further requests until then.
 *
 * What the replies to a new client will be like is not known, and what was asked for cannot be called back: many that come at once and all ask
 * for much would fill the plain connections before the first reply tells. So all new clients together have few requests on their
 * way there, until they are known; one that comes beyond that begins as a heavy one.
 */
import { HEAVY_LANES, heavyLane, plainLane } from "../api/lane.ts";
import {
  HEAVY_BYTES,
  HEAVY_NEWCOMER_REPLIES,
  HEAVY_NEWCOMERS_MS,
  HEAVY_REST_MS,
  KNOWN_REPLIES,
  NEW_CLIENT_MS,
  UNKNOWN_REPLIES_MAX,
} from "../base/fairness-limits.ts";
import { REPLY_WINDOW_START } from "../base/limits.ts";
import type { Turn } from "../base/turn.ts";

/** What the clients of a pool have in common. */
export class PoolLanes {
  private next = 0;
  /** When a client was heavy from its first request on. */
  private heavyNewcomerMs: number = Number.NEGATIVE_INFINITY;
  /** Requests on their way over plain connections whose clients are not known. */
  unknown = 0;

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
  readonly window: { size: number };
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
  /** It has a plain lane, and what its replies are like is not known: `limit` must be asked before requests are taken. */
  isUnknown: boolean;
  /** Of `PoolLanes.unknown` so many are its own. */
  private counted = 0;
  private knownReplies = 0;

  constructor(session: LaneOwner, number: number) {
    this.session = session;
    this.number = number;
    this.wanted = number;
    this.isUnknown = !this.isHeavy;
    this.isWatched = true;
  }

  get isHeavy(): boolean {
    return this.number >= HEAVY_LANES;
  }

  /** It goes on as a heavy client that was one in another process. Before its first request. */
  goOnAsHeavy(): void {
    this.heavyMs = this.session.turn.nowMs;
    this.go(heavyLane(this.number), 0);
  }

  /** It has been served, here or in another process; or it is gone. */
  beKnown(): void {
    if (!this.isUnknown) return;
    this.asked(0);
    this.isUnknown = false;
    this.isWatched = this.isHeavy || this.isChanging;
  }

  /** Before requests of a client are taken that `isUnknown`: how many may be, while `pending` replies are owed. */
  limit(pending: number): void {
    if (this.isChanging) return;
    const { host, window } = this.session;
    const left = UNKNOWN_REPLIES_MAX - host.lanes.unknown;
    if (left > 0 || pending > 0) {
      window.size = Math.min(pending + Math.max(left, 0), REPLY_WINDOW_START);
      return;
    }
    window.size = 1;
    this.go(heavyLane(this.number), 0);
  }

  /** So many of its requests are on their way over a plain connection now. */
  asked(requests: number): void {
    this.session.host.lanes.unknown += requests - this.counted;
    this.counted = requests;
  }

  /** So many replies are still owed to a client that is not known. What is answered here was never counted. */
  private heard(pending: number): void {
    const answered = this.counted - pending;
    if (answered <= 0) return;
    this.knownReplies += answered;
    if (this.knownReplies >= KNOWN_REPLIES) this.beKnown();
    else this.asked(pending);
  }

  /** Nothing is taken until nothing is owed. */
  get isChanging(): boolean {
    return this.number !== this.wanted;
  }

  /** `count` replies of `bytes` together have come (0: something that is no reply), and `pending` are still owed. */
  replied(count: number, bytes: number, pending: number): void {
    if (this.isUnknown) this.heard(pending);
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
    // What it is owed on its way there is waited for by all, so it counts until then.
    if (this.isHeavy) this.beKnown();
    this.isWatched = this.isUnknown || this.isHeavy || this.isChanging;
    this.session.review();
  }
}
