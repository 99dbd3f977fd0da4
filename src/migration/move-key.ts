/**
 * How one key moves from its old server, the source, to its new one, the target, while several processes may try to, each may die at any
 * step, and what a dead process has sent may be executed late.
 *
 *   look ─ there ─▶ lock ─ locked ─▶ take ─ value ─▶ put ─▶ drop ─ dropped ─▶ settled (and unlock)
 *     │              │ busy           │ nothing
 *     └─ absent ─▶ settled            └─▶ free ─ freed ─▶ settled; whenever a lock is lost: look again
 *
 * The lock of a key is a token on the target, and then one on the source. Each step that writes is executed only if the token is still
 * there. A token has an end, and that of a later epoch replaces any of an earlier one; so a step that is late finds another token, or none,
 * and does nothing. The key is settled when the source has neither it nor a lock of it, or when the holder of both locks has dropped it: from
 * then on no process puts it on the target again, whatever becomes of it there.
 *
 * Decides only; how a step is sent and by what it is executed is the caller's business.
 */

import type { KeyMove, MoveEnd } from "./pulls.ts";

/**
 * - `look` (source): whether the key or a lock of it is there.
 * - `lock` (target): sets the token, unless there is another one of this epoch or a later one.
 * - `take` (source): sets the token in place of any but one of a later epoch, and reads the value.
 * - `put` (target): if the token is there, writes the value unless the key is there.
 * - `drop` (source): if the token is there, removes the key and the token.
 * - `free` (target): removes the token, if it is there.
 */
export type MoveStep = "look" | "lock" | "take" | "put" | "drop" | "free";

export type MoveReply =
  /** To `look`; to `take`: there is no such key. */
  | "absent"
  | "there"
  /** To `lock`. */
  | "locked"
  | "busy"
  /** To `take`: the caller has the value. */
  | "taken"
  /** To `put`: it is on the target, from now on or already. */
  | "put"
  /** To `drop`. */
  | "dropped"
  /** To `free`. */
  | "freed"
  /** To `take`, `put`, `drop` and `free`: the token is another one, or gone. */
  | "lost"
  /** The server will not do it, and why is the caller's to keep. */
  | "refused";

export class MoveKey implements KeyMove<MoveStep, MoveReply> {
  step: MoveStep | MoveEnd = "look";
  /** The target has a lock that is to be removed at the end. */
  isLocked = false;

  /** @returns what to do next */
  on(reply: MoveReply): MoveStep | MoveEnd {
    this.step = reply === "refused" ? "failed" : this.next(reply);
    return this.step;
  }

  /** After `pause`. */
  goOn(): MoveStep | MoveEnd {
    this.step = "look";
    return this.step;
  }

  private next(reply: MoveReply): MoveStep | MoveEnd {
    switch (this.step) {
      case "look":
        return reply === "absent" ? "settled" : "lock";
      case "lock":
        this.isLocked = reply === "locked";
        return reply === "locked" ? "take" : "pause";
      case "take":
        if (reply === "lost") return this.lose();
        return reply === "absent" ? "free" : "put";
      case "put":
        return reply === "put" ? "drop" : this.lose();
      case "drop":
        return reply === "dropped" ? "settled" : this.lose();
      case "free":
        this.isLocked = false;
        return reply === "freed" ? "settled" : "look";
      default:
        return "failed";
    }
  }

  /** It took longer than a lock lasts, or a later epoch has begun. */
  private lose(): MoveStep | MoveEnd {
    this.isLocked = false;
    return "look";
  }
}
