/** memcached's words, as byte strings: those that the proxy says too are its own. */
import * as meta from "../../protocols/memcache/codec/meta/replies.ts";
import * as classic from "../../protocols/memcache/codec/text/replies.ts";

export const ERROR: string = text(classic.ERROR);
export const BAD_FORMAT: string = text(classic.BAD_LINE);
export const BAD_DATA: string = text(classic.BAD_DATA);
export const BAD_EXPTIME: string = text(classic.BAD_EXPTIME);
export const BAD_DELTA: string = text(classic.BAD_DELTA);
export const BAD_DELETE: string = text(classic.BAD_DELETE);
export const TOO_LARGE: string = text(classic.TOO_LARGE);
export const SHUTDOWN_REFUSED: string = text(classic.SHUTDOWN_REFUSED);
export const NOT_A_NUMBER = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";

export const NOOP: string = text(meta.NOOP);
export const MISS: string = text(meta.MISS);
export const DUPLICATE_FLAG: string = text(meta.DUPLICATE_FLAG);
export const INVALID_FLAG: string = text(meta.INVALID_FLAG);
export const INVALID_OR_DUPLICATE: string = text(meta.INVALID_OR_DUPLICATE);
export const BAD_TOKEN: string = text(meta.BAD_TOKEN);
export const BAD_KEY: string = text(meta.BAD_KEY);
export const BAD_MODE_LENGTH: string = text(meta.BAD_MODE_LENGTH);
export const BAD_SET_MODE: string = text(meta.BAD_SET_MODE);
export const BAD_ARITHMETIC_MODE = "CLIENT_ERROR invalid mode for ma M token\r\n";
export const OPAQUE_TOO_LONG: string = text(meta.OPAQUE_TOO_LONG);

function text(reply: Buffer): string {
  return reply.toString("latin1");
}
