/** What replies tell of the size of keys, for `proxy bigkeys`. */
import type { KeySize, ReplyReader, RequestSummary } from "../../../api/protocol-module.ts";
import { elementsOf } from "../codec/merge-replies.ts";
import { RedisReplyScanner } from "../codec/reply-scanner.ts";

const COLON = 0x3a;
/** The longest header of an aggregate, or integer. */
const HEADER_BYTES_MAX = 24;

/** The reply is a number: so many elements the key has, or has now. */
const LENGTHS: ReadonlySet<string> = new Set(
  "LLEN HLEN SCARD ZCARD XLEN LPUSH RPUSH LPUSHX RPUSHX LINSERT".split(" "),
);
/** The reply has one element for each that was asked for of the one key. */
const LISTS: ReadonlySet<string> = new Set(
  [
    "LRANGE SMEMBERS HKEYS HVALS ZRANGE ZREVRANGE ZRANGEBYSCORE ZREVRANGEBYSCORE ZRANGEBYLEX",
    "ZREVRANGEBYLEX XRANGE XREVRANGE SORT SORT_RO GEOSEARCH GEORADIUS GEORADIUSBYMEMBER",
  ]
    .join(" ")
    .split(" "),
);
/** Likewise; in RESP2 a name and a value for each. */
const PAIRS: ReadonlySet<string> = new Set(["HGETALL"]);
/** The reply has one element for each key. */
const BY_KEY: ReadonlySet<string> = new Set(["MGET"]);

const scanner: RedisReplyScanner = new RedisReplyScanner(3);

export const redisReplyReader: ReplyReader = {
  endOf(bytes, start, end) {
    scanner.reset();
    return Math.max(scanner.scan(bytes, start, end), 0);
  },

  largestKey(request, bytes, start, end) {
    const [key] = request.keys;
    if (key === undefined) return null;
    if (BY_KEY.has(request.command) && request.keys.length > 1) {
      return largestOf(request, bytes.subarray(start, end));
    }
    if (request.keys.length > 1) return null;
    return { key, bytes: end - start, elements: lengthIn(request.command, bytes, start, end) };
  },
};

function largestOf({ keys }: RequestSummary, reply: Buffer): KeySize | null {
  const elements = elementsOf(reply) ?? [];
  let largest: KeySize | null = null;
  for (const [i, key] of keys.entries()) {
    const size = elements[i]?.length ?? 0;
    if (size > (largest?.bytes ?? 0)) largest = { key, bytes: size, elements: null };
  }
  return largest;
}

/** Null: the reply does not tell how many elements the key has. */
function lengthIn(command: string, bytes: Buffer, start: number, end: number): number | null {
  const isLength = LENGTHS.has(command);
  if (!isLength && !LISTS.has(command) && !PAIRS.has(command)) return null;
  const header = bytes.toString("latin1", start, Math.min(end, start + HEADER_BYTES_MAX));
  const found = /^([:*~%])(\d{1,15})\r/.exec(header);
  if (found === null || isLength !== (bytes[start] === COLON)) return null;
  const count = Number(found[2]);
  return PAIRS.has(command) && found[1] === "*" ? count / 2 : count;
}
