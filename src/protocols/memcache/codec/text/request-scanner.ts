/**
 * Finds text requests in what a client sends, and where their data ends: memcached's rules (proto_text.c), so that the
 * proxy and the servers are never of two minds about where a request begins.
 *
 *   set k 0 0 5\r\n | hello\r\n        tokens of the line are parted by blanks only; a NUL ends what memcached sees of it
 */
import { INCOMPLETE } from "../../../../api/protocol.ts";
import {
  ARGUMENTS_MAX,
  MEMCACHE_GET_LINE_BYTES_MAX,
  MEMCACHE_LINE_BYTES_MAX,
  MEMCACHE_SENT_LINE_BYTES_MAX,
} from "../../../../base/limits.ts";
import { isTls } from "../../../foreign.ts";
import { checkMeta } from "../meta/check-meta.ts";
import { checkClassic } from "./check-classic.ts";
import { findTextCommand, UNKNOWN } from "./command.ts";
import { BAD_DATA, ERROR, LINE_TOO_LONG, SILENT } from "./replies.ts";
import type { TextRequest } from "./text-request.ts";

const NUL = 0;
const LF = 10;
const CR = 13;
const SPACE = 0x20;

/** Returned by `scan`: no end of line within any bounds, or TLS; nothing that follows can be understood. */
export const LINE_ENDLESS: number = -1;

export class TextRequestScanner {
  /** After INCOMPLETE: the least size of the whole request as far as it is known. */
  need = 0;
  /** Of a line that is not complete: so much was searched for its end. */
  private searched = 0;

  /** What was found of an incomplete request is of no use any more. */
  reset(): void {
    this.searched = 0;
    this.need = 0;
  }

  /** See INCOMPLETE and LINE_ENDLESS; > start: where the request ends, and `request` describes it. */
  scan(bytes: Buffer, start: number, end: number, request: TextRequest): number {
    const lineEnd = findLineEnd(bytes, start + this.searched, end);
    if (lineEnd === 0) return this.awaitLine(bytes, start, end);
    // memcached, too, takes one CR off, but not from an empty line.
    const stop = lineEnd - 2 > start && bytes[lineEnd - 2] === CR ? lineEnd - 2 : lineEnd - 1;
    if (!tokenize(bytes, start, stop, request)) return LINE_ENDLESS;
    if (stop !== lineEnd - 2) request.isPlain = false;
    request.bytes = bytes;
    request.start = start;
    request.lineEnd = lineEnd;
    request.end = lineEnd;
    request.answer = null;
    request.skip = 0;
    request.isQuiet = false;
    request.cutFrom = 0;
    request.cutTo = 0;
    request.line = null;
    request.decodedKey = null;
    const dataBytes = this.understand(request);
    if (stop - start > MEMCACHE_SENT_LINE_BYTES_MAX) checkLongLine(request);
    if (dataBytes >= 0) {
      const next = lineEnd + dataBytes + 2;
      if (next > end) {
        this.searched = lineEnd - 1 - start;
        this.need = next - start;
        return INCOMPLETE;
      }
      request.end = next;
      if (request.answer === null && (bytes[next - 2] !== CR || bytes[next - 1] !== LF)) {
        const isSilent = request.isQuiet && request.command.kind === "store";
        request.answer = isSilent ? SILENT : BAD_DATA;
      }
    }
    this.searched = 0;
    this.need = 0;
    return request.end;
  }

  /** Finds the command and what is wrong with it. @returns bytes of data that follow the line, their end apart; -1: none do */
  private understand(request: TextRequest): number {
    const { bytes, count, tokenStart, tokenEnd } = request;
    const command = count === 0 ? UNKNOWN : findTextCommand(bytes, tokenStart[0]!, tokenEnd[0]!);
    request.command = command;
    if (command === UNKNOWN || count < command.tokensMin || count > command.tokensMax) {
      request.answer = ERROR;
      return -1;
    }
    return command.isMeta ? checkMeta(request) : checkClassic(request);
  }

  /** No end of the line yet: multi-gets may go on for long, any other may not. */
  private awaitLine(bytes: Buffer, start: number, end: number): number {
    if (isTls(bytes, start, end)) return LINE_ENDLESS;
    const length = end - start;
    if (length > MEMCACHE_LINE_BYTES_MAX) {
      if (length > MEMCACHE_GET_LINE_BYTES_MAX) return LINE_ENDLESS;
      if (!/^ {0,100}(get|gat)s? /.test(bytes.toString("latin1", start, start + 120)))
        return LINE_ENDLESS;
    }
    this.searched = length;
    this.need = length + 1;
    return INCOMPLETE;
  }
}

/** Servers take long lines with many keys, and no others. */
function checkLongLine(request: TextRequest): void {
  const { command, line, answer } = request;
  if (command.kind === "get" || command.kind === "gat" || answer !== null) return;
  if (line === null || line.length > MEMCACHE_SENT_LINE_BYTES_MAX) request.answer = LINE_TOO_LONG;
}

/** Most lines are short: a native search costs more than this many bytes. */
const SHORT_LINE_BYTES = 48;

/** Where the line ends that bytes[from] is in, its LF included; 0: not before `end`. */
function findLineEnd(bytes: Buffer, from: number, end: number): number {
  const shortEnd = from + SHORT_LINE_BYTES < end ? from + SHORT_LINE_BYTES : end;
  let at = from;
  while (at < shortEnd && bytes[at] !== LF) at++;
  if (at < shortEnd) return at + 1;
  if (at === end) return 0;
  const found = bytes.indexOf(LF, at);
  return found < 0 || found >= end ? 0 : found + 1;
}

/** Finds the tokens of the line bytes[start, stop), its end apart. @returns false: too many */
function tokenize(bytes: Buffer, start: number, stop: number, request: TextRequest): boolean {
  let { tokenStart, tokenEnd } = request;
  let count = 0;
  let isPlain = true;
  let at = start;
  for (;;) {
    const from = at;
    // Most bytes are of words, and this is all that they cost.
    while (at < stop && bytes[at]! > SPACE) at++;
    if (at < stop && bytes[at] !== SPACE && bytes[at] !== NUL) at = endOfWord(bytes, at, stop);
    if (at === from) {
      isPlain = false;
    } else {
      if (count === tokenStart.length) {
        if (count > ARGUMENTS_MAX) return false;
        request.grow();
        ({ tokenStart, tokenEnd } = request);
      }
      tokenStart[count] = from;
      tokenEnd[count++] = at;
    }
    if (at >= stop) break;
    if (bytes[at] === NUL) {
      isPlain = false;
      break;
    }
    at++;
  }
  request.count = count;
  request.isPlain = isPlain;
  return true;
}

/** Where the word ends that has a control character at `at`. */
function endOfWord(bytes: Buffer, at: number, stop: number): number {
  let end = at;
  while (end < stop && bytes[end] !== SPACE && bytes[end] !== NUL) end++;
  return end;
}
