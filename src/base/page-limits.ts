/** Bounds of the admin process's page, and of the port that it comes from. */

/** Connections of the admin process's HTTP: two hundred viewers of its page, and collectors besides. One more cuts the oldest. */
export const ADMIN_CONNECTIONS_MAX = 256;
/** Answers that wait for their turn: of all connections, and of as many that have gone away meanwhile. */
export const ADMIN_ANSWERS_WAITING_MAX: number = 2 * ADMIN_CONNECTIONS_MAX;
/** Of a core: what the admin process may use for answers in the long run, */
export const ADMIN_CPU_SHARE = 0.25;
/** and what of it may be saved up and used at once, in milliseconds. */
export const ADMIN_CPU_BURST_MS = 250;
/** The last minutes on the admin process's page, a look each second, are of so many looks, */
export const OVERVIEW_POINTS_MAX = 300;
/** of so many pools, */
export const OVERVIEW_POOLS_MAX = 16;
/** and of so many servers. */
export const OVERVIEW_SERIES_SERVERS_MAX = 64;
/** Servers in the page's table. */
export const OVERVIEW_SERVERS_MAX = 256;
/** Bytes of an order that comes over the admin process's HTTP, behind its head. */
export const ORDER_BYTES_MAX = 4096;
/** What the page shows of options and of the configuration file is at most so old, in milliseconds. */
export const CONFIG_LOOK_MS = 5_000;
/** Events that the admin process keeps, and shows. */
export const EVENTS_SHOWN_MAX = 100;
/** Memory in which the page's last minutes lie over a change of the admin process: longer than the longest text of them. */
export const HISTORY_BYTES_MAX: number = 1024 * 1024;
/** Requests for events that go on (`Accept: text/event-stream`) at once, … */
export const EVENT_STREAMS_MAX = 64;
/** … for so long: browsers ask again by themselves, and go on where they stopped. */
export const EVENT_STREAM_MS: number = 60 * 60 * 1000;
/** So often it is looked for new ones while there are any. */
export const EVENT_STREAM_LOOK_MS = 500;
/** After so many looks without one a comment shows that the connection is alive. */
export const EVENT_STREAM_QUIET_LOOKS = 30;
