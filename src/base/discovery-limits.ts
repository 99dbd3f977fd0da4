/** Bounds of finding out who the servers of a pool are. */

/** A source is asked no more often, however short its times to live are. */
export const DISCOVERY_LOOK_MS_MIN = 1_000;
/** A file is looked at so often. */
export const DISCOVERY_FILE_MS = 1_000;
/** What does not answer within this time is asked again later. */
export const DISCOVERY_ANSWER_MS = 2_000;
/** A worker that starts and knows no servers waits so long for the first answer before it serves. */
export const DISCOVERY_START_MS = 3_000;
/** Servers that a source may name. */
export const DISCOVERED_SERVERS_MAX = 4_096;
/** Bytes of a file of servers, and of the answer of a configuration endpoint. */
export const DISCOVERY_ANSWER_BYTES_MAX: number = 512 * 1024;
/** Of the servers no more than this share leaves at a time, and one at least. */
export const DISCOVERY_REMOVED_SHARE = 0.1;
/** A server is dead that could not be connected so many times in a row. */
export const DISCOVERY_DEAD_LOOKS = 2;
/** Servers that it is tried to connect at the same time, to find out whether they are dead. */
export const DISCOVERY_PROBED_AT_ONCE = 32;
