/** Which replies memcached may give to which command: anything else is the reply to another request. */
import type { TextCommandKind } from "./command.ts";
import { line } from "./replies.ts";

const CR = 13;
const LF = 10;
const SPACE = 0x20;
const ZERO = 0x30;
/** Bytes of "END", CR, LF. */
const END_BYTES = 5;

const END: Buffer = line("END");
const ERRORS: readonly Buffer[] = ["ERROR", "CLIENT_ERROR ", "SERVER_ERROR "].map((text) =>
  Buffer.from(text),
);
const NOT_FOUND: Buffer = line("NOT_FOUND");

/** What a request's reply must be like. Numbers: they are kept in arrays of bytes. */
export const SHAPE = {
  values: 1,
  stored: 2,
  deleted: 3,
  number: 4,
  touched: 5,
  metaGet: 6,
  metaChange: 7,
  metaDebug: 8,
  flushed: 9,
  statistics: 10,
} as const;

/** By kind of command that goes to servers. */
const SHAPES: Partial<Record<TextCommandKind, number>> = {
  get: SHAPE.values,
  gat: SHAPE.values,
  store: SHAPE.stored,
  delete: SHAPE.deleted,
  arithmetic: SHAPE.number,
  touch: SHAPE.touched,
  meta_get: SHAPE.metaGet,
  meta_set: SHAPE.metaChange,
  meta_delete: SHAPE.metaChange,
  meta_arithmetic: SHAPE.metaChange,
  meta_debug: SHAPE.metaDebug,
  flush_all: SHAPE.flushed,
  stats: SHAPE.statistics,
};

/** By shape: the lines that fit, the likeliest first. */
const LINES: readonly (readonly Buffer[])[] = byShape({
  stored: ["STORED", "NOT_STORED", "EXISTS", "NOT_FOUND"],
  deleted: ["DELETED", "NOT_FOUND"],
  touched: ["TOUCHED", "NOT_FOUND"],
  flushed: ["OK"],
  statistics: ["END", "RESET", "OK"],
}).map((words) => words.map(line));

/** By shape: the codes of meta replies that fit. The first versions of 1.6 say OK where later ones say HD. */
const CODES: readonly (readonly Buffer[])[] = byShape({
  metaGet: ["VA", "HD", "EN", "OK"],
  metaChange: ["HD", "NS", "EX", "NF", "VA", "EN", "OK"],
  metaDebug: ["ME", "EN"],
}).map((words) => words.map((word) => Buffer.from(word)));

/** What replies to commands of this kind are like. */
export function shapeOf(kind: TextCommandKind): number {
  return SHAPES[kind] ?? 0;
}

/** Whether a meta command's reply is of this shape. */
export function isMetaShape(shape: number): boolean {
  return shape === SHAPE.metaGet || shape === SHAPE.metaChange;
}

/** Whether the reply in bytes[start, end), which has no values in it, fits `shape`. Of flags no more than that there may be some. */
export function replyFits(shape: number, bytes: Buffer, start: number, end: number): boolean {
  if (isError(bytes, start, end)) return true;
  if (shape === SHAPE.values) return isLine(bytes, start, end, END);
  if (shape === SHAPE.number) {
    return isNumber(bytes, start, end) || isLine(bytes, start, end, NOT_FOUND);
  }
  for (const code of CODES[shape]!) {
    const after = bytes[start + 2];
    if (startsWith(bytes, start, end, code) && (after === SPACE || after === CR)) return true;
  }
  for (const text of LINES[shape]!) if (isLine(bytes, start, end, text)) return true;
  // What is between was found to be statistics when the end of the reply was found.
  return shape === SHAPE.statistics && endOfValues(bytes, start, end) >= 0;
}

/**
 * Where the values in the reply bytes[start, end) end: before END, or before the error line that stands in for it; -1: it has
 * neither.
 */
export function endOfValues(bytes: Buffer, start: number, end: number): number {
  const last = end - END_BYTES;
  if (last >= start && (last === start || bytes[last - 1] === LF)) {
    if (isLine(bytes, last, end, END)) return last;
  }
  const error = Math.max(start, bytes.lastIndexOf(LF, end - 2) + 1);
  return isError(bytes, error, end) ? error : -1;
}

function isError(bytes: Buffer, start: number, end: number): boolean {
  for (const error of ERRORS) if (startsWith(bytes, start, end, error)) return true;
  return false;
}

/** Digits, and maybe blanks behind them: a number that has become shorter. */
function isNumber(bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  while (bytes[at]! >= ZERO && bytes[at]! <= ZERO + 9) at++;
  if (at === start) return false;
  while (bytes[at] === SPACE) at++;
  return bytes[at] === CR && at + 2 === end;
}

function isLine(bytes: Buffer, start: number, end: number, text: Buffer): boolean {
  return end - start === text.length && startsWith(bytes, start, end, text);
}

function startsWith(bytes: Buffer, start: number, end: number, text: Buffer): boolean {
  if (end - start < text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text[i]) return false;
  return true;
}

function byShape(lists: Partial<Record<keyof typeof SHAPE, readonly string[]>>): string[][] {
  const found: string[][] = [[]];
  for (const [name, shape] of Object.entries(SHAPE)) {
    found[shape] = [...(lists[name as keyof typeof SHAPE] ?? [])];
  }
  return found;
}
