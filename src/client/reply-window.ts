/**
 * How many replies may be owed to one client at once.
 *
 * No server says how large a reply will be before it comes, and a connection that clients share is never paused for one of them:
 * whatever was asked for must be taken in. So a client begins with few requests on their way, and with fewer where new clients have
 * been heavy lately. It gets more while its replies are small, while it uses all that it has, and while it reads; it has few again when replies
 * are large or it stops reading.
 */
import {
  LARGE_REPLY_BYTES,
  REPLY_WINDOW_HEAVY,
  REPLY_WINDOW_LARGE,
  REPLY_WINDOW_MAX,
  REPLY_WINDOW_START,
  SESSION_WINDOW_BYTES,
} from "../base/limits.ts";
import type { ClientLane } from "./client-lane.ts";

export class ReplyWindow {
  private readonly way: Pick<ClientLane, "isHeavy" | "isWatched" | "replied">;
  size: number;
  /** The client has sent more requests than the window let through. */
  private isUsedUp = false;

  /** @param way of the client: it is told of large replies */
  constructor(way: Pick<ClientLane, "isHeavy" | "isWatched" | "replied">) {
    this.way = way;
    this.size = way.isHeavy ? REPLY_WINDOW_HEAVY : REPLY_WINDOW_START;
  }

  /** Whether one more request may be sent while so many replies are owed. */
  allows(pending: number): boolean {
    if (pending < this.size) return true;
    this.isUsedUp = true;
    return false;
  }

  /** `count` replies of `bytes` together have come (0: something that is no reply), and `pending` are still owed. */
  adapt(count: number, bytes: number, pending: number): void {
    const each = count > 1 ? bytes / count : bytes;
    const isLarge = each > LARGE_REPLY_BYTES;
    const most = isLarge ? fittingOf(each) : REPLY_WINDOW_MAX;
    if (this.size > most) {
      this.size = most;
      this.isUsedUp = false;
    } else if (this.isUsedUp) {
      // Fourfold with each round trip.
      this.size = Math.min(this.size + 3 * count, most);
      if (pending === 0) this.isUsedUp = false;
    }
    if (isLarge || this.way.isWatched) this.way.replied(count, bytes, pending);
  }

  /** The client does not read. */
  shrink(): void {
    this.size = Math.min(this.size, REPLY_WINDOW_HEAVY);
    this.isUsedUp = false;
  }
}

/** So many replies of `bytes` each may be on their way. */
function fittingOf(bytes: number): number {
  const fitting = Math.min(Math.floor(SESSION_WINDOW_BYTES / bytes), REPLY_WINDOW_LARGE);
  return Math.max(fitting, 1);
}
