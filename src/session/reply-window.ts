/** How many replies may be owed to one client at once: more and more while they are small, few while they are large. */
import {
  LARGE_REPLY_BYTES,
  PENDING_REPLIES_MAX,
  PENDING_REPLIES_START,
  SESSION_WINDOW_BYTES,
} from "../base/limits.ts";

export class ReplyWindow {
  size: number = PENDING_REPLIES_START;

  /** `count` replies of about `bytes` each have come. */
  adapt(count: number, bytes: number): void {
    if (bytes > LARGE_REPLY_BYTES) {
      const fitting = Math.floor(SESSION_WINDOW_BYTES / bytes);
      this.size = Math.max(1, Math.min(this.size, fitting));
    } else if (this.size < PENDING_REPLIES_MAX) this.size += count;
  }
}
