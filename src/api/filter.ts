/**
 * How filters, which stand between clients and a pool, meet the core.
 *
 *   request ─▶ judge ─▶ the pool's frontend ─▶ reply ─▶ done
 *                └─ refused: its reply ─────────────────▶ done
 */
import type { ConnectionKind } from "./upstream.ts";

/** Cuts a client's bytes into requests. It is reused: what it says holds until the next scan. One for each client. */
export interface RequestReader {
  /**
   * @param start where the last scan ended; the same again after INCOMPLETE
   * @returns > start: where the request ends; INCOMPLETE; < 0: no request, the protocol's frontend knows what to say
   */
  scan(bytes: Buffer, start: number, end: number): number;
  /** After a result < 0: the client speaks what filters cannot read, and is to be turned away. */
  readonly isUnreadable: boolean;
  /** False: what was found is nothing to judge, such as an empty line. */
  readonly isRequest: boolean;
  /** As configurations and errors have it: "CONFIG SET", "get". */
  readonly command: string;
  readonly isWrite: boolean;
  readonly bytes: Buffer;
  /** Arguments, the command's name included. */
  readonly count: number;
  /** Argument i is bytes[from(i), to(i)). */
  from(i: number): number;
  to(i: number): number;
  /** -1: it is not known which arguments are keys. */
  readonly keyCount: number;
  /** Key i, borrowed. */
  key(i: number): Buffer;
  /**
   * The reply that refuses the request at hand; empty where its client wants none.
   * @param text one character for each byte, none of them CR or LF
   */
  refusal(text: string): Buffer;
  /** Whether `bytes` are one whole reply, or none where the request's client wants none. */
  isReply(bytes: Buffer): boolean;
}

/** What a protocol gives to those who filter its requests. */
export interface Filtering {
  /** @param saved what a frontend's `saveState` gave in another process; undefined for a new client */
  createReader(saved: unknown): RequestReader;
  /** A request of a filter's own. */
  encode(args: readonly (string | Uint8Array)[]): Buffer;
  /** The kind of server connection for those. */
  readonly variant: ConnectionKind;
  /** Whether the complete reply bytes[start, end) is an error. */
  isError(bytes: Buffer, start: number, end: number): boolean;
}

/** The client that a request comes from. */
export interface ClientFacts {
  /** Address of its end of the connection. */
  readonly peer: string;
}

/**
 * How a request ended.
 * - `reply`, `error`: the client was answered by a server, or by the proxy
 * - `failed`: no server answered
 * - `refused`: a filter answered
 * - `closed`: the client is gone, and what became of the request is not known
 * - `moved`: another process answers
 */
export type Outcome = "reply" | "error" | "failed" | "refused" | "closed" | "moved";

/** A request that filters have seen, until it ends. */
export interface RequestRecord {
  readonly command: string;
  readonly startedMs: number;
  /** By filter: what it keeps of the request. */
  readonly notes: unknown[];
  /** So many filters have seen it. */
  seen: number;
}

/** The filters of one pool in one worker, in the order of the file. */
export interface FilterChain {
  /** Some filter wants to hear how requests end. */
  readonly hearsEnds: boolean;
  /** @returns null: the request goes on; else the reply that its client gets instead */
  judge(reader: RequestReader, client: ClientFacts, record: RequestRecord | null): Buffer | null;
  createRecord(reader: RequestReader): RequestRecord;
  /** Exactly once for each record; the reply bytes[start, end) is borrowed, and empty where there is none. */
  done(record: RequestRecord, outcome: Outcome, bytes: Buffer, start: number, end: number): void;
}
