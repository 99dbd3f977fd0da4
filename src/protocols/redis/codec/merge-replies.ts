/**
 * Makes one reply of those that several servers gave to the same request. Works on whole replies, RESP2 or RESP3; none of
 * it is for the path of ordinary requests.
 */
import type { Merge } from "../commands/command.ts";
import { RedisReplyScanner } from "./reply-scanner.ts";

const MINUS = 0x2d;
const BANG = 0x21;
const COLON = 0x3a;
const AGGREGATE = /^([*~>%])(\d+)\r\n/;
const NULL = /^(\*-1|\$-1|_)\r\n$/;
const INTEGER = /^:([+-]?\d{1,20})\r\n$/;
/** Longest header of an aggregate or integer that is looked at. */
const HEADER_BYTES_MAX = 32;

/**
 * @param replies none of them an error, but for "one_ok"; at least one
 * @returns null: they do not fit the command or one another
 */
export function mergeReplies(merge: Merge, replies: readonly Buffer[]): Buffer | null {
  switch (merge) {
    case "all_ok":
      return replies[0] ?? null;
    case "one_ok":
      return replies.find((reply) => !isError(reply)) ?? replies[0] ?? null;
    case "concat":
      return concat(replies);
    case "sum":
      return fold(replies, (a, b) => a + b);
    case "min":
      return fold(replies, (a, b) => (b < a ? b : a));
    case "max":
      return fold(replies, (a, b) => (b > a ? b : a));
    case "and":
      return fold(replies, (a, b) => (a !== 0n && b !== 0n ? 1n : 0n));
    case "or":
      return fold(replies, (a, b) => (a !== 0n || b !== 0n ? 1n : 0n));
    case "array":
      // By the client's keys: that takes more than the replies.
      return null;
  }
}

/** "-CODE text" (or RESP3's long form). */
export function isError(reply: Buffer): boolean {
  return reply[0] === MINUS || reply[0] === BANG;
}

/** The elements of an array, set or push, each as its bytes; null: it is none of these. A null array has none. */
export function elementsOf(reply: Buffer): Buffer[] | null {
  const header = headerOf(reply);
  if (NULL.test(header)) return [];
  const found = AGGREGATE.exec(header);
  if (found === null || found[1] === "%") return null;
  const elements: Buffer[] = [];
  const scanner = new RedisReplyScanner(3);
  let at = found[0].length;
  for (let left = Number(found[2]); left > 0; left--) {
    const end = scanner.scan(reply, at, reply.length);
    if (end <= 0) return null;
    elements.push(reply.subarray(at, end));
    at = end;
  }
  return elements;
}

/** One after the other, under one header. What is no aggregate must be the same everywhere. */
function concat(replies: readonly Buffer[]): Buffer | null {
  const first = replies[0]!;
  if (!AGGREGATE.test(headerOf(first)) && replies.every((reply) => reply.equals(first))) {
    return first;
  }
  const bodies: Buffer[] = [];
  let type = "";
  let count = 0;
  for (const reply of replies) {
    const header = headerOf(reply);
    if (NULL.test(header)) continue;
    const found = AGGREGATE.exec(header);
    if (found === null || (type !== "" && type !== found[1])) return null;
    type = found[1]!;
    count += Number(found[2]);
    bodies.push(reply.subarray(found[0].length));
  }
  return Buffer.concat([Buffer.from(`${type}${count}\r\n`), ...bodies]);
}

/** Integers, or arrays of integers place by place. */
function fold(
  replies: readonly Buffer[],
  combine: (a: bigint, b: bigint) => bigint,
): Buffer | null {
  const rows = replies.map(integersOf);
  const first = rows[0] ?? null;
  if (first === null) return null;
  const merged = [...first.values];
  for (const row of rows) {
    if (row === null || row.isArray !== first.isArray) return null;
    if (row.values.length !== merged.length) return null;
    if (row === first) continue;
    for (const [i, value] of row.values.entries()) merged[i] = combine(merged[i]!, value);
  }
  const lines = merged.map((value) => `:${value}\r\n`).join("");
  return Buffer.from(first.isArray ? `*${merged.length}\r\n${lines}` : lines);
}

function integersOf(reply: Buffer): { isArray: boolean; values: readonly bigint[] } | null {
  const elements = reply[0] === COLON ? [reply] : elementsOf(reply);
  if (elements === null) return null;
  const values: bigint[] = [];
  for (const element of elements) {
    const found = INTEGER.exec(headerOf(element));
    if (found === null) return null;
    values.push(BigInt(found[1]!));
  }
  return { isArray: reply[0] !== COLON, values };
}

function headerOf(reply: Buffer): string {
  return reply.toString("latin1", 0, Math.min(reply.length, HEADER_BYTES_MAX));
}
