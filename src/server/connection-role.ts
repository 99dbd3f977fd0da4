import type { Failure, SubscriberEvents } from "../api/upstream.ts";

/** What a connection is for. It decides what is made of what happens to it. */
export interface ConnectionRole {
  /** The system asks now and then whether the other end is still there: the server may have nothing to say for long. */
  readonly isWatched: boolean;
  /** The server may be asked whether its replies are in step. In a transaction the question would become part of that. */
  readonly isAskable: boolean;
  /** Milliseconds that a reply may take; null: as long as it likes. */
  readonly timeoutMs: number | null;
  /** Milliseconds that the server may be silent while it owes a reply; null: as long as it likes. */
  readonly firstByteMs: number | null;
  /** Requests may wait so long until they are sent; null: see `timeoutMs`. */
  readonly queueMs: number | null;
  /** With so many requests on it further ones fail at once; Infinity: they wait. */
  readonly pendingMax: number;
  /** Hears of whatever comes; null: what comes are replies to requests, each for its sink. */
  readonly messages: Pick<SubscriberEvents, "onMessage"> | null;
  /** An attempt to connect begins. */
  onOpen(): void;
  /** The connection stands, and its handshake is answered. */
  onReady(): void;
  /** Nothing more will come over it; those that wait are told after this, and may open it again. */
  onHungUp(): void;
  /**
   * It stood and is gone, and those that waited were told.
   * @param isTrouble it tells against the server: an idle connection may go in peace
   */
  onLost(failure: Failure, isTrouble: boolean): void;
  /** It could not be made. @returns true: the role has seen to everything, and the connection is closed */
  endsBy(failure: Failure): boolean;
  /** It could not be made, and those that waited were told. */
  onFailed(failure: Failure): void;
  /** It is of no use any more: `sent` and `unsent` are told to those that wait. */
  takeDown(sent: Failure, unsent: Failure): void;
}
