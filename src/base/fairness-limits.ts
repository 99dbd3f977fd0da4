/** The bounds that keep newcomers from holding up the clients that are there. */

/** Clients are accepted, and ends of connections dealt with, until a turn of the event loop has taken so long … */
export const PACED_TURN_MS = 1;
/** … but so many in each turn, whatever else it had to do. */
export const PACED_TASKS_MIN = 8;
