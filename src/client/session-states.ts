/**
 * The two machines of states of a session. `SessionMove` is a part of its own: a session may be on its way to another process in
 * every state in which it takes requests.
 *
 * Its life:
 *
 *   serving ──drain──▶ draining
 *      │                  │
 *      ├──────────────────┤ the client's FIN
 *      │                  ▼
 *      │                ended (requests are left) ──all are taken──▶ leaving ──all is written──▶ closed
 *      │                                                                ▲
 *      │ the last request is taken                                      │ the client's FIN
 *      └────────────▶ finishing ────────────────────────────────────────┤
 *                         │ all is written: the proxy's FIN goes        │
 *                         └──────────▶ lingering ──the client's FIN, or the clock──▶ closed
 *
 *   finishing, leaving ──all is written, of a session that ends by a reset──▶ resetting ──all has arrived──▶ closed
 *
 * Each of them ends at once (`closed`) when the connection is gone, or when the proxy hangs up.
 *
 * Its intake, while it is in one of TAKES_REQUESTS:
 *
 *   taking ──▶ waiting    until it is woken, whatever for
 *          ──▶ settling   until all that is owed is answered
 *          ──▶ blocked    the same, for a reply that may never come: the client is watched, so that it may leave
 *
 * A stronger wait replaces a weaker one; all end with `taking`.
 */
import { StateTable } from "../base/state-table.ts";

export const SERVING = 1;
/** Finishes as soon as it is idle. */
export const DRAINING = 2;
/** The client has sent its last byte; requests that were held back are left, or the frontend keeps the session open. */
export const ENDED = 4;
/** Takes no requests any more, and has replies to send. */
export const FINISHING = 8;
/** The same, and the client has sent its last byte. */
export const LEAVING = 16;
/** All is sent, the proxy's FIN too. Closing with input unread would reset the connection, and the last reply might be lost with it. */
export const LINGERING = 32;
/** All is written. Once the client's kernel has it, the connection is reset. */
export const RESETTING = 64;
export const CLOSED = 128;

export const TAKES_REQUESTS: number = SERVING | DRAINING | ENDED;

export const LIFE: StateTable = new StateTable("a session", [
  { state: SERVING, name: "serving", next: DRAINING | ENDED | FINISHING | CLOSED },
  { state: DRAINING, name: "draining", next: ENDED | FINISHING | CLOSED },
  { state: ENDED, name: "ended", next: LEAVING | CLOSED },
  { state: FINISHING, name: "finishing", next: LEAVING | LINGERING | RESETTING | CLOSED },
  { state: LEAVING, name: "leaving", next: RESETTING | CLOSED },
  { state: LINGERING, name: "lingering", next: CLOSED },
  { state: RESETTING, name: "resetting", next: CLOSED },
  { state: CLOSED, name: "closed", next: 0 },
]);

export const TAKING = 1;
export const WAITING = 2;
export const SETTLING = 4;
export const BLOCKED = 8;

export const INTAKE: StateTable = new StateTable("a session's intake", [
  { state: TAKING, name: "taking", next: WAITING | SETTLING | BLOCKED },
  { state: WAITING, name: "waiting", next: TAKING | SETTLING | BLOCKED },
  { state: SETTLING, name: "settling", next: TAKING | BLOCKED },
  { state: BLOCKED, name: "blocked", next: TAKING },
]);
