/**
 * Finds requests in what a client sends: RESP2 multibulk (https://redis.io/docs/latest/develop/reference/protocol-spec)
 * and inline lines. Accepts exactly what Redis accepts (networking.c: processMultibulkBuffer, processInlineBuffer)
 * and words its errors the same.
 *
 * Lengths are held to Redis's strict form (no sign, no leading zero), because the bytes go on as they are.
 */
import { INCOMPLETE } from "../../../api/protocol.ts";
import {
  ARGUMENTS_MAX,
  BULK_BYTES_MAX,
  LINE_BYTES_MAX,
  REQUEST_BYTES_MAX,
  UNAUTHENTICATED_ARGUMENTS_MAX,
  UNAUTHENTICATED_BULK_BYTES_MAX,
} from "../../../base/limits.ts";
import type { Foreign } from "../../foreign.ts";
import { foreignBytes, foreignLine } from "./foreign.ts";
import { splitInline } from "./inline.ts";
import type { RequestView } from "./request-view.ts";

const CR = 13;
const LF = 10;
const ASTERISK = 0x2a;
const DOLLAR = 0x24;
const ZERO = 0x30;
const NINE = 0x39;

/** Returned by `scan` for bytes that are not a request; `fault` has the words. */
export const MALFORMED: number = -1;

export class RequestScanner {
  /** After MALFORMED: what Redis says behind "-ERR Protocol error: ". */
  fault = "";
  /** After MALFORMED: what the client speaks instead, if that can be told. */
  foreign: Foreign | null = null;
  /** After INCOMPLETE: the least size of the whole request as far as it is known. */
  need = 0;
  /** False: Redis's stricter limits for strangers apply. */
  isAuthenticated = true;
  /** False: what clients of other protocols send is read like any inline request. */
  detectsForeign = true;

  /** Arguments announced; -1: not known yet. */
  private announced = -1;
  private found = 0;
  /** Scanned so far, relative to the request's start. */
  private offset = 0;

  /** The last scan ended within a request: the next one goes on there, and with the same view. */
  get isWithinRequest(): boolean {
    return this.announced >= 0;
  }

  /** What was found of an incomplete request is of no use any more. */
  reset(): void {
    this.announced = -1;
    this.need = 0;
  }

  /** See INCOMPLETE and MALFORMED; > start: where the request ends, and `view` describes it. */
  scan(bytes: Buffer, start: number, end: number, view: RequestView): number {
    if (this.announced < 0) {
      if (start >= end) return INCOMPLETE;
      if (bytes[start] !== ASTERISK) return this.scanInline(bytes, start, end, view);
      const header = this.scanCount(bytes, start, end);
      if (header <= 0) return header;
      this.offset = header - start;
      this.found = 0;
    }
    const next = this.scanArguments(bytes, start, end, view);
    if (next <= 0) return next;
    view.bytes = bytes;
    view.start = start;
    view.end = next;
    view.count = this.announced;
    this.announced = -1;
    this.need = 0;
    return next;
  }

  /** Reads "*N\r\n" at start; sets `announced` and returns where it ends. */
  private scanCount(bytes: Buffer, start: number, end: number): number {
    // Nearly every request has fewer than ten arguments.
    if (end - start >= 4 && bytes[start + 2] === CR) {
      const digit = bytes[start + 1]! - ZERO;
      if (digit >= 0 && digit <= 9) {
        if (bytes[start + 3] !== LF) bytes[start + 3] = LF;
        this.announced = digit;
        return start + 4;
      }
    }
    const lineEnd = this.findLine(bytes, start, end, "too big mbulk count string");
    if (lineEnd <= 0) return lineEnd;
    const count = parseInteger(bytes, start + 1, lineEnd);
    if (Number.isNaN(count) || count > ARGUMENTS_MAX) return this.fail("invalid multibulk length");
    if (!this.isAuthenticated && count > UNAUTHENTICATED_ARGUMENTS_MAX) {
      return this.fail("unauthenticated multibulk length");
    }
    this.announced = Math.max(count, 0);
    return lineEnd + 2;
  }

  private scanArguments(bytes: Buffer, start: number, end: number, view: RequestView): number {
    const announced = this.announced;
    let found = this.found;
    let position = start + this.offset;
    while (found < announced) {
      const valueStart = this.scanLength(bytes, position, end);
      if (valueStart <= 0) {
        if (valueStart < 0) return valueStart;
        return this.suspend(start, position, found, position + 5);
      }
      const valueEnd = valueStart + this.length;
      if (valueEnd + 2 > end) {
        return this.suspend(start, position, found, valueEnd + 2);
      }
      // Redis skips these two bytes unseen. They go on to servers that may look, so they are put right.
      if (bytes[valueEnd] !== CR) bytes[valueEnd] = CR;
      if (bytes[valueEnd + 1] !== LF) bytes[valueEnd + 1] = LF;
      if (found === view.argumentStart.length) view.grow();
      view.argumentStart[found] = valueStart - start;
      view.argumentEnd[found] = valueEnd - start;
      found++;
      position = valueEnd + 2;
    }
    return position;
  }

  /** Set by `scanLength`. */
  private length = 0;

  /** Reads "$N\r\n" at `position`; sets `length` and returns where the value starts. */
  private scanLength(bytes: Buffer, position: number, end: number): number {
    let at = position + 1;
    let value = 0;
    let byte = 0;
    while (at < end) {
      byte = bytes[at]!;
      if (byte < ZERO || byte > NINE) break;
      value = value * 10 + (byte - ZERO);
      at++;
    }
    const digits = at - position - 1;
    const isPlain =
      at + 1 < end &&
      byte === CR &&
      bytes[at + 1] === LF &&
      bytes[position] === DOLLAR &&
      digits > 0 &&
      (digits === 1 || bytes[position + 1] !== ZERO) &&
      value <= UNAUTHENTICATED_BULK_BYTES_MAX;
    if (!isPlain) return this.scanUnusualLength(bytes, position, end);
    this.length = value;
    return at + 2;
  }

  /** What is incomplete, long, or wrong. */
  private scanUnusualLength(bytes: Buffer, position: number, end: number): number {
    const lineEnd = this.findLine(bytes, position, end, "too big bulk count string");
    if (lineEnd <= 0) return lineEnd;
    if (bytes[position] !== DOLLAR) {
      const found = String.fromCharCode(bytes[position]!);
      return this.fail(`expected '$', got '${found === "\r" || found === "\n" ? " " : found}'`);
    }
    const length = parseInteger(bytes, position + 1, lineEnd);
    if (!(length >= 0 && length <= BULK_BYTES_MAX)) return this.fail("invalid bulk length");
    if (!this.isAuthenticated && length > UNAUTHENTICATED_BULK_BYTES_MAX) {
      return this.fail("unauthenticated bulk length");
    }
    this.length = length;
    return lineEnd + 2;
  }

  /** Where the CR of the line at `position` is (and the byte behind it is there too), INCOMPLETE or MALFORMED. */
  private findLine(bytes: Buffer, position: number, end: number, tooLong: string): number {
    // Not `bytes.indexOf`: it would search the room behind `end`, too, which may be hundreds of megabytes.
    const found = bytes.subarray(position, end).indexOf(CR);
    if (found < 0) return end - position > LINE_BYTES_MAX ? this.fail(tooLong) : INCOMPLETE;
    const cr = position + found;
    if (cr + 1 >= end) return INCOMPLETE;
    if (bytes[cr + 1] !== LF) bytes[cr + 1] = LF;
    return cr;
  }

  private scanInline(bytes: Buffer, start: number, end: number, view: RequestView): number {
    if (this.detectsForeign) this.foreign = foreignBytes(bytes, start, end);
    if (this.foreign !== null) return this.fail(FOREIGN_FAULT);
    const found = bytes.subarray(start, end).indexOf(LF);
    if (found < 0) {
      this.need = end - start + 1;
      return end - start > LINE_BYTES_MAX ? this.fail("too big inline request") : INCOMPLETE;
    }
    const newline = start + found;
    const lineEnd = newline > start && bytes[newline - 1] === CR ? newline - 1 : newline;
    if (this.detectsForeign) this.foreign = foreignLine(bytes, start, lineEnd);
    if (this.foreign !== null) return this.fail(FOREIGN_FAULT);
    const values = splitInline(bytes, start, lineEnd);
    if (values === null) return this.fail("unbalanced quotes in request");
    fillView(view, values);
    return newline + 1;
  }

  private suspend(start: number, position: number, found: number, needed: number): number {
    this.offset = position - start;
    this.found = found;
    this.need = needed - start;
    return this.need > REQUEST_BYTES_MAX ? this.fail("request too big") : INCOMPLETE;
  }

  private fail(fault: string): number {
    this.fault = fault;
    return MALFORMED;
  }
}

/** Rewrites an inline request as multibulk, the only form that goes on to servers. */
function fillView(view: RequestView, values: readonly Buffer[]): void {
  const pieces: Buffer[] = [Buffer.from(`*${values.length}\r\n`)];
  let size = pieces[0]!.length;
  while (view.argumentStart.length < values.length) view.grow();
  values.forEach((value, i) => {
    const header = Buffer.from(`$${value.length}\r\n`);
    view.argumentStart[i] = size + header.length;
    view.argumentEnd[i] = size + header.length + value.length;
    size += header.length + value.length + 2;
    pieces.push(header, value, CRLF);
  });
  view.bytes = Buffer.concat(pieces);
  view.start = 0;
  view.end = size;
  view.count = values.length;
}

const CRLF: Buffer = Buffer.from("\r\n");
const FOREIGN_FAULT = "this port speaks Redis's protocol, without TLS";

/** Redis's string2ll for bytes[start, end), or NaN. Up to 18 digits: more are beyond any limit, or beyond 64 bits. */
function parseInteger(bytes: Buffer, start: number, end: number): number {
  const text = bytes.toString("latin1", start, Math.min(end, start + 21));
  return /^(0|-?[1-9][0-9]{0,17})$/.test(text) && end - start <= 20 ? Number(text) : Number.NaN;
}
