/**
 * What memcached would say to a meta command before it looks at any item, in its order. Servers are never sent `q`: what
 * a quiet request's client does not want to see is left out on the way back.
 *
 * Flags that only newer servers know are passed on: the server judges. All of `ms` is checked here, because old servers
 * took the data of a refused `ms` for the next command.
 */
import { MEMCACHE_KEY_BYTES_MAX, MEMCACHE_VALUE_BYTES_MAX } from "../../../../base/limits.ts";
import { parseInt32, parseUint32, parseUint64, plainDecimal } from "../text/number.ts";
import { BAD_LINE, line, TOO_LARGE } from "../text/replies.ts";
import type { TextRequest } from "../text/text-request.ts";
import { decodeKey } from "./base64-key.ts";
import {
  BAD_DELTA,
  BAD_INITIAL,
  BAD_KEY,
  BAD_MODE_LENGTH,
  BAD_SET_MODE,
  BAD_TOKEN,
  DUPLICATE_FLAG,
  INVALID_FLAG,
  INVALID_OR_DUPLICATE,
  KEY_HAS_LINE_FEED,
  NOOP,
  OPAQUE_TOO_LONG,
  TOO_MANY_FLAGS,
  TOO_MANY_FLAGS_GET,
} from "./replies.ts";

const NO_DATA = -1;
/** Tokens of a meta command, its name included: memcached's MFLAG_MAX_OPT_LENGTH, whose count has one at the end. */
const TOKENS_MAX = 19;
/** Bytes of an opaque with its letter. */
const OPAQUE_BYTES_MAX = 32;
const INT32_MAX = 2 ** 31 - 1;
const SIZE_MAX: number = INT32_MAX - 2;

/** Checks `request`. @returns bytes of data that follow the line; -1: none do */
export function checkMeta(request: TextRequest): number {
  const { kind } = request.command;
  if (kind === "meta_noop") request.answer = NOOP;
  else if (kind === "meta_debug") checkDebug(request);
  else if (request.length(1) > MEMCACHE_KEY_BYTES_MAX) request.answer = BAD_LINE;
  else if (kind === "meta_set") return checkSet(request);
  else if (request.count > TOKENS_MAX)
    request.answer = kind === "meta_get" ? TOO_MANY_FLAGS_GET : TOO_MANY_FLAGS;
  else {
    const fault = checkFlags(request, 2);
    if (fault !== null) request.answer = kind === "meta_get" ? fault : INVALID_OR_DUPLICATE;
    else if (kind === "meta_get" && hasFlag(request, KEY) && hasLineFeed(request))
      request.answer = KEY_HAS_LINE_FEED;
    else if (!request.isPlain) request.line = plainLine(request, null);
  }
  return NO_DATA;
}

/**
 * memcached gives a key back as it is, and not as base64, when another protocol or command than `ms` made the item:
 * what follows a line feed in it would pass for the reply to another client's request.
 */
function hasLineFeed({ decodedKey }: TextRequest): boolean {
  return decodedKey?.includes(LF) === true;
}

function hasFlag({ bytes, tokenStart, count }: TextRequest, flag: number): boolean {
  for (let i = 2; i < count; i++) if (bytes[tokenStart[i]!] === flag) return true;
  return false;
}

function checkDebug(request: TextRequest): void {
  const { count } = request;
  if (count < 2 || request.length(1) > MEMCACHE_KEY_BYTES_MAX) {
    request.answer = BAD_LINE;
    return;
  }
  if (count > 2 && request.text(2) === "b") {
    request.decodedKey = decodeKey(request.text(1));
    if (request.decodedKey === null) request.answer = BAD_LINE;
    else if (hasLineFeed(request)) request.answer = KEY_HAS_LINE_FEED;
  }
  if (!request.isPlain) request.line = plainLine(request, null);
}

function checkSet(request: TextRequest): number {
  const { bytes, tokenStart, tokenEnd, count } = request;
  if (count === 2) return refuse(request, BAD_LINE);
  if (count > TOKENS_MAX) return refuse(request, TOO_MANY_FLAGS);
  let size = plainDecimal(bytes, tokenStart[2]!, tokenEnd[2]!, MEMCACHE_VALUE_BYTES_MAX);
  if (size < 0 || !request.isPlain) {
    size = parseInt32(request.text(2)) ?? -1;
    if (size < 0 || size > SIZE_MAX) return refuse(request, BAD_LINE);
    request.isPlain = false;
  }
  request.answer = checkFlags(request, 3) ?? checkSetFlags(request);
  if (size > MEMCACHE_VALUE_BYTES_MAX) {
    request.skip = size + 2;
    return refuse(request, request.answer ?? TOO_LARGE);
  }
  if (!request.isPlain) request.line = plainLine(request, size);
  return size;
}

function refuse(request: TextRequest, reply: Buffer): typeof NO_DATA {
  request.answer = reply;
  return NO_DATA;
}

/** Marks what the flags from token `first` on say. @returns memcached's words for what is wrong with them, or null */
function checkFlags(request: TextRequest, first: number): Buffer | null {
  const { bytes, tokenStart, tokenEnd, count } = request;
  checks++;
  let fault: Buffer | null = null;
  let words = BAD_LINE;
  for (let i = first; i < count; i++) {
    const flag = bytes[tokenStart[i]!]!;
    // memcached's words for bytes that are no ASCII, too.
    if (flag >= ASCII_END || seenIn[flag] === checks) return DUPLICATE_FLAG;
    seenIn[flag] = checks;
    if (flag === Q) {
      request.isQuiet = true;
      request.cutFrom = tokenEnd[i - 1]!;
      request.cutTo = tokenEnd[i]!;
    } else {
      const found = checkFlag(request, i, flag);
      if (found === INVALID_FLAG) return found;
      if (found !== null) {
        if (found !== SAME_WORDS) words = found;
        fault = words;
      }
    }
  }
  return fault;
}

const ASCII_END = 127;
/** By flag: in which check it was seen last. */
const seenIn: Float64Array = new Float64Array(ASCII_END);
let checks = 0;

const Q = 0x71;
/** Flags that say nothing but themselves; the last ones are newer than 1.6.18. */
const SIMPLE: ReadonlySet<number> = new Set(Buffer.from("lOPLkstcfvhuIESx"));
/** Something is wrong, but memcached's words stay those of what was wrong before. */
const SAME_WORDS: Buffer = Buffer.alloc(0);

function checkFlag(request: TextRequest, i: number, flag: number): Buffer | null {
  if (SIMPLE.has(flag)) return null;
  switch (String.fromCharCode(flag)) {
    case "b":
      request.decodedKey = decodeKey(request.text(1));
      return request.decodedKey === null ? BAD_KEY : null;
    case "N":
    case "T":
    case "R":
      return isInt32(request, i) ? null : BAD_TOKEN;
    case "F":
      return parseUint32(argument(request, i)) === null ? SAME_WORDS : null;
    case "C":
      return parseUint64(argument(request, i)) === null ? BAD_TOKEN : null;
    case "M":
      return request.length(i) === 2 ? null : BAD_MODE_LENGTH;
    case "J":
      return parseUint64(argument(request, i)) === null ? BAD_INITIAL : null;
    case "D":
      return parseUint64(argument(request, i)) === null ? BAD_DELTA : null;
    default:
      return INVALID_FLAG;
  }
}

function isInt32(request: TextRequest, i: number): boolean {
  const { bytes, tokenStart, tokenEnd } = request;
  if (plainDecimal(bytes, tokenStart[i]! + 1, tokenEnd[i]!, INT32_MAX) >= 0) return true;
  return parseInt32(argument(request, i)) !== null;
}

/** What stands behind the letter of flag i. */
function argument(request: TextRequest, i: number): string {
  return request.text(i).substring(1);
}

/** What else memcached checks of `ms` once its flags are read. */
function checkSetFlags(request: TextRequest): Buffer | null {
  const { bytes, tokenStart, count } = request;
  let fault: Buffer | null = null;
  for (let i = 3; i < count; i++) {
    const flag = bytes[tokenStart[i]!]!;
    if (flag === OPAQUE && request.length(i) > OPAQUE_BYTES_MAX) fault ??= OPAQUE_TOO_LONG;
    if (flag === MODE && !SET_MODES.has(bytes[tokenStart[i]! + 1]!)) return BAD_SET_MODE;
  }
  return fault;
}

const LF = 10;
const KEY = 0x6b;
const OPAQUE = 0x4f;
const MODE = 0x4d;
const SET_MODES: ReadonlySet<number> = new Set(Buffer.from("EAPRS"));

/** The line with single blanks and without `q`; `size` (of `ms`) in plain digits. */
function plainLine(request: TextRequest, size: number | null): Buffer {
  const words: string[] = [];
  for (let i = 0; i < request.count; i++) {
    const isCut = request.tokenEnd[i] === request.cutTo;
    if (!isCut) words.push(i === 2 && size !== null ? `${size}` : request.text(i));
  }
  return line(words.join(" "));
}
