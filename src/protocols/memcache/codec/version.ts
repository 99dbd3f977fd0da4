/**
 * The memcached release whose protocol the proxy speaks, and what it answers to `version`: that has to be one answer,
 * and to come when no server is there.
 */
export const MEMCACHE_VERSION = "1.6.18";
