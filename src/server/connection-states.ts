/**
 * The states of a connection to a server.
 *
 *              send                        open, handshake answered
 *   idle ──────────────▶ connecting ───────────────────────────────▶ ready
 *    ▲                     │   ▲                                       │
 *    │               fails │   │ retry, with a probe                   │ given up, or lost
 *    │                     ▼   │                                       │
 *    │◀──────────────────  down (`refusal` is set: requests fail)  ◀───┤
 *    └─────────────────────────────────────────────────────────────────┘
 *
 * Each of them may end for good: `closed`.
 */
import { StateTable } from "../base/state-table.ts";

export const IDLE = 1;
export const CONNECTING = 2;
export const READY = 4;
export const DOWN = 8;
export const CLOSED = 16;

export const CONNECTION: StateTable = new StateTable("a connection to a server", [
  { state: IDLE, name: "idle", next: CONNECTING | DOWN | CLOSED },
  // Back to idle: the server refuses what a client chose, and may grant another client's wish.
  { state: CONNECTING, name: "connecting", next: READY | DOWN | IDLE | CLOSED },
  { state: READY, name: "ready", next: IDLE | DOWN | CLOSED },
  { state: DOWN, name: "down", next: CONNECTING | CLOSED },
  { state: CLOSED, name: "closed", next: 0 },
]);
