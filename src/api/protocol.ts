/**
 * What the scanners of a protocol module promise.
 *
 * Offsets in a view are relative to the buffer that was scanned. A view is reused: it describes a message until the next scan.
 */

/** Returned by a scan that needs more bytes. */
export const INCOMPLETE = 0;
