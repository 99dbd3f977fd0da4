import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import type { SavedQueue } from "./queue.ts";

/** A client's transactions, as the rest sees them. */
export interface ClientTransaction {
  /** MULTI, EXEC, DISCARD, WATCH, and UNWATCH outside of MULTI. @returns false: not now, see Handler */
  control(command: Command, view: RequestView): boolean;
  /** Ends the transaction, or what is watched, and answers the request at hand with `reply`. */
  giveUp(reply: Buffer): boolean;
  /** Commands in the open transaction; -1: there is none. */
  readonly queued: number;
  /** The pin is about to become another kind of connection: no other client may have it after this one. */
  markPinDirty(): void;
  /**
   * RESET, with nothing owed, or the client is gone: forgets everything, and closes the connection with what is half done on it.
   */
  abandon(): void;
  /** The servers of the pool may have changed. Ends the transaction, as far as the client is told, if its server has left. */
  onRouteChange(): void;
  /** Null: there is nothing to tell another process. */
  save(): SavedTransaction | null;
}

export interface TransactionProgress {
  /** MULTI was answered, and neither EXEC nor DISCARD has come. */
  isOpen: boolean;
  /** EXEC will be refused: the client was told an error. */
  isDirty: boolean;
  /** The server has got MULTI. */
  isAtServer: boolean;
  /** The server watches keys for this client. */
  isWatching: boolean;
  /** It did, and was lost: whether they have changed is unknown. */
  isWatchLost: boolean;
  /** The server was lost with queued requests, or would not open a transaction: the error. */
  lost: string | null;
}

export function startProgress(): TransactionProgress {
  return {
    ...{ isOpen: false, isDirty: false, isAtServer: false },
    ...{ isWatching: false, isWatchLost: false, lost: null },
  };
}

/** What of a transaction moves with its session. Plain JSON data. */
export interface SavedTransaction extends TransactionProgress {
  readonly queue: SavedQueue;
}
