import type { RequestView } from "../codec/request-view.ts";
import type { Command } from "../commands/command.ts";

/** What takes every request of a client that is in a state of its own (a transaction, RESP2 subscriptions). */
export interface Mode {
  /** In place of the command's own handling. @returns false: not now; it comes again when the session is woken */
  handle(command: Command, view: RequestView): boolean;
  /** A request was refused before it came to `handle`: unknown, incomplete, denied. */
  onRefused(): void;
  /** A request that was sent met a failure. */
  onFailed?(): void;
}
