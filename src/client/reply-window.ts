/**
 * How many replies may be owed to one client at once.
 *
 * No server says how large a reply will be before it comes, and a connection that clients share is never paused for one of them:
 * whatever was asked for must be taken in. So a client begins with few requests on their way. It gets more
 * while its replies are small, while it uses all that it has, and while it reads; it has few again when replies
 * are large or it stops reading.
 */
import {
  LARGE_REPLY_BYTES,
  REPLY_WINDOW_MAX,
  REPLY_WINDOW_START,
  SESSION_WINDOW_BYTES,
} from "../base/limits.ts";

export class ReplyWindow {
  size: number = REPLY_WINDOW_START;
  /** The client has sent more requests than the window let through. */
  private isUsedUp = false;

  /** Whether one more request may be sent while so many replies are owed. */
  allows(pending: number): boolean {
    if (pending < this.size) return true;
    this.isUsedUp = true;
    return false;
  }

  /** `count` replies of `bytes` together have come (0: something that is no reply), and `pending` are still owed. */
  adapt(count: number, bytes: number, pending: number): void {
    const each = count > 1 ? bytes / count : bytes;
    if (each > LARGE_REPLY_BYTES) {
      const fitting = Math.floor(SESSION_WINDOW_BYTES / each);
      this.size = Math.max(1, Math.min(this.size, fitting));
      this.isUsedUp = false;
    } else if (this.isUsedUp) {
      // Fourfold with each round trip.
      this.size = Math.min(this.size + 3 * count, REPLY_WINDOW_MAX);
      if (pending === 0) this.isUsedUp = false;
    }
  }

  /** The client does not read. */
  shrink(): void {
    this.size = Math.min(this.size, REPLY_WINDOW_START);
    this.isUsedUp = false;
  }
}
