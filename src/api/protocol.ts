/** What the scanners of a protocol module promise to the session and upstream layers. */

/** What a reply is, as far as it matters to those who pass it on. */
export const KIND = {
  /** Several replies, which may be of different kinds. */
  mixed: 0,
  /** Data, or that something was done. */
  value: 1,
  /** Nothing is there under the key. */
  miss: 2,
  error: 3,
  /** An error that says which other server has the key. */
  redirect: 4,
} as const;
export type ReplyKind = (typeof KIND)[keyof typeof KIND];

/** Returned by a scan that needs more bytes. */
export const INCOMPLETE = 0;

/** No byte. */
export const NO_PUSH = -1;

/**
 * Finds message boundaries in received bytes, incrementally.
 *
 * `scan` is called with the same message start again and again until the message is complete; in between the
 * bytes may have moved to another buffer (with other offsets), but not changed.
 */
export interface ReplyScanner {
  /** @returns > start: where the first reply ends; INCOMPLETE; or < 0: not this protocol, the connection is useless. */
  scan(bytes: Buffer, start: number, end: number): number;
  /** After INCOMPLETE: the least size the whole reply will have, as far as known. */
  readonly need: number;
  /**
   * A message whose first byte is this answers no request: the server sent it of its own accord. It is scanned like a
   * reply. NO_PUSH: all messages are replies.
   */
  readonly pushType: number;
  /** A reply tells what it answers: sinks are asked whether they accept it. */
  readonly identifiesRequests: boolean;
  /** Of the reply that was found last: values in it, where a reply may have several; else 0. */
  readonly parts: number;
  /** What the complete reply bytes[start, end) is; not `mixed`. */
  kindOf(bytes: Buffer, start: number, end: number): ReplyKind;
  /** By the first byte of a reply: 1: it may be an error, and `errorOf` tells. Absent: errors are not counted. */
  readonly errorBytes?: Uint8Array;
  /** In which row of the protocol's `serverErrors` the complete reply bytes[start, end) is counted; -1: it is no error. */
  errorOf?(bytes: Buffer, start: number, end: number): number;
  /** By such a row: what errors of that kind tell of the server's state, in one word; undefined: nothing. Absent: none does. */
  readonly signals?: readonly (string | undefined)[];
  /** A number that the replies of two servers that say the same have in common. Absent: their bytes are the same. */
  digestOf?(bytes: Buffer, start: number, end: number): number;
  /** Forgets a half-scanned reply (its connection is gone). */
  reset(): void;
}

/** A harmless request whose answer no reply to a client's request is like. */
export interface StepQuestion {
  readonly request: Buffer;
  /** Whether the complete reply bytes[start, end) is its answer. */
  isAnswer(bytes: Buffer, start: number, end: number): boolean;
  /** Whether it is an error: maybe the server will not answer the question, maybe it is the reply to another request. */
  refusal(bytes: Buffer, start: number, end: number): Refusal;
}

/** No error; one that the server gives to most requests for a while; one that it would give again. */
export type Refusal = "none" | "passing" | "lasting";

/** What is wrong with the answer to a probe, or with getting none. */
export interface ProbeFault {
  /** For the log and for clients. */
  readonly text: string;
  /** The server cannot serve. False: it is only hindered, and says so itself. */
  readonly isGrave: boolean;
}

/** What an upstream connection has to know of its protocol. */
export interface UpstreamProtocol {
  /**
   * Something in the handshake was chosen by a client (its user, its database): a server that refuses it is well, and the
   * connection is tried again only when a request needs it.
   */
  readonly isClientsChoice: boolean;
  /** A shared connection that was not used for so long is closed until it is needed again; absent: it is kept. */
  readonly idleMs?: number;
  /**
   * What the server seems to speak, when bytes[start, end) are no reply: words for the log that say what to change, or null when
   * that cannot be told.
   */
  otherLanguage(bytes: Buffer, start: number, end: number): string | null;
  createReplyScanner(): ReplyScanner;
  /** Sent first on every new connection; empty: nothing. */
  readonly handshake: Buffer;
  /** Replies that the handshake causes. */
  readonly handshakeReplies: number;
  /** A harmless request with one reply: a server that was lost must answer it before it gets requests of clients again. */
  readonly probe: Buffer;
  /**
   * What the reply to `probe` tells of the server, when that is asked regularly; null: nothing beyond `handshakeFault`. Absent: it never
   * does.
   */
  probeFault?(bytes: Buffer, start: number, end: number): ProbeFault | null;
  /** Asked behind a request whose reply is late, to find out whether that reply was lost; absent: there is none. */
  readonly stepQuestion?: StepQuestion;
  /** Asked now and then on a busy connection in place of `stepQuestion`; absent: that is asked. */
  readonly regularQuestion?: StepQuestion;
  /**
   * What is wrong with handshake reply number `index` (from 0; the one after the last is the probe's), for humans, or null
   * when it is fine.
   */
  handshakeFault(index: number, bytes: Buffer, start: number, end: number): string | null;
}
