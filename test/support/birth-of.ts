/** Which worker accepted a client, by the client's id. */
import { BLOCK_IDS, FIRST_ID } from "../../src/worker/client-ids.ts";

/** The birth number of the worker that gave this `CLIENT ID`. */
export function birthOf(id: number): number {
  return Math.floor((id - FIRST_ID) / BLOCK_IDS);
}
