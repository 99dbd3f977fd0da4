import { expect, test } from "bun:test";
import {
  BORROWED,
  beginByteUse,
  COPIED,
  endByteUse,
  KEPT,
  noteBorrowed,
  noteKept,
} from "../../../src/base/byte-use.ts";
import { InputBuffer } from "../../../src/base/input-buffer.ts";
import { RECLAIM_CHUNK_MIN_BYTES } from "../../../src/base/limits.ts";
import { ReceivedMemory } from "../../../src/base/received-memory.ts";

const SMALL = 100;
const LARGE = 20_000;

/** What is received in one piece of `size` bytes that the engine will write to again, dealt with at once. @returns where it was copied to */
function receive(
  input: InputBuffer,
  size: number,
  use: typeof COPIED | typeof BORROWED | typeof KEPT,
): Buffer {
  input.receive(Buffer.alloc(size + 8), 4, 4 + size, false, 0, false);
  const { bytes } = input;
  input.start = input.end;
  input.keepRest(use);
  return bytes;
}

function endTurn(memory: ReceivedMemory): void {
  memory.close();
  memory.recycle();
}

test("the buffer of a large chunk is used for the next when all was copied", () => {
  const input = new InputBuffer(new ReceivedMemory());
  const first = receive(input, LARGE, COPIED);
  expect(receive(input, LARGE, COPIED)).toBe(first);
});

test("one that something refers to is used again when the turn is over, or never", () => {
  const memory = new ReceivedMemory();
  const input = new InputBuffer(memory);
  const borrowed = receive(input, LARGE, BORROWED);
  const kept = receive(input, LARGE, KEPT);
  const others = [receive(input, LARGE, BORROWED), receive(input, LARGE, BORROWED)];
  expect(new Set([borrowed, kept, ...others]).size).toBe(4);
  endTurn(memory);
  const again = Array.from({ length: 10 }, () => receive(input, LARGE, KEPT));
  expect(again).toContain(borrowed);
  expect(again).not.toContain(kept);
});

test("what is given back while the turn ends waits for the end of the next", () => {
  const memory = new ReceivedMemory();
  const input = new InputBuffer(memory);
  memory.close();
  const late = receive(input, LARGE, BORROWED);
  memory.recycle();
  const now = Array.from({ length: 10 }, () => receive(input, LARGE, KEPT));
  expect(now).not.toContain(late);
  endTurn(memory);
  expect(Array.from({ length: 10 }, () => receive(input, LARGE, KEPT))).toContain(late);
});

test("small chunks lie one behind the other, and in the same place again in the next turn unless one was kept", () => {
  const memory = new ReceivedMemory();
  const inputs = [new InputBuffer(memory), new InputBuffer(memory)] as const;
  const starts = (uses: readonly (typeof COPIED | typeof KEPT)[]): number[] =>
    uses.map((use, index) => {
      const input = inputs[index % 2]!;
      input.receive(Buffer.alloc(SMALL), 0, SMALL, false, 0, false);
      const { start } = input;
      input.start = input.end;
      input.keepRest(use);
      return start;
    });
  expect(starts([COPIED, COPIED, COPIED])).toEqual([0, SMALL, 2 * SMALL]);
  endTurn(memory);
  expect(starts([COPIED, KEPT])).toEqual([0, SMALL]);
  endTurn(memory);
  expect(starts([COPIED])).toEqual([2 * SMALL]);
  endTurn(memory);
  // The one that was kept is there still.
  expect(starts([COPIED])).toEqual([3 * SMALL]);
});

test("a chunk that is not dealt with by the end of the turn stays where it is", () => {
  const memory = new ReceivedMemory();
  const [slow, quick] = [new InputBuffer(memory), new InputBuffer(memory)];
  slow.receive(Buffer.from("abc"), 0, 3, false, 0, false);
  endTurn(memory);
  receive(quick, SMALL, COPIED);
  expect(slow.bytes.toString("latin1", slow.start, slow.end)).toBe("abc");
});

test("an engine's own chunk is freed when it is large and nothing refers to it, and only then", () => {
  const memory = new ReceivedMemory();
  const input = new InputBuffer(memory);
  const deal = (size: number, use: typeof COPIED | typeof BORROWED | typeof KEPT): Buffer => {
    const chunk = Buffer.from(new ArrayBuffer(size));
    input.add(chunk, 0, false);
    input.start = input.end;
    input.keepRest(use);
    return chunk;
  };
  expect(deal(RECLAIM_CHUNK_MIN_BYTES, COPIED).length).toBe(0);
  expect(deal(RECLAIM_CHUNK_MIN_BYTES - 1, COPIED).length).toBe(RECLAIM_CHUNK_MIN_BYTES - 1);
  const kept = deal(RECLAIM_CHUNK_MIN_BYTES, KEPT);
  const borrowed = deal(RECLAIM_CHUNK_MIN_BYTES, BORROWED);
  expect(borrowed.length).toBe(RECLAIM_CHUNK_MIN_BYTES);
  endTurn(memory);
  expect(borrowed.length).toBe(0);
  expect(kept.length).toBe(RECLAIM_CHUNK_MIN_BYTES);
  // One that lies in a larger buffer may not be all that is in there.
  const shared = Buffer.from(new ArrayBuffer(2 * RECLAIM_CHUNK_MIN_BYTES)).subarray(
    0,
    RECLAIM_CHUNK_MIN_BYTES,
  );
  input.add(shared, 0, false);
  input.start = input.end;
  input.keepRest(COPIED);
  expect(shared.length).toBe(RECLAIM_CHUNK_MIN_BYTES);
});

test("a buffer of which something was kept is not used again, whatever becomes of its rest", () => {
  const input = new InputBuffer(new ReceivedMemory());
  input.receive(Buffer.alloc(LARGE), 0, LARGE, false, 0, false);
  const { bytes } = input;
  input.start = 100;
  input.keepRest(KEPT);
  // More than half is left, so it stays.
  expect(input.bytes).toBe(bytes);
  input.start = input.end;
  input.keepRest(COPIED);
  expect(Array.from({ length: 10 }, () => receive(input, LARGE, KEPT))).not.toContain(bytes);
});

test("bytes that are received while others are dealt with do not hide how those are used", () => {
  const outer = beginByteUse();
  noteBorrowed();
  const inner = beginByteUse();
  expect(endByteUse(inner)).toBe(COPIED);
  expect(endByteUse(outer)).toBe(BORROWED);
  const next = beginByteUse();
  const within = beginByteUse();
  noteKept();
  noteBorrowed();
  expect(endByteUse(within)).toBe(KEPT);
  endByteUse(next);
});
