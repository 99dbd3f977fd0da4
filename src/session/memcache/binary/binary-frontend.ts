/** The binary side of a Memcached session. */
import type { Failure } from "../../../api/upstream.ts";
import type { Frontend } from "../../frontend.ts";
import type { Session } from "../../session.ts";
import type { MemcachePool } from "../memcache-pool.ts";

export class BinaryFrontend implements Frontend {
  readonly need: number = 0;
  readonly pool: MemcachePool;
  readonly session: Session;

  constructor(pool: MemcachePool, session: Session) {
    this.pool = pool;
    this.session = session;
  }

  consume(_bytes: Buffer, start: number, _end: number): number {
    return start;
  }

  failureReply(_failure: Failure, _token: number): Buffer {
    return Buffer.alloc(0);
  }

  saveState(): unknown {
    return null;
  }
}
