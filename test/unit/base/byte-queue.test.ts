import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { outstandingBlockBytes } from "../../../src/base/block-pool.ts";
import { BLOCKED, ByteQueue, GONE, WRITTEN } from "../../../src/base/byte-queue.ts";
import { KEEP_BY_REFERENCE_MIN_BYTES } from "../../../src/base/limits.ts";

type Step =
  | {
      readonly kind: "append" | "appendKept";
      readonly size: number;
      readonly from: number;
      readonly after: number;
    }
  | { readonly kind: "reserve"; readonly size: number }
  | { readonly kind: "write"; readonly takes: readonly number[] }
  | { readonly kind: "toBuffer" | "clear" };

/** Around every size at which the queue changes its mind: blocks of 1, 4, 16, 64 and 256 KiB, references from 2 MiB. */
const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 3, arbitrary: fc.integer({ min: 900, max: 20_000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 64 * 1024 - 2, max: 64 * 1024 + 2 }) },
  { weight: 1, arbitrary: fc.integer({ min: 250 * 1024, max: 270 * 1024 }) },
  { weight: 1, arbitrary: fc.constant(600 * 1024) },
  { weight: 1, arbitrary: fc.constant(KEEP_BY_REFERENCE_MIN_BYTES) },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("append" as const, "appendKept" as const),
      size,
      from: fc.constantFrom(0, 3, 100_000),
      after: fc.constantFrom(0, 2000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("reserve" as const), size }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      takes: fc.array(size, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("toBuffer" as const, "clear" as const) }),
  },
);

/** No two stretches are alike, so that bytes in the wrong place show. */
let next = 0;
function fill(bytes: Buffer): Buffer {
  for (let i = 0; i < bytes.length; i++) bytes[i] = next = (next * 31 + 7 + (i >> 8)) & 0xff;
  return bytes;
}

/** Takes so many bytes per call; after the last of `takes` it is full. */
function writer(takes: readonly number[]): {
  readonly got: Buffer[];
  write(bytes: Buffer, start: number, length: number): number;
} {
  const got: Buffer[] = [];
  const left = [...takes];
  return {
    got,
    write(bytes, start, length) {
      expect(start + length).toBeLessThanOrEqual(bytes.length);
      const taken = Math.min(length, left.shift() ?? 0);
      got.push(Buffer.from(bytes.subarray(start, start + taken)));
      return taken;
    },
  };
}

const ALL = { write: (_bytes: Buffer, _start: number, length: number): number => length };

/** Bytes of the buffers that the queue refers to without having copied from them. */
function keptBy(queue: ByteQueue): number {
  interface Block {
    readonly bytes: Buffer;
    readonly isPooled: boolean;
  }
  const { later, ...front } = queue as unknown as Block & { readonly later: readonly Block[] };
  const kept = [front, ...later].filter(({ isPooled }) => !isPooled);
  return kept.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

describe("ByteQueue", () => {
  test("gives out what was put in, whatever the sizes, the ways and the writes", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30, size: "max" }), (steps) => {
        const queue = new ByteQueue();
        let model = Buffer.alloc(0);
        let appended = 0;
        const blocksBefore = outstandingBlockBytes();
        const kept: { readonly bytes: Buffer; readonly was: Buffer }[] = [];
        for (const each of steps) {
          if (each.kind === "append" || each.kind === "appendKept") {
            const end = each.from + each.size;
            const bytes = fill(Buffer.alloc(end + each.after));
            queue[each.kind](bytes, each.from, end);
            // What was appended as a copy may change at once.
            model = Buffer.concat([model, bytes.subarray(each.from, end)]);
            if (each.kind === "append") bytes.fill(0xee);
            else kept.push({ bytes, was: Buffer.from(bytes) });
            appended += each.size;
          } else if (each.kind === "reserve") {
            const offset = queue.reserve(each.size);
            if (offset < 0) continue;
            const bytes = fill(Buffer.alloc(each.size));
            expect(offset + each.size).toBeLessThanOrEqual(queue.reserved.length);
            bytes.copy(queue.reserved, offset);
            model = Buffer.concat([model, bytes]);
            appended += each.size;
          } else if (each.kind === "write") {
            const target = writer(each.takes);
            const result = queue.writeTo(target);
            const got = Buffer.concat(target.got);
            expect(got.equals(model.subarray(0, got.length))).toBe(true);
            model = model.subarray(got.length);
            expect(result).toBe(model.length === 0 ? WRITTEN : BLOCKED);
          } else if (each.kind === "toBuffer") {
            expect(queue.toBuffer().equals(model)).toBe(true);
          } else {
            queue.clear();
            model = Buffer.alloc(0);
          }
          expect(queue.size).toBe(model.length);
          const inBlocks = outstandingBlockBytes() - blocksBefore;
          expect(queue.held).toBe(inBlocks + keptBy(queue));
          expect(queue.appended).toBe(appended);
        }
        expect(queue.toBuffer().equals(model)).toBe(true);
        // What was given by reference stays the giver's.
        queue.clear();
        expect(queue.held).toBe(0);
        expect(outstandingBlockBytes()).toBe(blocksBefore);
        expect(kept.every(({ bytes, was }) => bytes.equals(was))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("holds not much more than what waits, whatever is mixed", () => {
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 40, size: "max" }), (sizes) => {
        const queue = new ByteQueue();
        for (const each of sizes) queue.appendKept(Buffer.allocUnsafe(each), 0, each);
        expect(queue.held).toBeLessThanOrEqual(1.5 * queue.size + 64 * 1024);
        queue.clear();
      }),
    );
  });

  test("a few bytes behind each of many ranges that are kept by reference take little", () => {
    const queue = new ByteQueue();
    for (let i = 0; i < 500; i++) {
      queue.appendKept(Buffer.allocUnsafe(64 * 1024), 0, 64 * 1024);
      queue.append(Buffer.allocUnsafe(5), 0, 5);
    }
    expect(queue.held).toBeLessThan(queue.size * 1.02);
    queue.clear();
  });

  test("what the kernel has left of a large block moves to a small one", () => {
    for (const length of [200_000, 10_000_000]) {
      const queue = new ByteQueue();
      const bytes = fill(Buffer.alloc(length));
      queue.appendKept(bytes, 0, length);
      queue.append(bytes, 0, 5);
      queue.writeTo(writer([length - 7]));
      expect(queue.held).toBeLessThanOrEqual(2048);
      expect(queue.toBuffer()).toEqual(
        Buffer.concat([bytes.subarray(length - 7), bytes.subarray(0, 5)]),
      );
      queue.clear();
    }
  });

  test("two queues never share a block", () => {
    const queues = [new ByteQueue(), new ByteQueue(), new ByteQueue()];
    const bytes = Buffer.alloc(500);
    for (let round = 0; round < 200; round++) {
      for (const [i, queue] of queues.entries()) queue.append(bytes.fill(i + 1), 0, 500);
      for (const [i, queue] of queues.entries()) {
        expect(queue.toBuffer().every((byte) => byte === i + 1)).toBe(true);
        if ((round + i) % 3 === 0) queue.writeTo(ALL);
        if ((round + i) % 7 === 0) queue.clear();
      }
    }
  });

  test("queues a large range by reference, and a small part of a large buffer as a copy", () => {
    const queue = new ByteQueue();
    const large = Buffer.alloc(KEEP_BY_REFERENCE_MIN_BYTES);
    queue.appendKept(large, 0, large.length);
    const huge = Buffer.alloc(3 * large.length);
    queue.appendKept(huge, 0, large.length);
    const seen: Buffer[] = [];
    queue.writeTo({
      write(bytes, _start, length) {
        seen.push(bytes);
        return length;
      },
    });
    expect(seen[0]).toBe(large);
    expect(seen).not.toContain(huge);
  });

  test("says when the connection is gone, and keeps what was not taken", () => {
    const queue = new ByteQueue();
    queue.append(Buffer.from("abc"), 0, 3);
    expect(queue.writeTo({ write: () => -1 })).toBe(GONE);
    expect(queue.size).toBe(3);
  });

  test("holds no block when empty", () => {
    const queue = new ByteQueue();
    for (const length of [10, 5_000, 300_000]) {
      queue.append(Buffer.alloc(length), 0, length);
      queue.writeTo(ALL);
      expect(queue.reserved.length).toBe(0);
    }
  });

  test("takes small blocks again after a large burst", () => {
    const queue = new ByteQueue();
    const burst = Buffer.alloc(2000);
    for (let i = 0; i < 100; i++) queue.append(burst, 0, 2000);
    queue.writeTo(ALL);
    for (let i = 0; i < 10; i++) {
      queue.append(burst, 0, 100);
      queue.writeTo(ALL);
    }
    queue.append(burst, 0, 100);
    expect(queue.reserved.length).toBeLessThanOrEqual(4096);
  });

  test("has no room in one piece for more than a block", () => {
    const queue = new ByteQueue();
    expect(queue.reserve(256 * 1024 + 1)).toBe(-1);
    expect(queue.reserve(256 * 1024)).toBe(0);
    expect(queue.reserve(1)).toBe(-1);
    expect(queue.size).toBe(256 * 1024);
  });
});
