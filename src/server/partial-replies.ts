/**
 * The memory that received parts of replies take, over all connections of a worker to servers. A reply may be long, and so may be
 * what is held of it on one connection; but not on many at once, whether servers send them out of malice or clients have asked for them.
 */
import { PARTIAL_REPLIES_BYTES_MAX } from "../base/limits.ts";

/** A connection that holds part of a reply. */
export interface PartialReplyHolder {
  /** Bytes of memory that its part takes, as `PartialReplies` was told last. */
  readonly heldBytes: number;
  /** Drops it: fails the requests and ends the connection. Tells `PartialReplies.change`. */
  giveUpPartialReply(): void;
}

export class PartialReplies {
  /** Those with `heldBytes` > 0. */
  private readonly holders: Set<PartialReplyHolder> = new Set();
  /** What all hold together. */
  bytes = 0;
  private readonly mostBytes: () => number;

  /** @param mostBytes asked each time, because it may change */
  constructor(mostBytes: () => number = () => PARTIAL_REPLIES_BYTES_MAX) {
    this.mostBytes = mostBytes;
  }

  /** `holder` holds `now` bytes, and held `before`. */
  change(holder: PartialReplyHolder, before: number, now: number): void {
    this.bytes += now - before;
    if (now === 0) this.holders.delete(holder);
    else if (before === 0) this.holders.add(holder);
  }

  /** While all together hold too much, the one that holds most gives up. That may be the one which calls this. */
  keepBound(): void {
    while (this.bytes > this.mostBytes()) {
      let largest: PartialReplyHolder | null = null;
      for (const holder of this.holders) {
        if (largest === null || holder.heldBytes > largest.heldBytes) largest = holder;
      }
      if (largest === null) return;
      largest.giveUpPartialReply();
    }
  }
}
