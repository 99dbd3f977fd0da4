/**
 * What one client has not read, and when it is too much; and what its worker is told that it holds (`ClientMemory`): that, input that
 * is not complete, and what it has left inside of commands.
 */
import type { ReplyHolder } from "../api/client-port.ts";
import { POOL } from "../api/stats.ts";
import type { ByteQueue } from "../base/byte-queue.ts";
import { noteGarbage } from "../base/garbage.ts";
import { SESSION_OUTPUT_MAX_BYTES } from "../base/limits.ts";
import type { MemoryHolder } from "./client-memory.ts";
import type { ReplyRing } from "./reply-ring.ts";
import type { SessionHost } from "./session-host.ts";

/** Why a client is closed: too much is unread, or it holds most of all when clients together hold too much. */
export type CutReason = "unread" | "memory";

/** The session of the client. */
export interface UnreadOwner {
  readonly out: ByteQueue;
  readonly ring: ReplyRing;
  readonly host: Pick<SessionHost, "memory">;
  tally(counter: number, by: number): void;
  /** Closes. */
  cut(reason: CutReason): void;
}

export class Unread implements MemoryHolder {
  /** What the worker was told that the client holds. */
  heldBytes = 0;

  private readonly client: UnreadOwner;
  private holders: Set<ReplyHolder> | null = null;
  private heldByHolders = 0;
  /** `bytes` when the last reply had come, or after the last write. */
  private before = 0;
  /** `bytes` as the worker was told last: at the ends of turns. */
  private told = 0;
  /** What commands keep of it, as it was told last. */
  keptBytes = 0;

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
      this.client.cut("unread");
      return false;
    }
    this.before = this.bytes;
    return true;
  }

  /** To be called when something was written, or could not be. */
  wrote(): void {
    this.before = this.bytes;
    if (this.before !== this.told) this.tell();
  }

  private tell(): void {
    const by = this.bytes - this.told;
    this.told += by;
    this.change(by);
  }

  /** Input that is not complete takes `by` bytes more than before. */
  addInput(by: number): void {
    this.change(by);
  }

  /** See `ClientPort.keep`. */
  keep(by: number): void {
    this.keptBytes += by;
    if (by < 0) noteGarbage(-by);
    this.change(by);
  }

  private change(by: number): void {
    const { client } = this;
    this.heldBytes += by;
    client.tally(POOL.client_bytes, by);
    client.host.memory.change(by);
  }

  cutForMemory(): void {
    this.client.cut("memory");
  }

  /** `holder` collects a reply over more than a turn, and holds `bytes` more of it than before. The client may be cut. */
  hold(holder: ReplyHolder, bytes: number): void {
    this.holders ??= new Set();
    this.holders.add(holder);
    this.heldByHolders += bytes;
    if (this.add()) this.tell();
  }

  /** `holder` holds none of its `bytes` any more. */
  letGo(holder: ReplyHolder, bytes: number): void {
    if (!this.holders?.delete(holder)) return;
    this.heldByHolders -= bytes;
    this.tell();
  }

  /** The client is gone. */
  clear(): void {
    this.client.out.clear();
    this.client.ring.clear();
    const { holders } = this;
    this.holders = null;
    this.heldByHolders = 0;
    if (holders !== null) for (const holder of holders) holder.drop();
    if (this.told !== 0) this.tell();
    if (this.keptBytes !== 0) this.keep(-this.keptBytes);
  }
}
