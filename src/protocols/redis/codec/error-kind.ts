/** Which kind of error a reply is, by its first word: `-WRONGTYPE Operation against …`, or RESP3's `!21 CR LF WRONGTYPE …`. */
import { REDIS_ERRORS } from "../metrics.ts";

const LF = 10;
const CR = 13;
const SPACE = 0x20;
const BANG = 0x21;
const MINUS = 0x2d;

/** By the first byte of a reply. */
export const ERROR_BYTES: Uint8Array = new Uint8Array(256);
ERROR_BYTES[MINUS] = 1;
ERROR_BYTES[BANG] = 1;

const KINDS: readonly Buffer[] = REDIS_ERRORS.valueNames.map((name) => Buffer.from(name));
/** Kinds that tell of the server, and not of what it was asked. See ReplyScanner. */
const TELLING: ReadonlySet<string> = new Set(["OOM", "BUSY", "LOADING", "READONLY", "MASTERDOWN"]);
export const SIGNALS: readonly (string | undefined)[] = REDIS_ERRORS.valueNames.map((name) =>
  TELLING.has(name) ? name : undefined,
);
const OTHER: number = REDIS_ERRORS.at.other;

/** Row of REDIS_ERRORS of the error bytes[start, end). */
export function errorKind(bytes: Buffer, start: number, end: number): number {
  let from = start + 1;
  if (bytes[start] === BANG) {
    while (from < end && bytes[from] !== LF) from++;
    from++;
  }
  let to = from;
  while (to < end && bytes[to] !== SPACE && bytes[to] !== CR) to++;
  for (let kind = 0; kind < OTHER; kind++) {
    const word = KINDS[kind]!;
    if (word.length === to - from && bytes.compare(word, 0, word.length, from, to) === 0) {
      return kind;
    }
  }
  return OTHER;
}
