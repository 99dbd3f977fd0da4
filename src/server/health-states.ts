/**
 * What a server is to one worker.
 *
 *   up ◀────────▶ suspect ────────▶ down ◀────────▶ probing
 *   ▲ └──────────────────────────────┘ ▲               │
 *   └──────────────────────────────────┼───────────────┘
 *
 *   up → suspect         something tells against it: a failed request, probe or connection, an error that tells of its state
 *   suspect → up         it does what is asked
 *   up, suspect → down   `fall` probes in a row have failed, or as many requests as eject a server
 *   down → probing       it has answered a probe, or, in a pool without probes, is connected again
 *   probing → up, down   `rise` probes in a row were answered, or one was not
 *
 * A server that is down, or probing, gets no requests of clients. `ServerHealth` decides when what is the case.
 */
import { HEALTH_STATES } from "../api/stats.ts";
import { StateTable } from "../base/state-table.ts";

export const UP: number = HEALTH_STATES.up;
export const SUSPECT: number = HEALTH_STATES.suspect;
export const PROBING: number = HEALTH_STATES.probing;
export const DOWN: number = HEALTH_STATES.down;

export const HEALTH: StateTable = new StateTable("a server's health", [
  { state: UP, name: "up", next: SUSPECT | DOWN },
  { state: SUSPECT, name: "suspect", next: UP | DOWN },
  { state: PROBING, name: "probing", next: UP | DOWN },
  { state: DOWN, name: "down", next: PROBING },
]);
