import { beforeEach, expect, test } from "bun:test";
import { ByteQueue } from "../../../src/base/byte-queue.ts";
import { forgetGarbage, garbageBytes } from "../../../src/base/garbage.ts";
import { InputBuffer } from "../../../src/base/input-buffer.ts";
import { ReplyRing } from "../../../src/client/reply-ring.ts";
import { RECLAIM_STEP_MS, Reclaimer } from "../../../src/worker/reclaim.ts";

const MIB = 1024 * 1024;

beforeEach(() => forgetGarbage());

/** A worker's timer, and at which of its steps a collection was made. */
function clock(): {
  readonly collections: number[];
  /** What buffers take after a collection. */
  left: number;
  step(): void;
} {
  const collections: number[] = [];
  let steps = 0;
  const worker = {
    collections,
    left: MIB,
    step: () => reclaimer.check(1_000_000 + ++steps * RECLAIM_STEP_MS),
  };
  const reclaimer = new Reclaimer(
    () => collections.push(steps),
    () => worker.left,
  );
  return worker;
}

/** A client that has so much unread for longer than a turn, and leaves. */
function comeAndGo(bytes: number): void {
  const out = new ByteQueue();
  out.appendKept(Buffer.allocUnsafe(bytes), 0, bytes);
  out.writeTo({ write: () => 0 });
  out.clear();
}

test("what clients leave behind is collected at once, and what was in use by accident then in the next steps", () => {
  const worker = clock();
  const { collections, step } = worker;
  step();
  for (let i = 0; i < 10; i++) comeAndGo(10 * MIB);
  step();
  expect(collections).toEqual([2]);
  expect(garbageBytes()).toBe(0);
  for (let i = 0; i < 5; i++) step();
  expect(collections).toEqual([2]);
  for (let i = 0; i < 10; i++) comeAndGo(10 * MIB);
  worker.left = 11 * MIB;
  for (let i = 0; i < 2; i++) step();
  worker.left = MIB;
  for (let i = 0; i < 5; i++) step();
  expect(collections).toEqual([2, 8, 9, 10]);
});

test("what stays in use is not collected for ever", () => {
  const worker = clock();
  const { collections, step } = worker;
  comeAndGo(100 * MIB);
  step();
  comeAndGo(100 * MIB);
  worker.left = 50 * MIB;
  for (let i = 0; i < 20; i++) step();
  expect(collections).toEqual([1, 2, 3, 4, 5]);
});

test("a little is collected within 20 seconds", () => {
  const { collections, step } = clock();
  comeAndGo(100 * MIB);
  step();
  comeAndGo(2 * MIB);
  step();
  comeAndGo(2 * MIB);
  for (let i = 0; i < 4; i++) step();
  expect(collections).toEqual([1, 4]);
});

test("without garbage nothing is collected", () => {
  const { collections, step } = clock();
  for (let i = 0; i < 100; i++) step();
  expect(collections).toEqual([]);
});

test("replies that are written at once are no garbage to ask for", () => {
  const out = new ByteQueue();
  for (let i = 0; i < 100; i++) {
    out.appendKept(Buffer.allocUnsafe(MIB), 0, MIB);
    out.writeTo({ write: (_bytes, _start, length) => length });
  }
  expect(garbageBytes()).toBe(0);
});

test("requests and replies that took long to come in are", () => {
  const input = new InputBuffer();
  const chunk = Buffer.allocUnsafe(MIB);
  for (let i = 0; i < 20; i++) {
    input.add(chunk, 20 * MIB, true);
    input.keepRest();
  }
  input.clear();
  expect(garbageBytes()).toBeGreaterThanOrEqual(20 * MIB);
});

test("replies that waited for an earlier one are", () => {
  const ring = new ReplyRing(new ByteQueue());
  ring.open();
  ring.settle(ring.open(), 1, Buffer.allocUnsafe(5 * MIB), 0, 5 * MIB);
  ring.copyKept();
  ring.clear();
  expect(garbageBytes()).toBe(5 * MIB);
});
