/** What the proxy itself says to text clients: memcached's own words wherever memcached has words for it. */

export const ERROR: Buffer = line("ERROR");
export const OK: Buffer = line("OK");
export const END: Buffer = line("END");
/** Nothing: the client asked for no reply. */
export const SILENT: Buffer = Buffer.alloc(0);

export const BAD_LINE: Buffer = line("CLIENT_ERROR bad command line format");
export const BAD_DATA: Buffer = line("CLIENT_ERROR bad data chunk");
export const BAD_EXPTIME: Buffer = line("CLIENT_ERROR invalid exptime argument");
export const BAD_DELTA: Buffer = line("CLIENT_ERROR invalid numeric delta argument");
export const BAD_DELETE: Buffer = line(
  "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]",
);
export const TOO_LARGE: Buffer = line("SERVER_ERROR object too large for cache");
/** In RESP, so that a Redis client shows its user what is wrong. */
export const NOT_REDIS: Buffer = line("-ERR this port speaks Memcached's protocol, not Redis's");
export const NOT_TLS: Buffer = line("ERROR this port speaks Memcached's protocol, without TLS");
export const LINE_TOO_LONG: Buffer = line("CLIENT_ERROR line too long");
export const SHUTDOWN_REFUSED: Buffer = line("ERROR: shutdown not enabled");
export const NO_SERVER: Buffer = line(
  "SERVER_ERROR Connection refused (all servers of the pool are ejected)",
);
export const MISMATCH: Buffer = line(
  "SERVER_ERROR Invalid argument (a server's reply does not fit the command)",
);

/** @param text one line, without its end */
export function line(text: string): Buffer {
  return Buffer.from(`${text}\r\n`, "latin1");
}
