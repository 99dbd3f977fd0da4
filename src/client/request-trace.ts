/** Where on the tape the requests are that a client waits for, and what is known of their slowness: for the slow log. */
import { TOKEN_MASK } from "../api/client-port.ts";
import type { SlowServer } from "../api/latency.ts";
import type { RequestSummary } from "../api/protocol-module.ts";
import type { Failure } from "../api/upstream.ts";
import type { SampledRequest } from "./hot-keys.ts";
import type { RequestTape } from "./request-tape.ts";

/** Pieces of one client that are known at a time; those before are forgotten. */
const PIECES_MAX = 8;
/** Numbers of a piece: its first token, how many requests it has, its position on the tape, its length. */
const STEP = 4;

/** See ProtocolPool.describe. */
export type Describe = (bytes: Buffer, length: number, index: number) => RequestSummary | null;

export interface TracedPiece {
  readonly position: number;
  readonly length: number;
  /** Place of the request in it. */
  readonly index: number;
}

export class RequestTrace {
  /** The slowest server that has answered since nothing was waited for. */
  server: SlowServer | null = null;
  failure: Failure | null = null;
  /** Of the last reply that a slow server gave. */
  replyBytes = 0;
  /** Its reply is looked at when it comes; null: none's is. */
  sampled: SampledRequest | null = null;
  /** The latest piece, as most clients have one only, and older ones. */
  private first = -1;
  private count = 0;
  private position = 0;
  private length = 0;
  private older: number[] | null = null;

  /** @param isOnly the client waits for no other */
  add(first: number, count: number, position: number, length: number, isOnly: boolean): void {
    if (isOnly) {
      if (this.older !== null) this.older.length = 0;
    } else if (this.first >= 0) {
      this.older ??= [];
      if (this.older.length === PIECES_MAX * STEP) this.older.splice(0, STEP);
      this.older.push(this.first, this.count, this.position, this.length);
    }
    this.first = first;
    this.count = count;
    this.position = position;
    this.length = length;
  }

  find(token: number): TracedPiece | null {
    const index = this.first < 0 ? -1 : (token - this.first) & TOKEN_MASK;
    if (index >= 0 && index < this.count) {
      return { position: this.position, length: this.length, index };
    }
    const { older } = this;
    for (let at = 0; older !== null && at < older.length; at += STEP) {
      const place = (token - older[at]!) & TOKEN_MASK;
      if (place >= older[at + 1]!) continue;
      return { position: older[at + 2]!, length: older[at + 3]!, index: place };
    }
    return null;
  }

  /** The request with this token, if its bytes are still on the tape. */
  describe(token: number, tape: RequestTape, describe: Describe): RequestSummary | null {
    const piece = this.find(token);
    const bytes = piece === null ? null : tape.read(piece.position, piece.length);
    return piece === null || bytes === null ? null : describe(bytes, piece.length, piece.index);
  }

  /** `server` was slow to give a reply of so many bytes. */
  note(server: SlowServer, replyBytes: number): void {
    const { server: before } = this;
    const tookUs = server.queueUs + server.serverUs;
    if (before !== null && before.queueUs + before.serverUs > tookUs) return;
    this.server = server;
    this.replyBytes = Math.round(replyBytes);
  }

  /** What was noted is told. */
  clearNotes(): void {
    this.server = null;
    this.failure = null;
    this.replyBytes = 0;
  }
}
