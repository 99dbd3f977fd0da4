/**
 * How one key moves between servers that have no scripts, and where a step can depend on one item only: on its version (`cas`), or on there
 * being none. As in MoveKey several processes may try to, each may die at any step, and what a dead process has sent may be executed late.
 *
 *   look ─ there ─▶ take ─ taken ─▶ add ─ added ─▶ put ─▶ drop ─ dropped ─▶ settled
 *     │              │ busy: again   │ kept ────────────────▲
 *     └─ absent ─▶ settled ◀─ absent └─ late ─▶ release ─▶ look
 *
 * The lock is an item of its own at the source, and ends by itself. Who has it adds the value to the target for a few seconds, with a date as
 * its end, by the target's own clock, that lies before the end of the lock: so if it is late, it is over before a process relies on it. Then
 * it puts the value for good in place of that very version, or not at all: any write to the key makes another one, or none.
 *
 * The key is settled when the source has neither it nor a lock of it: then no value with such a date is left either.
 *
 * Decides only.
 */
import type { KeyMove, MoveEnd } from "./pulls.ts";

/**
 * - `look` (source): whether the key is there, and then whether a lock of it is.
 * - `take` (source): sets the lock unless there is one, and reads the value.
 * - `add` (target): writes the value for a moment, unless the key is there. Only early in the time of the lock.
 * - `put` (target): writes it for good, in place of the version that was added.
 * - `drop` (source): removes the key, if it is what was taken, and then the lock. It counts only if it is answered in the time of the lock.
 * - `free` (target): removes the version that was added.
 * - `release` (source): removes the lock.
 */
export type ItemStep = "look" | "take" | "add" | "put" | "drop" | "free" | "release";

export type ItemReply =
  /** To `look` and `take`: there is no such key. */
  | "absent"
  | "there"
  /** To `take`: another one has the lock. */
  | "busy"
  | "taken"
  /** To `take`: the key is there, but with nothing that could be given to a client. */
  | "worthless"
  /** To `add`. */
  | "added"
  /** To `add`: the key is at the target. */
  | "kept"
  | "put"
  /** To `add` and `put`: the target can never have it. */
  | "unfit"
  | "dropped"
  /** To `free` and `release`: what was to be removed is not there any more. */
  | "gone"
  /** It was too late, or something else is there by now. */
  | "lost"
  /** The server will not do it, and why is the caller's to keep. */
  | "refused";

export class MoveItem implements KeyMove<ItemStep, ItemReply> {
  step: ItemStep | MoveEnd = "look";
  /** The source has a lock that may be removed at the end: nothing is at the target for a moment only. */
  isLocked = false;
  /** What follows when the added version is gone. */
  private afterFree: "drop" | "failed" = "failed";

  on(reply: ItemReply): ItemStep | MoveEnd {
    this.step = reply === "refused" ? this.onRefused() : this.next(reply);
    return this.step;
  }

  goOn(): ItemStep | MoveEnd {
    this.step = "look";
    return this.step;
  }

  private onRefused(): ItemStep | MoveEnd {
    if (this.step === "put") {
      this.afterFree = "failed";
      return "free";
    }
    // What may have been added is gone before the lock is.
    if (this.step === "add" || this.step === "free") this.isLocked = false;
    return "failed";
  }

  private next(reply: ItemReply): ItemStep | MoveEnd {
    switch (this.step) {
      case "look":
        return reply === "absent" ? "settled" : "take";
      case "take":
        this.isLocked = reply !== "busy";
        if (reply === "busy") return "pause";
        if (reply === "absent") return "settled";
        return reply === "taken" ? "add" : "drop";
      case "add":
        if (reply === "lost") return "release";
        return reply === "added" ? "put" : "drop";
      case "put":
        if (reply === "lost") return "release";
        if (reply === "put") return "drop";
        this.afterFree = "drop";
        return "free";
      case "free":
        return this.afterFree;
      case "drop":
        this.isLocked = false;
        return reply === "dropped" ? "settled" : "look";
      case "release":
        this.isLocked = false;
        return "look";
      default:
        return "failed";
    }
  }
}
