/** What comes to a Redis port and is in another protocol. */
import { type Foreign, HTTP_METHOD, isTls } from "../../foreign.ts";

const MEMCACHE_BINARY_MAGIC = 0x80;
/** Memcached's highest opcode. */
const MEMCACHE_OPCODE_MAX = 0x25;
/** Lines of these forms are never longer, and no others are looked at. */
const LINE_BYTES_LOOKED_AT = 600;
/**
 * Text commands of Memcached that Redis does not have, or not with these arguments, as its clients write them. Those
 * that store something are followed by a line of data, which Redis would take for a command.
 */
const MEMCACHE_LINE =
  /^(?:(?:set|add|replace|append|prepend|cas) \S+ \d+ -?\d+ \d+(?: \d+)?(?: noreply)?|(?:gets|gats?|mg|ms|md|ma|me) \S.*|verbosity \d+|version|stats(?: \w+)?|mn|flush_all(?: .*)?)$/;

/** " HTTP/1.1" */
const HTTP_VERSION_BYTES = 9;

/** Looks at bytes that do not begin as RESP: bytes[start, end), whose first line may be incomplete. */
export function foreignBytes(bytes: Buffer, start: number, end: number): Foreign | null {
  if (isTls(bytes, start, end)) return "tls";
  const isBinary =
    end - start >= 3 &&
    bytes[start] === MEMCACHE_BINARY_MAGIC &&
    bytes[start + 1]! <= MEMCACHE_OPCODE_MAX &&
    // The upper half of a key's length.
    bytes[start + 2] === 0;
  return isBinary ? "memcache" : null;
}

/**
 * Looks at the inline request in bytes[start, lineEnd), its end apart.
 * With `GET /path` alone it may be a user at a terminal. `POST` and `Host:` are known by their names, in any form.
 */
export function foreignLine(bytes: Buffer, start: number, lineEnd: number): Foreign | null {
  const text = bytes.toString("latin1", start, Math.min(lineEnd, start + LINE_BYTES_LOOKED_AT));
  if (lineEnd - start <= LINE_BYTES_LOOKED_AT && MEMCACHE_LINE.test(text)) return "memcache";
  if (!HTTP_METHOD.test(text.substring(0, text.indexOf(" ")))) return null;
  const ending = bytes.toString("latin1", Math.max(start, lineEnd - HTTP_VERSION_BYTES), lineEnd);
  return / HTTP\/\d(?:\.\d)?$/.test(ending) ? "http" : null;
}
