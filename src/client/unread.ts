/** What one client has not read: how much memory it takes, and when it is too much. */
import type { ReplyHolder } from "../api/client-port.ts";
import type { ByteQueue } from "../base/byte-queue.ts";
import { SESSION_OUTPUT_MAX_BYTES } from "../base/limits.ts";
import type { ReplyRing } from "./reply-ring.ts";

/** The session of the client. */
export interface UnreadOwner {
  readonly out: ByteQueue;
  readonly ring: ReplyRing;
  /** Closes because too much is unread. */
  cut(): void;
}

export class Unread {
  private readonly client: UnreadOwner;
  private holders: Set<ReplyHolder> | null = null;
  private heldByHolders = 0;
  /** `bytes` when the last reply had come, or after the last write. */
  private before = 0;

  constructor(client: UnreadOwner) {
    this.client = client;
  }

  /** Bytes of memory that it takes: queued, early, and parts of replies. */
  get bytes(): number {
    const { out, ring } = this.client;
    return out.held + ring.held + this.heldByHolders;
  }

  /**
   * To be called when a reply was added. A single huge one is allowed; with more on top of what is unread the client is cut.
   * @returns false: it was
   */
  add(): boolean {
    if (this.before > SESSION_OUTPUT_MAX_BYTES) {
      this.client.cut();
      return false;
    }
    this.before = this.bytes;
    return true;
  }

  /** To be called when something was written. */
  wrote(): void {
    this.before = this.bytes;
  }

  /** `holder` collects a reply over more than a turn, and holds `bytes` more of it than before. The client may be cut. */
  hold(holder: ReplyHolder, bytes: number): void {
    this.holders ??= new Set();
    this.holders.add(holder);
    this.heldByHolders += bytes;
    this.add();
  }

  /** `holder` holds none of its `bytes` any more. */
  letGo(holder: ReplyHolder, bytes: number): void {
    if (this.holders?.delete(holder)) this.heldByHolders -= bytes;
  }

  /** The client is gone. */
  clear(): void {
    this.client.out.clear();
    this.client.ring.clear();
    const { holders } = this;
    this.holders = null;
    this.heldByHolders = 0;
    if (holders !== null) for (const holder of holders) holder.drop();
  }
}
