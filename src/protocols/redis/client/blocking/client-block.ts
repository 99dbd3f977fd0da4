import type { Lease } from "../../../../api/upstream.ts";
import type { SavedPlace } from "../place.ts";

/** What a client waits for, as the rest sees it. */
export interface ClientBlock {
  readonly lease: Lease;
  /** The connection is the client's anyhow: `RedisClient.pin`. */
  readonly isOnPin: boolean;
  /** Its connection's CLIENT ID; null: not known yet. */
  readonly idOnServer: number | null;
  /** The same, for a client that will end the wait. That may come late: no other client has the connection after this one. */
  target(): number | null;
  /** Another process may go on: the command is sent, and its reply is the only one that is owed. */
  readonly isMovable: boolean;
  save(): SavedBlock;
  /** The client is another process's now. */
  leave(): void;
  /** The client is gone: the server need not wait any longer. */
  abandon(): void;
  /** Servers have left or come back. Ends the wait, unless it is served just now, when its keys are on another server now. */
  endIfElsewhere(): void;
}

/** Plain JSON data. */
export interface SavedBlock extends SavedPlace {
  readonly isOnPin: boolean;
  readonly keys: readonly string[];
  /** See `ClientBlock.idOnServer`. */
  readonly id: number;
}
