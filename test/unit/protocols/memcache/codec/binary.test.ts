import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { INCOMPLETE } from "../../../../../src/api/protocol.ts";
import {
  encodeReply,
  encodeStatistics,
} from "../../../../../src/protocols/memcache/codec/binary/encode.ts";
import {
  isKnown,
  isQuiet,
  isRead,
  isWellFormed,
  LOUD,
  OPCODE,
  QUIET,
} from "../../../../../src/protocols/memcache/codec/binary/opcode.ts";
import {
  readUint16,
  readUint32,
} from "../../../../../src/protocols/memcache/codec/binary/read-number.ts";
import { BinaryReplyScanner } from "../../../../../src/protocols/memcache/codec/binary/reply-scanner.ts";
import { decodeReply } from "../../../../support/binary-client.ts";

const reply = fc.oneof(
  fc
    .tuple(fc.nat({ max: 0x24 }), fc.constantFrom(0, 1, 2, 0x81), fc.string({ maxLength: 60 }))
    .map(([opcode, status, text]) => encodeReply(opcode, status, 7, text)),
  fc
    .array(fc.tuple(fc.string({ minLength: 1, maxLength: 9 }), fc.string({ maxLength: 9 })), {
      maxLength: 6,
    })
    .map((statistics) => encodeStatistics(statistics, 9)),
);

/** Ends of the replies in `bytes` when they arrive in pieces up to the given offsets. */
function scanAll(bytes: Buffer, arrivals: readonly number[]): number[] {
  const scanner = new BinaryReplyScanner();
  const ends: number[] = [];
  let start = 0;
  for (const end of [...arrivals, bytes.length]) {
    while (start < end) {
      // Between two calls what is not consumed may have moved.
      const moved = Buffer.concat([Buffer.alloc(end % 5, 0x81), bytes.subarray(start, end)]);
      const next = scanner.scan(moved, end % 5, moved.length);
      if (next === INCOMPLETE) {
        expect(scanner.need).toBeGreaterThan(end - start);
        break;
      }
      expect(next).toBeGreaterThan(0);
      start += next - (end % 5);
      ends.push(start);
    }
  }
  return ends;
}

describe("the reply scanner", () => {
  test("finds the same replies whatever the pieces", () => {
    fc.assert(
      fc.property(
        fc.array(reply, { maxLength: 8 }),
        fc.array(fc.nat({ max: 600 }), { maxLength: 20 }),
        (replies, cuts) => {
          const bytes = Buffer.concat(replies);
          let end = 0;
          const ends = replies.map(({ length }) => (end += length));
          const arrivals = cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b);
          expect(scanAll(bytes, arrivals)).toEqual(ends);
          expect(scanAll(bytes, [...bytes.keys()])).toEqual(ends);
        },
      ),
    );
  });

  test.each([
    ["a wrong magic number", 0, 0x80],
    ["text", 0, 0x45],
    ["a key longer than the body", 3, 9],
    ["extras longer than the body", 4, 9],
    ["a body of four gigabytes", 8, 0xff],
  ])("%s is garbage", (_, at, byte) => {
    const bytes = encodeReply(OPCODE.get, 0, 0, "12345678");
    expect(new BinaryReplyScanner().scan(bytes, 0, bytes.length)).toBe(bytes.length);
    bytes[at] = byte;
    expect(new BinaryReplyScanner().scan(bytes, 0, bytes.length)).toBeLessThan(0);
  });

  test("an error ends a STAT", () => {
    const bytes = encodeReply(OPCODE.stat, 1, 0, "Not found");
    expect(new BinaryReplyScanner().scan(bytes, 0, bytes.length)).toBe(bytes.length);
  });

  test("a reset forgets half a STAT", () => {
    const list = encodeStatistics([["name", "value"]], 0);
    const scanner = new BinaryReplyScanner();
    expect(scanner.scan(list, 0, 40)).toBe(INCOMPLETE);
    scanner.reset();
    const bytes = encodeReply(OPCODE.get, 0, 0, "");
    expect(scanner.scan(bytes, 0, bytes.length)).toBe(bytes.length);
  });
});

describe("encoding", () => {
  test("a reply", () => {
    const { bytes, ...rest } = decodeReply(encodeReply(0x0d, 0x86, 0xfffffffe, "gone"));
    expect(bytes[0]).toBe(0x81);
    expect(rest).toEqual({
      opcode: 0x0d,
      status: 0x86,
      opaque: 0xfffffffe,
      cas: 0n,
      extras: Buffer.alloc(0),
      key: "",
      value: "gone",
    });
  });

  test("numbers up to the largest", () => {
    const bytes = Buffer.from([0xff, 0xff, 0xff, 0xfe, 0x80, 0, 0, 1]);
    expect([readUint32(bytes, 0), readUint32(bytes, 4)]).toEqual([0xfffffffe, 0x80000001]);
    expect([readUint16(bytes, 0), readUint16(bytes, 6)]).toEqual([0xffff, 1]);
  });
});

describe("opcodes", () => {
  test("quiet and loud belong together", () => {
    const quiet = Object.entries(OPCODE).filter(([name]) => name.endsWith("Quiet"));
    expect(quiet.length).toBe(14);
    for (const [name, opcode] of quiet) {
      const loud = Object.entries(OPCODE).find(([other]) => `${other}Quiet` === name)?.[1] ?? -1;
      expect([LOUD[opcode], QUIET[loud], isQuiet(opcode), isQuiet(loud)]).toEqual([
        loud,
        opcode,
        true,
        false,
      ]);
      expect(isRead(opcode)).toBe(name.startsWith("get"));
      expect(isKnown(opcode)).toBe(true);
    }
  });

  test.each([
    ["get", OPCODE.get, [1, 0, 1], [0, 0, 0]],
    ["get with extras", OPCODE.get, [1, 0, 1], [1, 4, 5]],
    ["get with a value", OPCODE.get, [1, 0, 1], [1, 0, 2]],
    ["set without a key", OPCODE.setQuiet, [1, 8, 9], [0, 8, 8]],
    ["set without flags", OPCODE.set, [1, 8, 100], [1, 4, 100]],
    ["append with extras", OPCODE.append, [1, 0, 9], [1, 8, 9]],
    ["increment with a value", OPCODE.increment, [1, 20, 21], [1, 20, 22]],
    ["touch with a value", OPCODE.touch, [1, 4, 5], [1, 4, 6]],
    ["flush with half a time", OPCODE.flush, [0, 4, 4], [0, 2, 2]],
    ["flush with a key", OPCODE.flushQuiet, [0, 0, 0], [1, 4, 5]],
    ["noop with a body", OPCODE.noop, [0, 0, 0], [0, 0, 1]],
    ["quit with a key", OPCODE.quit, [0, 0, 0], [1, 0, 1]],
    ["stat with a value", OPCODE.stat, [5, 0, 5], [5, 0, 6]],
  ])("%s is malformed", (_, opcode, good, bad) => {
    const [goodKey = 0, goodExtras = 0, goodBody = 0] = good;
    const [badKey = 0, badExtras = 0, badBody = 0] = bad;
    expect(isWellFormed(opcode, goodKey, goodExtras, goodBody)).toBe(true);
    expect(isWellFormed(opcode, badKey, badExtras, badBody)).toBe(false);
  });
});
