/** Stands in the session of a client of which nothing can be known: what another process saved of it makes no sense. It is closed at once. */
import type { Frontend } from "../api/frontend.ts";

const NONE: Buffer = Buffer.alloc(0);

export const LOST: Frontend = {
  need: 0,
  descriptors: [],
  isReadyToMove: false,
  needsFormat: 1,
  prefersToStay: false,
  consume: (_bytes, _start, end) => end,
  failureReply: () => NONE,
  saveState: () => ({}),
  onRouteChange() {},
  leave() {},
  close() {},
};
