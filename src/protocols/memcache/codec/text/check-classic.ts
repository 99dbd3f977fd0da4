/**
 * What memcached would say to a classic command before it looks at any item, in its order; and what of the line goes
 * on to a server: never `noreply`, never an odd number, never a token too many.
 */
import { MEMCACHE_KEY_BYTES_MAX, MEMCACHE_VALUE_BYTES_MAX } from "../../../../base/limits.ts";
import { MEMCACHE_VERSION } from "../version.ts";
import { isPlainUint64, parseInt32, parseUint32, parseUint64, plainDecimal } from "./number.ts";
import {
  BAD_DELETE,
  BAD_DELTA,
  BAD_EXPTIME,
  BAD_LINE,
  END,
  ERROR,
  line,
  OK,
  SHUTDOWN_REFUSED,
  SILENT,
  TOO_LARGE,
} from "./replies.ts";
import type { TextRequest } from "./text-request.ts";

const NO_DATA = -1;
const NOREPLY: Buffer = Buffer.from("noreply");
const GET: Buffer = Buffer.from("get");
const CLUSTER: Buffer = Buffer.from("cluster");
const ZERO: Buffer = Buffer.from("0");
const VERSION: Buffer = line(`VERSION ${MEMCACHE_VERSION}`);
const INT32_MAX = 2 ** 31 - 1;
const UINT32_MAX = 2 ** 32 - 1;
/** What memcached takes for a length; two bytes follow the data. */
const SIZE_MAX: number = INT32_MAX - 2;

/** Checks `request`, whose number of tokens is right. @returns bytes of data that follow the line; -1: none do */
export function checkClassic(request: TextRequest): number {
  const { kind } = request.command;
  if (kind === "get") checkGet(request, 1);
  else if (kind === "store") return checkStore(request);
  else if (kind === "gat") checkGat(request);
  else if (kind === "delete") checkDelete(request);
  else if (kind === "arithmetic") checkArithmetic(request);
  else if (kind === "touch") checkTouch(request);
  else if (kind === "flush_all") checkFlushAll(request);
  else if (kind === "verbosity") checkVerbosity(request);
  else if (kind === "version") request.answer = VERSION;
  else if (kind === "config") checkConfig(request);
  else if (kind === "shutdown") request.answer = SHUTDOWN_REFUSED;
  else if (kind === "refused") request.answer = refusal(request.command.name);
  return NO_DATA;
}

/** Nothing else can be asked so. */
function checkConfig(request: TextRequest): void {
  if (!request.is(1, GET) || !request.is(2, CLUSTER)) request.answer = ERROR;
}

function refusal(name: string): Buffer {
  return line(
    `CLIENT_ERROR ${name} is not available through the proxy: it concerns one server, ask that`,
  );
}

function checkGet(request: TextRequest, firstKey: number): void {
  const { count } = request;
  for (let i = firstKey; i < count; i++) {
    if (request.length(i) > MEMCACHE_KEY_BYTES_MAX) {
      request.answer = BAD_LINE;
      return;
    }
  }
  if (count === firstKey + 1 && !request.isPlain) rewrite(request, count);
}

function checkGat(request: TextRequest): void {
  const { bytes, tokenStart, tokenEnd, count } = request;
  if (!request.isPlain || plainDecimal(bytes, tokenStart[1]!, tokenEnd[1]!, INT32_MAX) < 0) {
    const exptime = parseInt32(request.text(1));
    if (exptime === null) {
      request.answer = BAD_EXPTIME;
      return;
    }
    request.line = words(request, [request.command.name, exptime], 2, count);
  }
  if (count === 2) request.answer = END;
  else checkGet(request, 2);
}

function checkStore(request: TextRequest): number {
  const { bytes, tokenStart, tokenEnd, count } = request;
  findNoreply(request);
  if (!checkKey(request)) return NO_DATA;
  const hasCas = request.command.name === "cas";
  const numbers = hasCas ? 4 : 3;
  const expected = 2 + numbers + (request.isQuiet ? 1 : 0);
  const size = plainDecimal(bytes, tokenStart[4]!, tokenEnd[4]!, MEMCACHE_VALUE_BYTES_MAX);
  if (
    size < 0 ||
    count !== expected ||
    !request.isPlain ||
    plainDecimal(bytes, tokenStart[2]!, tokenEnd[2]!, UINT32_MAX) < 0 ||
    plainDecimal(bytes, tokenStart[3]!, tokenEnd[3]!, INT32_MAX) < 0 ||
    (hasCas && !isPlainUint64(bytes, tokenStart[5]!, tokenEnd[5]!))
  ) {
    return checkUnusualStore(request, hasCas);
  }
  cutNoreply(request);
  return size;
}

function checkUnusualStore(request: TextRequest, hasCas: boolean): number {
  const flags = parseUint32(request.text(2));
  const exptime = parseInt32(request.text(3));
  const size = parseInt32(request.text(4));
  const cas = hasCas ? parseUint64(request.text(5)) : 0n;
  if (flags === null || exptime === null || size === null || cas === null) {
    return refuse(request, BAD_LINE);
  }
  if (size < 0 || size > SIZE_MAX) return refuse(request, BAD_LINE);
  if (size > MEMCACHE_VALUE_BYTES_MAX) {
    request.skip = size + 2;
    return refuse(request, TOO_LARGE);
  }
  const numbers = hasCas ? [flags, exptime, size, cas] : [flags, exptime, size];
  request.line = line([request.command.name, request.text(1), ...numbers].join(" "));
  return size;
}

function checkDelete(request: TextRequest): void {
  const { count } = request;
  if (count > 2) {
    const hasZero = request.is(2, ZERO);
    findNoreply(request);
    const { isQuiet } = request;
    const isRight = count === 3 ? hasZero || isQuiet : hasZero && isQuiet;
    if (!isRight) {
      refuse(request, BAD_DELETE);
      return;
    }
  }
  if (!checkKey(request)) return;
  if (!request.isPlain || count === 4 || (count === 3 && !request.isQuiet)) rewrite(request, 2);
  else cutNoreply(request);
}

function checkArithmetic(request: TextRequest): void {
  const { bytes, tokenStart, tokenEnd, count } = request;
  findNoreply(request);
  if (!checkKey(request)) return;
  const isOdd = !isPlainUint64(bytes, tokenStart[2]!, tokenEnd[2]!);
  if (isOdd || !request.isPlain || count !== (request.isQuiet ? 4 : 3)) {
    const delta = parseUint64(request.text(2));
    if (delta === null) refuse(request, BAD_DELTA);
    else request.line = words(request, [request.command.name, request.text(1), delta]);
  } else {
    cutNoreply(request);
  }
}

function checkTouch(request: TextRequest): void {
  const { bytes, tokenStart, tokenEnd, count } = request;
  findNoreply(request);
  if (!checkKey(request)) return;
  const isOdd = plainDecimal(bytes, tokenStart[2]!, tokenEnd[2]!, INT32_MAX) < 0;
  if (isOdd || !request.isPlain || count !== (request.isQuiet ? 4 : 3)) {
    const exptime = parseInt32(request.text(2));
    if (exptime === null) refuse(request, BAD_EXPTIME);
    else request.line = words(request, [request.command.name, request.text(1), exptime]);
  } else {
    cutNoreply(request);
  }
}

function checkFlushAll(request: TextRequest): void {
  findNoreply(request);
  const hasDelay = request.count !== (request.isQuiet ? 2 : 1);
  const delay = hasDelay ? parseInt32(request.text(1)) : 0;
  if (delay === null) refuse(request, BAD_EXPTIME);
  else request.line = words(request, hasDelay ? ["flush_all", delay] : ["flush_all"]);
}

function checkVerbosity(request: TextRequest): void {
  findNoreply(request);
  refuse(request, parseUint32(request.text(1)) === null ? BAD_LINE : OK);
}

function findNoreply(request: TextRequest): void {
  request.isQuiet = request.is(request.count - 1, NOREPLY);
}

/** Leaves `noreply`, the last token of a plain line, out. */
function cutNoreply(request: TextRequest): void {
  if (!request.isQuiet) return;
  request.cutFrom = request.tokenEnd[request.count - 2]!;
  request.cutTo = request.tokenEnd[request.count - 1]!;
}

function checkKey(request: TextRequest): boolean {
  if (request.length(1) <= MEMCACHE_KEY_BYTES_MAX) return true;
  refuse(request, BAD_LINE);
  return false;
}

function refuse(request: TextRequest, reply: Buffer): typeof NO_DATA {
  request.answer = request.isQuiet ? SILENT : reply;
  return NO_DATA;
}

/** Sends the first `count` tokens on, in a plain line. */
function rewrite(request: TextRequest, count: number): void {
  request.line ??= words(request, [], 0, count);
}

/** The line that says `first`, and then the tokens from `from` to before `to`. */
function words(
  request: TextRequest,
  first: readonly (string | number | bigint)[],
  from = 0,
  to = 0,
): Buffer {
  const said = first.map(String);
  for (let i = from; i < to; i++) said.push(request.text(i));
  return line(said.join(" "));
}
