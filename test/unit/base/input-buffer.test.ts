import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { InputBuffer } from "../../../src/base/input-buffer.ts";
import { deliver } from "../../support/deliver.ts";

function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 13 + seed * 7 + (i >> 8)) & 0xff;
  return bytes;
}

const step = fc.record({
  chunk: fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 1, max: 300 }) },
    { weight: 1, arbitrary: fc.integer({ min: 30_000, max: 140_000 }) },
  ),
  /** Share of what is there that is consumed, and a size that is announced. */
  consumes: fc.constantFrom(0, 0, 0, 0.3, 0.6, 1),
  need: fc.constantFrom(0, 1000, 200_000),
  isTrusted: fc.boolean(),
  isStable: fc.boolean(),
});

describe("InputBuffer", () => {
  test("holds what came and was not consumed; ranges that were handed out never change", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30, size: "max" }), (steps) => {
        const input = new InputBuffer();
        let model = Buffer.alloc(0);
        const kept: { bytes: Buffer; start: number; end: number; was: Buffer }[] = [];
        for (const [i, { chunk, consumes, need, isTrusted, isStable }] of steps.entries()) {
          const bytes = pattern(chunk, i);
          model = Buffer.concat([model, bytes]);
          deliver(
            {
              onBytes: (received, start, end) =>
                input.receive(received, start, end, isStable, need, isTrusted),
            },
            bytes,
            isStable,
          );
          const consumed = Math.floor(input.size * consumes);
          const end = input.start + consumed;
          const was = Buffer.from(input.bytes.subarray(input.start, end));
          kept.push({ bytes: input.bytes, start: input.start, end, was });
          input.start = end;
          model = model.subarray(consumed);
          input.keepRest();
          expect(input.size).toBe(model.length);
          expect(input.bytes.subarray(input.start, input.end).equals(model)).toBe(true);
        }
        for (const { bytes, start, end, was } of kept) {
          expect(bytes.subarray(start, end).equals(was)).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("small chunks of a buffer that is used again lie behind one another, and cost one allocation together", () => {
    const inputs = Array.from({ length: 50 }, () => new InputBuffer());
    const received = Buffer.alloc(1000, "x");
    for (const input of inputs) {
      input.receive(received, 100, 200, false, 0, false);
      received.fill("y");
      expect(input.bytes.toString("latin1", input.start, input.end)).toBe("x".repeat(100));
      received.fill("x");
    }
    expect(new Set(inputs.map(({ bytes }) => bytes)).size).toBeLessThanOrEqual(2);
    // What is left of one does not hold the others' bytes.
    for (const input of inputs) {
      input.start += 10;
      input.keepRest();
      expect(input.bytes.length).toBe(90);
    }
  });

  test("what is left never pins much more than itself", () => {
    const input = new InputBuffer();
    input.add(Buffer.alloc(500_000), 0, false);
    input.start = 499_980;
    input.keepRest();
    expect(input.size).toBe(20);
    expect(input.bytes.buffer.byteLength).toBeLessThan(1000);
    input.start = input.end;
    input.keepRest();
    expect(input.bytes.length).toBe(0);
  });

  /** How many bytes are copied while a message of `elements` parts arrives whose sizes become known one by one. */
  function bytesCopied(elements: number, isTrusted: boolean): number {
    const half = 32 * 1024;
    const input = new InputBuffer();
    input.add(Buffer.alloc(16), 0, isTrusted);
    let copied = 0;
    for (let i = 0; i < 2 * elements; i++) {
      const { bytes, size } = input;
      const known = 16 + (Math.floor(i / 2) + 1) * 2 * half;
      input.add(Buffer.alloc(half), known, isTrusted);
      if (input.bytes !== bytes) copied += size;
    }
    return copied;
  }

  test.each([true, false])(
    "a message whose parts announce themselves one by one is copied a few times, not once per part (trusted: %p)",
    (isTrusted) => {
      const elements = 200;
      expect(bytesCopied(elements, isTrusted)).toBeLessThan(4 * elements * 64 * 1024);
    },
  );

  test("room follows what has arrived, more of it at once for those who are trusted", () => {
    const announced = 64 * 1024 * 1024;
    const trusted = new InputBuffer();
    trusted.add(Buffer.alloc(1000), 0, true);
    trusted.add(Buffer.alloc(1000), announced, true);
    expect(trusted.bytes.length).toBe(256 * 1024);
    while (trusted.size + 100_000 <= announced) {
      trusted.add(Buffer.alloc(100_000), announced, true);
      expect(trusted.bytes.length).toBeLessThanOrEqual(Math.max(8 * trusted.size, 256 * 1024));
    }
    expect(trusted.bytes.length).toBe(announced);
    const stranger = new InputBuffer();
    stranger.add(Buffer.alloc(1000), 0, false);
    stranger.add(Buffer.alloc(1000), announced, false);
    expect(stranger.bytes.length).toBeLessThanOrEqual(128 * 1024);
  });
});
