/** Memory that io_uring receives into and sends from goes back to the system when it is not needed: it is zero when it is touched again. */
import { afterEach, expect, test } from "bun:test";
import { ReceiveBuffers } from "../../../src/engine/uring/receive-buffers.ts";
import { SendSlots } from "../../../src/engine/uring/send-slots.ts";
import type { IoUring } from "../../../src/os/io-uring.ts";

const COUNT = 64;
const SIZE = 32 * 1024;
const SLOT = 8 * 1024;
const PAGE = 4096;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

function receiveBuffers(): ReceiveBuffers {
  const ring: Pick<IoUring, "registerBuffers"> = { registerBuffers() {} };
  const buffers = new ReceiveBuffers(ring as IoUring, COUNT, SIZE);
  ends.push(() => buffers.close());
  return buffers;
}

/** As if `length` bytes were received once into each. */
function receive(buffers: ReceiveBuffers, length: number): void {
  for (let number = 0; number < COUNT; number++) {
    const start = buffers.startOf(number);
    buffers.bytes.fill(1, start, start + length);
    buffers.giveBack(number, length);
  }
  buffers.publish();
}

const bytesOf = (buffers: ReceiveBuffers): number => buffers.bytes.reduce((sum, one) => sum + one);

test("of receive buffers what no receipt needed since the last time goes back", () => {
  const buffers = receiveBuffers();
  receive(buffers, SIZE);
  buffers.trim();
  expect(bytesOf(buffers)).toBe(COUNT * SIZE);
  receive(buffers, 100);
  buffers.trim();
  // Part of a page at either end stays.
  expect(bytesOf(buffers)).toBeLessThan(COUNT * 2 * PAGE);
  for (let number = 0; number < COUNT; number++) {
    const start = buffers.startOf(number);
    expect(buffers.bytes.subarray(start, start + 100).every((byte) => byte === 1)).toBe(true);
  }
  buffers.trim();
  expect(bytesOf(buffers)).toBeLessThanOrEqual(PAGE);
  receive(buffers, SIZE);
  buffers.trim();
  receive(buffers, SIZE);
  buffers.trim();
  expect(bytesOf(buffers)).toBe(COUNT * SIZE);
});

test("slots that were not taken since the last time go back, and others keep their bytes", () => {
  const slots = new SendSlots(COUNT, SLOT);
  ends.push(() => slots.close());
  const takeAll = (count: number): number[] =>
    Array.from({ length: count }, () => {
      const slot = slots.take();
      slots.bytes.fill(1, slots.startOf(slot), slots.startOf(slot) + SLOT);
      return slot;
    });
  const isFilled = (slot: number): boolean =>
    slots.bytes.subarray(slots.startOf(slot), slots.startOf(slot) + SLOT).every((one) => one === 1);
  const filled = (): number => slots.bytes.reduce((sum, one) => sum + one);
  for (const slot of takeAll(COUNT).toReversed()) slots.giveBack(slot);
  slots.trim();
  expect(filled()).toBe(COUNT * SLOT);
  const busy = takeAll(5);
  slots.trim();
  expect(busy.every(isFilled)).toBe(true);
  expect(filled()).toBeLessThanOrEqual(5 * SLOT + 2 * PAGE);
  const more = takeAll(COUNT - 5);
  expect(slots.take()).toBe(-1);
  slots.trim();
  expect([...busy, ...more].every(isFilled)).toBe(true);
  for (const slot of [...busy, ...more]) slots.giveBack(slot);
  slots.trim();
  slots.trim();
  expect(filled()).toBeLessThanOrEqual(2 * PAGE);
});
