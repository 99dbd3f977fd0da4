/**
 * When the requests that wait for a reply arrived, and of which family they are: one session's, in their order.
 *
 *   tokens     | measured … | answered … | waiting … | ◀─ opened next
 *   entries                 ^ first      ^           ^ last
 *
 * A stamp is both as one number, see ClientTimes. An entry says which stamp the requests from a token on have, up to the next entry's.
 * So nothing is done for a request that comes together with one of its family: most often all that a client has sent at once.
 */
import { TOKEN_MASK } from "../api/client-port.ts";
import { FAMILIES_MAX, FAMILY, type Family } from "../api/latency.ts";
import { type ClientTimes, NO_STAMP, stampAt } from "./client-times.ts";

/** Hears of requests that took long. */
export interface SlowHearer {
  /** `count` requests from `token` on took `tookUs`. */
  onSlow(token: number, count: number, family: number, tookUs: number): void;
}

/** Entries that are kept when they are all measured. */
const ENTRIES_KEPT_MAX = 64;

// The entry of a client that has sent nothing yet: of all such clients. Never written to.
const NO_STAMPS: number[] = [NO_STAMP];
const NO_TOKENS: number[] = [0];

export class Stamps {
  /** Requests from this token on are not measured. */
  measured = 0;
  /** Of the requests that are opened now. */
  private family: Family = FAMILY.admin;
  /** Null: slow requests are not of interest. */
  hearer: SlowHearer | null = null;

  private readonly times: ClientTimes;
  private arrival: number = NO_STAMP;
  private stamps: number[] = NO_STAMPS;
  /** By entry: the token of its first request. */
  private tokens: number[] = NO_TOKENS;
  /** Entries: those before it are measured. */
  private first = 0;
  /** The entry of what is opened now. */
  private last = 0;
  /** Replies that are not measured, and their bytes. */
  private repliedCount = 0;
  private repliedBytes = 0;

  constructor(times: ClientTimes) {
    this.times = times;
  }

  /** The requests from `token` on, which is the next that is opened, have arrived then. */
  arrivedAt(nowMs: number, token: number): void {
    const arrival = stampAt(nowMs);
    if (arrival === this.arrival) return;
    this.arrival = arrival;
    this.begin(token);
  }

  /** The requests from `token` on, which is the next that is opened, are of this family. */
  areOf(family: Family, token: number): void {
    if (family === this.family) return;
    this.family = family;
    this.begin(token);
  }

  private begin(token: number): void {
    if (token === this.measured) {
      // None waits.
      this.first = 0;
      this.last = 0;
      if (this.stamps === NO_STAMPS || this.stamps.length > ENTRIES_KEPT_MAX) {
        this.stamps = [];
        this.tokens = [];
      }
    } else {
      if (this.stamps === NO_STAMPS) {
        this.stamps = [NO_STAMP];
        this.tokens = [0];
      }
      if (this.tokens[this.last] !== token) this.last++;
    }
    this.stamps[this.last] = this.arrival + this.family;
    this.tokens[this.last] = token;
  }

  /** `count` replies of `bytes` together were given. */
  replied(count: number, bytes: number): void {
    this.repliedCount += count;
    this.repliedBytes += bytes;
  }

  /** When the oldest request that is not measured arrived, in milliseconds; -1: it is not known. Only while there is one. */
  get oldestMs(): number {
    const stamp = this.stamps[this.first] ?? NO_STAMP;
    return stamp < 0 ? -1 : Math.floor(stamp / FAMILIES_MAX) / 1000;
  }

  /** The replies to the requests before `token` are written now. */
  measure(token: number, nowMs: number): void {
    const { times, stamps, tokens, last } = this;
    let { first, measured } = this;
    while (first < last) {
      const next = tokens[first + 1]!;
      const count = (next - measured) & TOKEN_MASK;
      if (count > ((token - measured) & TOKEN_MASK)) break;
      this.answered(first, measured, count, nowMs);
      measured = next;
      first++;
    }
    if (measured !== token) {
      this.answered(first, measured, (token - measured) & TOKEN_MASK, nowMs);
    }
    this.measured = token;
    this.first = first;
    // Nearly always those that are written now.
    times.replied(this.repliedCount, this.repliedBytes);
    this.repliedCount = 0;
    this.repliedBytes = 0;
    if (first > ENTRIES_KEPT_MAX) {
      stamps.splice(0, first);
      tokens.splice(0, first);
      this.first = 0;
      this.last -= first;
    }
  }

  /** `count` requests from `token` on, which have the stamp of an entry, are answered. */
  private answered(entry: number, token: number, count: number, nowMs: number): void {
    const { times, hearer } = this;
    const stamp = this.stamps[entry]!;
    const tookUs = times.answered(stamp, count, nowMs);
    if (tookUs >= times.slow.overUs) hearer?.onSlow(token, count, stamp % FAMILIES_MAX, tookUs);
  }
}
