import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { InputBuffer } from "../../../../../src/base/input-buffer.ts";
import { REPLY_LINE_BYTES_MAX } from "../../../../../src/base/limits.ts";
import { RedisReplyScanner } from "../../../../../src/protocols/redis/codec/reply-scanner.ts";

/** Replies of every RESP2 type, nested, with values that look like protocol. */
const leaf = fc.oneof(
  fc.string({ maxLength: 40 }).map((text) => `+${text.replace(/[\r\n]/g, "")}\r\n`),
  fc.string({ maxLength: 40 }).map((text) => `-ERR ${text.replace(/[\r\n]/g, "")}\r\n`),
  fc.integer().map((value) => `:${value}\r\n`),
  fc.constant("$-1\r\n"),
  fc.constant("*-1\r\n"),
  fc.constantFrom("", "\r\n", "*3\r\n", "$5\r\nab\r\n", "x".repeat(99), "y".repeat(1200)).map(bulk),
);
const reply = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc
      .array(tie("node"), { maxLength: 30 })
      .map((elements) => `*${elements.length}\r\n${elements.join("")}`),
  ),
})).node;

function bulk(value: string): string {
  return `$${Buffer.byteLength(value)}\r\n${value}\r\n`;
}

/** Lengths of the replies that the scanner finds when the bytes arrive in pieces of the given sizes. */
function scanInPieces(bytes: Buffer, sizes: readonly number[]): number[] {
  const scanner = new RedisReplyScanner(3);
  const input = new InputBuffer();
  const found: number[] = [];
  let sent = 0;
  for (let i = 0; sent < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    const chunk = Buffer.from(bytes.subarray(sent, sent + size));
    sent += chunk.length;
    input.add(chunk, scanner.need, true);
    while (input.start < input.end) {
      const next = scanner.scan(input.bytes, input.start, input.end);
      if (next <= 0) {
        expect(next).toBe(0);
        break;
      }
      found.push(next - input.start);
      input.start = next;
    }
    input.keepRest();
  }
  expect(input.size).toBe(0);
  return found;
}

describe("RedisReplyScanner", () => {
  test("finds the same replies however they arrive", () => {
    fc.assert(
      fc.property(
        fc.array(reply, { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 8 }),
        (replies, sizes) => {
          const bytes = Buffer.from(replies.join(""));
          expect(scanInPieces(bytes, sizes)).toEqual(
            replies.map((text) => Buffer.byteLength(text)),
          );
        },
      ),
      { numRuns: 400 },
    );
  });

  test("finds a long array in ordinary chunks, and what follows it", () => {
    const array = `*5000\r\n${bulk("z".repeat(108)).repeat(5000)}`;
    const bytes = Buffer.from(array + array + bulk("end"));
    for (const size of [1, 7, 1460, 65536]) {
      if (size === 1 && bytes.length > 100_000) continue;
      expect(scanInPieces(bytes, [size])).toEqual([array.length, array.length, 9]);
    }
  });

  test("finds a status line of any length", () => {
    const line = `+${"s".repeat(200_000)}\r\n`;
    expect(scanInPieces(Buffer.from(line + line), [4096])).toEqual([line.length, line.length]);
  });

  test("tells garbage", () => {
    const bad = [
      "x",
      "$x\r\n",
      "$5\r\nabcdeXX",
      "$-2\r\n",
      "*x\r\n",
      "$99999999999\r\n",
      "+a\rb\r\n",
    ];
    for (const text of bad) {
      const bytes = Buffer.from(text);
      expect(new RedisReplyScanner(3).scan(bytes, 0, bytes.length)).toBeLessThan(0);
    }
  });

  test("a push stands alone, and only where RESP3 is spoken", () => {
    const push = Buffer.from(">2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n");
    expect(new RedisReplyScanner(3).scan(push, 0, push.length)).toBe(push.length);
    for (const start of [0, 1, 4]) {
      const bytes = Buffer.concat([Buffer.from("????").subarray(0, start), push]);
      expect(new RedisReplyScanner(2).scan(bytes, start, start + 1)).toBeLessThan(0);
    }
    for (const around of ["*2\r\n+a\r\n", "|1\r\n+a\r\n+b\r\n", "*1\r\n*1\r\n"]) {
      const bytes = Buffer.from(around + push);
      expect(new RedisReplyScanner(3).scan(bytes, 0, bytes.length)).toBeLessThan(0);
    }
  });

  test("a line that never ends is garbage, and a long one is the same however it arrives", () => {
    for (const type of ["+", "-", ":", ",", "(", "*1\r\n-"]) {
      const line = Buffer.from(`${type}${"9".repeat(REPLY_LINE_BYTES_MAX - 1)}\r\n`);
      for (const size of [1000, 65_536, line.length]) {
        expect(scanInPieces(line, [size])).toEqual([line.length]);
      }
      const longer = Buffer.from(`${type}${"9".repeat(REPLY_LINE_BYTES_MAX)}\r\n`);
      expect(new RedisReplyScanner(2).scan(longer, 0, longer.length)).toBeLessThan(0);
      const endless = Buffer.from(type + "9".repeat(REPLY_LINE_BYTES_MAX + 2));
      expect(new RedisReplyScanner(2).scan(endless, 0, endless.length)).toBeLessThan(0);
      // All but its LF.
      expect(new RedisReplyScanner(2).scan(line, 0, line.length - 1)).toBe(0);
    }
  });

  test("a length that never ends is garbage, however slowly it comes", () => {
    for (const type of ["$", "*", "%"]) {
      const bytes = Buffer.from(`${type}${"1".repeat(60)}`);
      const scanner = new RedisReplyScanner(3);
      let last = 0;
      for (let end = 3; last === 0 && end < bytes.length; end += 3) {
        last = scanner.scan(bytes, 0, end);
      }
      expect(last).toBeLessThan(0);
    }
  });

  test("says how much the rest of a bulk string needs", () => {
    const scanner = new RedisReplyScanner(3);
    const bytes = Buffer.from("$1000\r\nabc");
    expect(scanner.scan(bytes, 0, bytes.length)).toBe(0);
    expect(scanner.need).toBe("$1000\r\n".length + 1000 + 2);
  });
});
