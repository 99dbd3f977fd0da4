/** What the proxy itself keeps of the requests between MULTI and EXEC. */
import { copyOf } from "../../../../base/copy-of.ts";
import { TRANSACTION_KEPT_BYTES_MAX } from "../../../../base/limits.ts";
import { encodeRequest } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Variant } from "../identity/variant.ts";

/** Queued at the server in place of what the proxy will answer. */
export const PLACEHOLDER: Buffer = encodeRequest("PING");

/** What the client is to be when EXEC has come to one of its requests. Texts: one character per byte. Plain JSON data. */
export type Change = Partial<Variant> & { readonly name?: string };

/** Plain JSON data; requests are in Base64. */
export interface SavedQueue {
  readonly count: number;
  readonly kept: string;
  readonly keptCount: number;
  readonly deferred: readonly (readonly [index: number, request: string])[];
  readonly changes: readonly (readonly [index: number, change: Change])[];
  /** In Base64. */
  readonly key?: string | undefined;
}

export class TransactionQueue {
  /** Requests that were queued, here or at the server. */
  count = 0;
  /** Requests that the server is to get when it is known. */
  keptCount = 0;
  /** On a cluster: a key of it, which says where it goes; null: none was named so far. */
  key: Buffer | null = null;
  /** Requests that the proxy answers itself, as multibulk, by place in the transaction. */
  readonly deferred: Map<number, Buffer> = new Map();
  /** By place in the transaction: requests that change who the client is, once the server has executed them. */
  readonly changes: Map<number, Change> = new Map();

  private kept: Buffer[] = [];
  /** Kept so far, here and in `deferred`. */
  private bytes = 0;

  static restore(saved: SavedQueue): TransactionQueue {
    const queue = new TransactionQueue();
    queue.count = saved.count;
    queue.keptCount = saved.keptCount;
    const kept = Buffer.from(saved.kept, "base64");
    queue.kept = [kept];
    queue.bytes = kept.length;
    queue.key = saved.key === undefined ? null : Buffer.from(saved.key, "base64");
    for (const [index, change] of saved.changes) queue.changes.set(index, change);
    for (const [index, text] of saved.deferred) {
      const request = Buffer.from(text, "base64");
      queue.deferred.set(index, request);
      queue.bytes += request.length;
    }
    return queue;
  }

  save(): SavedQueue {
    const { count, keptCount, kept, deferred, changes } = this;
    return {
      ...{ count, keptCount, kept: Buffer.concat(kept).toString("base64") },
      deferred: [...deferred].map(([index, request]) => [index, request.toString("base64")]),
      changes: [...changes],
      key: this.key?.toString("base64"),
    };
  }

  /** Keeps a request until the server is known. @returns false: that would be too much */
  keep(view: RequestView, isDeferred: boolean): boolean {
    if (isDeferred) {
      if (!this.defer(view)) return false;
      this.kept.push(PLACEHOLDER);
    } else {
      if (!this.hasRoom(view)) return false;
      this.kept.push(copyOf(view.bytes, view.start, view.end));
      this.count++;
    }
    this.keptCount++;
    return true;
  }

  /** Keeps a request that the proxy will answer. @returns false: that would be too much */
  defer(view: RequestView): boolean {
    if (!this.hasRoom(view)) return false;
    this.deferred.set(this.count++, copyOf(view.bytes, view.start, view.end));
    return true;
  }

  /** All that the server is to get, in one piece; it is kept no longer. */
  takeKept(): Buffer {
    const kept = Buffer.concat(this.kept);
    this.kept = [];
    this.keptCount = 0;
    return kept;
  }

  private hasRoom(view: RequestView): boolean {
    const bytes = this.bytes + view.end - view.start;
    if (bytes > TRANSACTION_KEPT_BYTES_MAX) return false;
    this.bytes = bytes;
    return true;
  }
}
