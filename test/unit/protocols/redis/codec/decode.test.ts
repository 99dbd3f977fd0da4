import { expect, test } from "bun:test";
import {
  type Decoded,
  decodeReply,
  ReplyError,
} from "../../../../../src/protocols/redis/codec/decode.ts";

const text = Buffer.from;

const CASES: readonly (readonly [string, Decoded])[] = [
  ["+OK\r\n", text("OK")],
  ["$5\r\na\r\nbc\r\n", text("a\r\nbc")],
  ["$0\r\n\r\n", text("")],
  ["$-1\r\n", null],
  ["*-1\r\n", null],
  ["_\r\n", null],
  [":-7\r\n", -7],
  [":9223372036854775807\r\n", 9223372036854775807n],
  ["(12345678901234567890\r\n", 12345678901234567890n],
  [",-inf\r\n", Number.NEGATIVE_INFINITY],
  [",1.5\r\n", 1.5],
  ["#t\r\n", true],
  ["-ERR no\r\n", new ReplyError("ERR no")],
  ["!6\r\nERR no\r\n", new ReplyError("ERR no")],
  ["=7\r\ntxt:abc\r\n", text("abc")],
  ["*3\r\n:1\r\n*0\r\n$1\r\nx\r\n", [1, [], text("x")]],
  ["%1\r\n+a\r\n~1\r\n:1\r\n", [text("a"), [1]]],
  ["|1\r\n+ttl\r\n:3\r\n:1\r\n", 1],
  ["|0\r\n|0\r\n:1\r\n", 1],
  [":abc\r\n", null],
  [":\r\n", null],
  ["(1x\r\n", null],
  [">2\r\n+a\r\n:1\r\n", [text("a"), 1]],
];

test.each(CASES)("%j", (reply, value) => {
  expect(decodeReply(Buffer.from(`??${reply}`, "latin1"), 2)).toEqual(value);
});

test("an array's elements end where the next reply begins", () => {
  const both = text("*2\r\n$1\r\na\r\n*1\r\n:1\r\n+next\r\n");
  expect(decodeReply(both, 0)).toEqual([text("a"), [1]]);
});

test("no nesting is too deep, and no row of attributes too long", () => {
  const depth = 200_000;
  for (const header of ["*1\r\n", "%1\r\n+k\r\n", "|0\r\n"]) {
    expect(() => decodeReply(text(`${header.repeat(depth)}:1\r\n`), 0)).not.toThrow();
  }
  const deep = text(`*2\r\n${"*1\r\n".repeat(depth)}:1\r\n+next\r\n`);
  expect((decodeReply(deep, 0) as Decoded[])[1]).toEqual(text("next"));
});

test("a number of very many digits costs no time", () => {
  expect(decodeReply(text(`(${"9".repeat(1_000_000)}\r\n`), 0)).toBeNull();
});
