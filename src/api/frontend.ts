/**
 * What a session needs of the protocol that its client speaks.
 *
 * The session owns the socket, the buffers and the order of replies; a frontend knows what the bytes mean. It keeps
 * its state (who the client is, what was agreed) as plain data, so that a session can move to another process.
 */
import type { Failure } from "./upstream.ts";

/** What a frontend knows of its client, for operators. Texts: one character per byte. */
export interface ClientFacts {
  readonly id: number;
  /** "": it has not named itself. */
  readonly name: string;
  /** "": the protocol knows no users. */
  readonly user: string;
  /** Null: no more than its session can see. */
  readonly state: "blocked" | "transaction" | "subscribed" | null;
}

/** The part of a frontend that knows one protocol. */
export interface RequestTaker {
  /**
   * Handles the requests in bytes[start, end) until they end, an incomplete one is left, or the session may take
   * no more (`session.mayTakeMore()` is false). The bytes are the frontend's to keep ranges of; they never change.
   * @returns how far they were consumed; `keepsInput` says whether it refers to them from now on
   */
  consume(bytes: Buffer, start: number, end: number): number;
  /**
   * False: of what the last `consume` was given nothing is referred to for longer than until the end of the turn, but ranges that `noteKept` was
   * told of. Absent: something may be, and the memory is not used again.
   */
  readonly keepsInput?: boolean;
  /** Size that the incomplete request at the input's start will have, as far as known; 0: not known. */
  readonly need: number;
  /**
   * The reply that tells a client that the request of slot `token` (still open) met `failure`; may be empty. Kept: may
   * be handed out again.
   */
  failureReply(failure: Failure, token: number): Buffer;
  /** What must survive a move to another process, as JSON data. */
  saveState(): unknown;
}

export interface Frontend extends RequestTaker {
  /** The request at the input's start, of which it may have seen a part, is not its own any more: it begins anew behind it. */
  forgetRequest?(): void;
  /** Answers a request that it was not given, because a filter refused it; absent: the session can do that alone. */
  answerUnseen?(reply: Buffer): void;
  /** Absent: its clients are known by their connection only. */
  readonly facts?: ClientFacts | undefined;
  /** The name of the user that the client is, as in `facts`, without an object made for it. Absent: there are no users. */
  readonly user?: string | undefined;
  /** Descriptors that move along: of leased connections, in the order that the saved state counts on. */
  readonly descriptors: readonly number[];
  /** Quiesces the connections of `descriptors`, see `Stream.quiesce`; absent: it never has any. */
  quiesce?(): void;
  /** After `quiesce`: of what it has consumed, the last bytes that no server got. They are input again where it moves; absent: none. */
  readonly unforwarded?: Buffer;
  /**
   * It can be saved, and its connections moved along: nothing is owed to the client, or what is will come from a
   * connection that moves along.
   */
  readonly isReadyToMove: boolean;
  /** The lowest format of packets (see PacketHead) in which all that it saves has a place. */
  readonly needsFormat: number;
  /** It is in the middle of something: moved only when it must be. */
  readonly prefersToStay: boolean;
  /**
   * The client sends no more, and all that it sent is consumed. May be told more than once.
   * @returns true: the session stays open until the frontend ends it. False, and absent: it ends when all that is owed is written
   */
  onInputEnd?(): boolean;
  /** A server has left the ring or come back: keys may have moved. */
  onRouteChange(): void;
  /** The session has moved, and its descriptors with it. */
  leave(): void;
  /** The client is gone: gives back what it has of its own. */
  close(): void;
}
