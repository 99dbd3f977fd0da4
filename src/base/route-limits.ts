/** Bounds of routes. */

/** Writes that go to several pools and are not answered by all, for each connection to a server. */
export const WRITTEN_TO_ALL_AT_ONCE = 1_024;
