import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { TOKEN_MASK } from "../../../src/api/client-port.ts";
import { outstandingBlockBytes } from "../../../src/base/block-pool.ts";
import { ByteQueue } from "../../../src/base/byte-queue.ts";
import { PENDING_REPLIES_MAX } from "../../../src/base/limits.ts";
import { ReplyRing } from "../../../src/client/reply-ring.ts";

function textOf(token: number, size: number): string {
  return `<${token}:${"x".repeat(size)}>`;
}

function outputOf(out: ByteQueue): string {
  return out.toBuffer().toString("latin1");
}

/** Runs as an upstream connection sees them: in order on their connection, connections in any order. */
const workload = fc.record({
  runs: fc.array(
    fc.record({
      count: fc.integer({ min: 1, max: 40 }),
      connection: fc.integer({ min: 0, max: 3 }),
      size: fc.constantFrom(0, 1, 30, 2000),
      isMuted: fc.boolean(),
    }),
    { minLength: 1, maxLength: 40, size: "max" },
  ),
  order: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 60, maxLength: 60 }),
  copies: fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
});

function replayInAnyOrder(
  start: number,
  load: typeof workload extends fc.Arbitrary<infer T> ? T : never,
): void {
  const out = new ByteQueue();
  const ring = new ReplyRing(out);
  const wrapped = start > 0;
  if (wrapped) (ring as unknown as { head: number }).head = start;
  let expected = "";
  const queues: { token: number; count: number; text: string }[][] = [[], [], [], []];
  for (const { count, connection, size, isMuted } of load.runs) {
    if (ring.pending + count >= PENDING_REPLIES_MAX) break;
    if (isMuted !== ring.isMuted) {
      ring.isMuted = isMuted;
      const token = ring.open();
      settleText(ring, token);
      if (!isMuted) expected += textOf(token, 3);
    }
    const queue = queues[connection]!;
    for (let i = 0; i < count; i++) {
      const token = ring.open();
      const text = textOf(token, size);
      if (!isMuted) expected += text;
      const last = queue.at(-1);
      // As the frontend does: consecutive tokens form a run, but none across the wrap.
      if (i > 0 && last !== undefined && token === last.token + last.count) {
        last.count++;
        last.text += text;
      } else {
        queue.push({ token, count: 1, text });
      }
    }
  }
  let step = 0;
  while (queues.some((queue) => queue.length > 0)) {
    const preferred = queues[load.order[step % 60]!]!;
    const queue = preferred.length > 0 ? preferred : queues.find((each) => each.length > 0)!;
    const { token, count, text } = queue.shift()!;
    const bytes = Buffer.from(`junk${text}junk`, "latin1");
    ring.settle(token, count, bytes, 4, 4 + text.length);
    if (load.copies[step % 60]!) {
      ring.copyKept();
      // Nothing may refer to it any more, unless it is in the out-queue by reference.
      if (bytes.length < 1000) bytes.fill(0x21);
    }
    if (load.copies[step % 60]!) expect(heldBy(ring)).toBe(ring.held);
    step++;
  }
  expect(outputOf(out)).toBe(expected);
  expect(ring.pending).toBe(0);
  expect(ring.held).toBe(0);
}

/** Bytes of all buffers that the ring refers to. */
function heldBy(ring: ReplyRing): number {
  const { replies } = ring as unknown as { readonly replies: (Buffer | null)[] };
  const buffers = new Set(replies.filter((bytes) => bytes !== null));
  return [...buffers].reduce((sum, { length }) => sum + length, 0);
}

describe("ReplyRing", () => {
  test("an empty reply does not hold the chunk that it came in", () => {
    const ring = new ReplyRing(new ByteQueue());
    const first = ring.open();
    for (let i = 0; i < 100; i++) {
      const chunk = Buffer.alloc(60_000);
      ring.settle(ring.open(), 1, chunk, chunk.length, chunk.length);
      ring.copyKept();
    }
    expect(heldBy(ring)).toBe(0);
    expect(ring.held).toBe(0);
    settleText(ring, first);
    expect(ring.pending).toBe(0);
  });

  test("what was copied for several replies counts until the last of them has left", () => {
    const ring = new ReplyRing(new ByteQueue());
    const tokens = Array.from({ length: 6 }, () => ring.open());
    const reply = Buffer.alloc(10_000);
    for (const at of [1, 2, 4]) ring.settle(tokens[at]!, 1, reply, 0, at === 4 ? 5 : reply.length);
    ring.copyKept();
    // 20,005 bytes take a block of 32 KiB.
    expect(ring.held).toBe(32_768);
    settleText(ring, tokens[0]!);
    expect(ring.held).toBe(32_768);
    expect(heldBy(ring)).toBe(32_768);
    settleText(ring, tokens[3]!);
    expect(ring.held).toBe(0);
    expect(heldBy(ring)).toBe(0);
  });

  test("blocks of copies go back to the pool, when their last reply has left and when the client has", () => {
    const before = outstandingBlockBytes();
    const out = new ByteQueue();
    const ring = new ReplyRing(out);
    const tokens = Array.from({ length: 6 }, () => ring.open());
    // Two blocks whose replies lie between each other's.
    for (const early of [
      [3, 5],
      [2, 4],
    ]) {
      for (const at of early) settleText(ring, tokens[at]!);
      ring.copyKept();
    }
    expect(outstandingBlockBytes() - before).toBe(ring.held);
    for (const at of [0, 1]) settleText(ring, tokens[at]!);
    expect(ring.pending).toBe(0);
    out.clear();
    expect(outstandingBlockBytes()).toBe(before);
    const [missing, early] = [ring.open(), ring.open()];
    settleText(ring, early);
    ring.copyKept();
    expect(outstandingBlockBytes()).toBeGreaterThan(before);
    ring.clear();
    expect(outstandingBlockBytes()).toBe(before);
    expect(ring.held).toBe(0);
    expect(missing).not.toBe(early);
  });

  test("gives replies out in the order of the requests, whatever order they come in", () => {
    fc.assert(
      fc.property(workload, (load) => replayInAnyOrder(0, load)),
      { numRuns: 200 },
    );
  });

  test("also where tokens wrap", () => {
    fc.assert(
      fc.property(workload, fc.integer({ min: 0, max: 200 }), (load, before) =>
        replayInAnyOrder(TOKEN_MASK - before, load),
      ),
      { numRuns: 200 },
    );
  });

  test("grows while it is in use, up to its limit", () => {
    const out = new ByteQueue();
    const ring = new ReplyRing(out);
    const tokens: number[] = [];
    // The head is not where the arrays begin.
    for (let i = 0; i < 5; i++) settleText(ring, ring.open());
    const before = outputOf(out);
    while (!ring.isFull) {
      tokens.push(ring.open());
      // An early reply here and there must survive the growth.
      const token = tokens.at(-1)!;
      if (token % 3 === 1) settleText(ring, token);
    }
    expect(tokens.length).toBe(PENDING_REPLIES_MAX);
    for (const token of tokens.filter((each) => each % 3 !== 1).reverse()) settleText(ring, token);
    expect(outputOf(out)).toBe(before + tokens.map((token) => textOf(token, 3)).join(""));
  });

  test("a muted slot leaves nothing behind, however often its place is used again", () => {
    const out = new ByteQueue();
    const ring = new ReplyRing(out);
    let expected = "";
    for (let i = 0; i < 100; i++) {
      const isEarly = i % 3 === 0;
      const before = ring.open();
      ring.isMuted = true;
      const muted = ring.open();
      ring.isMuted = false;
      const after = ring.open();
      if (isEarly) settleText(ring, muted);
      settleText(ring, before);
      expect(ring.isHead(muted)).toBe(false);
      settleText(ring, after);
      if (!isEarly) settleText(ring, muted);
      expected += textOf(before, 3) + textOf(after, 3);
      expect(outputOf(out)).toBe(expected);
      expect(ring.pending).toBe(0);
    }
  });

  test("an early reply is copied once, however many turns it waits", () => {
    const out = new ByteQueue();
    const ring = new ReplyRing(out);
    const first = ring.open();
    const size = 10_000;
    let copied = 0;
    for (let i = 0; i < 100; i++) {
      const reply = Buffer.alloc(size, "r");
      const { copy } = reply;
      ring.settle(ring.open(), 1, reply, 0, size);
      // Counts what is copied out of anything that the ring holds.
      reply.copy = (...args: Parameters<Buffer["copy"]>): number => {
        const length = copy.apply(reply, args);
        copied += length;
        return length;
      };
      const { allocUnsafeSlow } = Buffer;
      let allocated = 0;
      Buffer.allocUnsafeSlow = (length: number) => {
        allocated += length;
        return allocUnsafeSlow(length);
      };
      ring.copyKept();
      Buffer.allocUnsafeSlow = allocUnsafeSlow;
      // A block: the next power of two.
      expect(allocated).toBeLessThanOrEqual(16 * 1024);
    }
    expect(copied).toBe(100 * size);
    settleText(ring, first);
    expect(out.size).toBe(100 * size + textOf(first, 3).length);
  });
});

function settleText(ring: ReplyRing, token: number): void {
  const bytes = Buffer.from(textOf(token, 3));
  ring.settle(token, 1, bytes, 0, bytes.length);
}
