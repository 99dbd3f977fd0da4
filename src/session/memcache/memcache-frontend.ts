/** The Memcached side of a session: a client's first byte says which protocol it speaks, for good. */
import type { Failure } from "../../api/upstream.ts";
import type { Frontend } from "../frontend.ts";
import type { Session } from "../session.ts";
import { BinaryFrontend } from "./binary/binary-frontend.ts";
import type { MemcachePool } from "./memcache-pool.ts";
import { TextFrontend } from "./text/text-frontend.ts";

/** First byte of every binary request; no text command begins with it. */
const BINARY_MAGIC = 0x80;

export class MemcacheFrontend implements Frontend {
  private readonly pool: MemcachePool;
  private readonly session: Session;
  /** Null: nothing was received yet. */
  private chosen: Frontend | null = null;

  constructor(pool: MemcachePool, session: Session) {
    this.pool = pool;
    this.session = session;
  }

  get need(): number {
    return this.chosen?.need ?? 0;
  }

  consume(bytes: Buffer, start: number, end: number): number {
    if (this.chosen === null) {
      if (start === end) return start;
      this.chosen =
        bytes[start] === BINARY_MAGIC
          ? new BinaryFrontend(this.pool, this.session)
          : new TextFrontend(this.pool, this.session);
    }
    return this.chosen.consume(bytes, start, end);
  }

  failureReply(failure: Failure, token: number): Buffer {
    return this.chosen?.failureReply(failure, token) ?? NONE;
  }

  saveState(): unknown {
    if (this.chosen === null) return null;
    const protocol = this.chosen instanceof BinaryFrontend ? "binary" : "text";
    return { protocol, state: this.chosen.saveState() };
  }
}

const NONE: Buffer = Buffer.alloc(0);
