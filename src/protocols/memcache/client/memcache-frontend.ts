/** The Memcached side of a session: a client's first byte says which protocol it speaks, for good. */

import type { ClientPort } from "../../../api/client-port.ts";
import type { Frontend } from "../../../api/frontend.ts";
import type { Failure } from "../../../api/upstream.ts";
import { BinaryFrontend } from "./binary/binary-frontend.ts";
import type { MemcachePool } from "./memcache-pool.ts";
import { TextFrontend } from "./text/text-frontend.ts";

/** First byte of every binary request; no text command begins with it. */
const BINARY_MAGIC = 0x80;

/** What must survive a move to another process. Plain JSON data. */
export interface MemcacheClientState {
  /** Null: nothing was received yet. */
  readonly protocol: "text" | "binary" | null;
  /** Bytes of the input to come that are to be skipped. */
  readonly toSkip: number;
}

export class MemcacheFrontend implements Frontend {
  readonly descriptors: readonly number[] = NO_DESCRIPTORS;
  readonly needsFormat: number = 1;
  readonly prefersToStay: boolean = false;
  private readonly pool: MemcachePool;
  private readonly session: ClientPort;
  /** Null: nothing was received yet. */
  private chosen: BinaryFrontend | TextFrontend | null = null;

  constructor(pool: MemcachePool, session: ClientPort, saved?: MemcacheClientState) {
    this.pool = pool;
    this.session = session;
    if (saved === undefined || saved.protocol === null) return;
    this.chosen = this.create(saved.protocol === "binary", saved.toSkip);
  }

  get isReadyToMove(): boolean {
    return this.session.isSettled;
  }

  get need(): number {
    return this.chosen?.need ?? 0;
  }

  get keepsInput(): boolean {
    return this.chosen?.keepsInput ?? true;
  }

  consume(bytes: Buffer, start: number, end: number): number {
    if (this.chosen === null) {
      if (start === end) return start;
      this.chosen = this.create(bytes[start] === BINARY_MAGIC, 0);
    }
    return this.chosen.consume(bytes, start, end);
  }

  /** Only text is filtered. */
  forgetRequest(): void {
    if (this.chosen instanceof TextFrontend) this.chosen.forgetRequest();
  }

  failureReply(failure: Failure, token: number): Buffer {
    return this.chosen?.failureReply(failure, token) ?? NONE;
  }

  saveState(): MemcacheClientState {
    if (this.chosen === null) return { protocol: null, toSkip: 0 };
    const protocol = this.chosen instanceof BinaryFrontend ? "binary" : "text";
    return { protocol, ...this.chosen.saveState() };
  }

  onRouteChange(): void {}

  leave(): void {}

  close(): void {}

  private create(isBinary: boolean, toSkip: number): BinaryFrontend | TextFrontend {
    return isBinary
      ? new BinaryFrontend(this.pool, this.session, toSkip)
      : new TextFrontend(this.pool, this.session, toSkip);
  }
}

const NONE: Buffer = Buffer.alloc(0);
const NO_DESCRIPTORS: readonly number[] = [];
