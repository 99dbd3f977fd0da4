/** What the proxy itself keeps of the requests between MULTI and EXEC. */

import type { ClientPort } from "../../../../api/client-port.ts";
import { copyOf } from "../../../../base/copy-of.ts";
import { TRANSACTION_KEPT_BYTES_MAX } from "../../../../base/limits.ts";
import { KeptBytes } from "../../../kept-bytes.ts";
import { encodeRequest } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Variant } from "../identity/variant.ts";

/** What an entry of a map takes beside its bytes, about. */
const ENTRY_BYTES = 256;
const KEPT_START_BYTES = 256;
const NONE: Buffer = Buffer.alloc(0);

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
  readonly isSplit?: true | undefined;
}

export class TransactionQueue {
  /** Requests that were queued, here or at the server. */
  count = 0;
  /** Requests that the server is to get when it is known. */
  keptCount = 0;
  /** What is kept may be for several servers. */
  isSplit = false;
  private firstKey: Buffer | null = null;
  /** Requests that the proxy answers itself, as multibulk, by place in the transaction. */
  readonly deferred: Map<number, Buffer> = new Map();
  /** By place in the transaction: requests that change who the client is, once the server has executed them. */
  readonly changes: Map<number, Change> = new Map();

  /** Requests for the server, back to back, and room for more: many small ones take no more than their bytes. */
  private kept: Buffer = NONE;
  private keptBytes = 0;
  /** Bytes of requests so far, in `kept` and in `deferred`. */
  private bytes = 0;
  /** Memory of `kept`; and of all else. */
  private readonly heldByKept: KeptBytes;
  private readonly heldByRest: KeptBytes;

  /** @param session is told how much memory the queue takes, until `drop` */
  constructor(session: Pick<ClientPort, "keep">) {
    this.heldByKept = new KeptBytes(session);
    this.heldByRest = new KeptBytes(session);
  }

  static restore(session: Pick<ClientPort, "keep">, saved: SavedQueue): TransactionQueue {
    const queue = new TransactionQueue(session);
    queue.count = saved.count;
    queue.keptCount = saved.keptCount;
    const kept = Buffer.from(saved.kept, "base64");
    queue.append(kept, 0, kept.length);
    queue.bytes = kept.length;
    queue.isSplit = saved.isSplit === true;
    if (saved.key !== undefined) queue.key = Buffer.from(saved.key, "base64");
    for (const [index, change] of saved.changes) queue.change(index, change);
    for (const [index, text] of saved.deferred) {
      const request = Buffer.from(text, "base64");
      queue.putOff(index, request);
      queue.bytes += request.length;
    }
    return queue;
  }

  /** On a cluster: a key of it, which says where it goes; null: none was named so far. */
  get key(): Buffer | null {
    return this.firstKey;
  }

  set key(key: Buffer | null) {
    if (key === this.firstKey) return;
    this.firstKey = key;
    if (key !== null) this.heldByRest.add(key.length);
  }

  /** It is of no more use: its transaction is over. */
  drop(): void {
    this.heldByKept.drop();
    this.heldByRest.drop();
  }

  save(): SavedQueue {
    const { count, keptCount, deferred, changes } = this;
    const kept = this.kept.toString("base64", 0, this.keptBytes);
    return {
      ...{ count, keptCount, kept },
      deferred: [...deferred].map(([index, request]) => [index, request.toString("base64")]),
      changes: [...changes],
      key: this.key?.toString("base64"),
      isSplit: this.isSplit ? true : undefined,
    };
  }

  /** Keeps a request until the server is known. @returns false: that would be too much */
  keep(view: RequestView, isDeferred: boolean): boolean {
    if (isDeferred) {
      if (!this.defer(view)) return false;
      this.append(PLACEHOLDER, 0, PLACEHOLDER.length);
    } else {
      if (!this.hasRoom(view)) return false;
      this.append(view.bytes, view.start, view.end);
      this.count++;
    }
    this.keptCount++;
    return true;
  }

  /** Keeps a request that the proxy will answer. @returns false: that would be too much */
  defer(view: RequestView): boolean {
    if (!this.hasRoom(view)) return false;
    this.putOff(this.count++, copyOf(view.bytes, view.start, view.end));
    return true;
  }

  /** The request of this place makes the client another, once the server has executed it. */
  change(index: number, change: Change): void {
    // It was noted already: the request had to wait, and is tried again.
    if (this.changes.has(index)) return;
    this.changes.set(index, change);
    const { name = "", user, password } = change;
    const texts = name.length + (user?.length ?? 0) + (password?.length ?? 0);
    this.heldByRest.add(texts + ENTRY_BYTES);
  }

  /** All that servers are to get, in one piece. It never changes. */
  get keptRequests(): Buffer {
    return this.kept.subarray(0, this.keptBytes);
  }

  /** The same, and it is kept no longer. */
  takeKept(): Buffer {
    const kept = this.keptRequests;
    this.kept = NONE;
    this.keptBytes = 0;
    this.keptCount = 0;
    this.heldByKept.drop();
    return kept;
  }

  private putOff(index: number, request: Buffer): void {
    this.deferred.set(index, request);
    this.heldByRest.add(request.length + ENTRY_BYTES);
  }

  private append(bytes: Buffer, start: number, end: number): void {
    const size = this.keptBytes + end - start;
    if (size > this.kept.length) {
      const length = Math.max(size, Math.min(this.kept.length * 2, TRANSACTION_KEPT_BYTES_MAX));
      const larger = Buffer.allocUnsafeSlow(Math.max(length, KEPT_START_BYTES));
      this.kept.copy(larger, 0, 0, this.keptBytes);
      this.heldByKept.add(larger.length - this.kept.length);
      this.kept = larger;
    }
    bytes.copy(this.kept, this.keptBytes, start, end);
    this.keptBytes = size;
  }

  private hasRoom(view: RequestView): boolean {
    const bytes = this.bytes + view.end - view.start;
    if (bytes > TRANSACTION_KEPT_BYTES_MAX) return false;
    this.bytes = bytes;
    return true;
  }
}
