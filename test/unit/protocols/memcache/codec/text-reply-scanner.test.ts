import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { INCOMPLETE } from "../../../../../src/api/protocol.ts";
import { TextReplyScanner } from "../../../../../src/protocols/memcache/codec/text/reply-scanner.ts";
import {
  blockEndOf,
  endOfBlock,
} from "../../../../../src/protocols/memcache/codec/text/value-block.ts";

/** Data that looks like the protocol, and any other. */
const data = fc.oneof(
  fc.string({ maxLength: 30, unit: "binary-ascii" }),
  fc.constantFrom(
    "",
    "\r\n",
    "END\r\n",
    "\r\nEND\r\n",
    "VALUE a 0 2\r\n",
    "VA 1\r\n",
    "\n",
    "x".repeat(3000),
  ),
);
/** Keys may hold control characters, but no blank and no line feed. */
const key = fc.oneof(
  fc.stringMatching(/^[a-z:]{1,20}$/),
  fc.constantFrom("\x01", "a\x01b", "\r", "a\rb", "\xff", "5", "k".repeat(250)),
);
const block = fc
  .tuple(key, fc.nat(), data, fc.constantFrom("", " 17", " 18446744073709551615"))
  .map(([k, flags, value, cas]) => `VALUE ${k} ${flags} ${value.length}${cas}\r\n${value}\r\n`);
const reply = fc.oneof(
  fc.constantFrom(
    "STORED\r\n",
    "5\r\n",
    "END\r\n",
    "HD c17 kabc\r\n",
    "EN\r\n",
    "VERSION 1.6.18\r\n",
    "SERVER_ERROR out of memory\r\n",
    "VALUEX\r\n",
    "\r\n",
    "E\n",
    "VA\r\n",
    "V\n",
  ),
  fc
    .tuple(
      fc.array(block, { maxLength: 5 }),
      fc.constantFrom("END\r\n", "END\r\n", "SERVER_ERROR out of memory writing get response\r\n"),
    )
    .map(([blocks, end]) => blocks.join("") + end),
  data.map((value) => `VA ${value.length} s5 k1\r\n${value}\r\n`),
  fc
    .array(fc.constantFrom("STAT pid 5\r\n", "STAT a END\r\n", "ITEM a [1 b; 0 s]\r\n"))
    .map((lines) => `${lines.join("")}END\r\n`),
);

describe("text replies", () => {
  test("each is found, however the bytes are cut", () => {
    const property = fc.property(
      fc.array(reply, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat({ max: 400 }), { maxLength: 20 }),
      (replies, cuts) => {
        const bytes = Buffer.from(replies.join(""), "latin1");
        const ends = [...new Set([...cuts.map((at) => Math.min(at, bytes.length)), bytes.length])];
        const scanner = new TextReplyScanner();
        const found: string[] = [];
        let start = 0;
        for (const end of ends.sort((a, b) => a - b)) {
          for (;;) {
            // What is not received yet must not be looked at: it is something else.
            const received = Buffer.alloc(bytes.length, "VALUE x 0 0\n");
            bytes.copy(received, 0, 0, end);
            const next = scanner.scan(received, start, end);
            expect(next).toBeGreaterThanOrEqual(0);
            if (next === INCOMPLETE) {
              if (start < end) expect(scanner.need).toBeGreaterThan(end - start);
              break;
            }
            found.push(bytes.toString("latin1", start, next));
            start = next;
          }
        }
        expect(found).toEqual(replies);
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  test("what is needed is known as soon as a size is", () => {
    const scanner = new TextReplyScanner();
    const head = "VALUE a 0 1000\r\n";
    expect(scanner.scan(Buffer.from(head), 0, head.length)).toBe(INCOMPLETE);
    expect(scanner.need).toBe(head.length + 1002);
  });

  test.each([
    "VALUE a 0\r\n",
    "VALUE a 0 x\r\n",
    "VALUE a 0 2\r\nabcd",
    "VA x\r\n",
    "VA 99999999999\r\n",
    "x".repeat(20_000),
  ])("%j is none", (text) => {
    expect(new TextReplyScanner().scan(Buffer.from(text), 0, text.length)).toBeLessThan(0);
  });

  test("garbage never throws", () => {
    const property = fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(reply),
      (garbage, replies) => {
        const bytes = Buffer.concat([Buffer.from(replies.join(""), "latin1"), garbage]);
        const scanner = new TextReplyScanner();
        let start = 0;
        for (;;) {
          const next = scanner.scan(bytes, start, bytes.length);
          expect(next).toBeLessThanOrEqual(bytes.length);
          if (next <= 0) return;
          expect(next).toBeGreaterThan(start);
          start = next;
        }
      },
    );
    fc.assert(property, { numRuns: 500 });
  });
});

describe("value blocks", () => {
  test("the short way says what is true, or nothing", () => {
    const property = fc.property(block, fc.nat({ max: 300 }), (text, cutAt) => {
      const bytes = Buffer.from(text + text, "latin1");
      expect([0, text.length]).toContain(endOfBlock(bytes, 0, bytes.length));
      const end = Math.min(cutAt, text.length - 1);
      expect(endOfBlock(bytes, 0, end)).toBe(0);
    });
    fc.assert(property, { numRuns: 1000 });
  });

  test("a block is that of its key, and of no other", () => {
    const property = fc.property(key, key, data, (mine, other, value) => {
      const bytes = Buffer.from(
        `VALUE ${mine} 5 ${value.length} 99\r\n${value}\r\nEND\r\n`,
        "latin1",
      );
      const keys = Buffer.from(`${mine} ${other}`, "latin1");
      const own = blockEndOf(bytes, 0, bytes.length - 5, keys, 0, mine.length);
      expect(own).toBe(bytes.length - 5);
      const others = blockEndOf(bytes, 0, bytes.length - 5, keys, mine.length + 1, keys.length);
      expect(others).toBe(mine === other ? bytes.length - 5 : 0);
    });
    fc.assert(property, { numRuns: 500 });
  });
});
