import { expect, test } from "bun:test";
import {
  BLOCK_BYTES_MAX,
  BLOCK_BYTES_POOLED_MAX,
  keptBlockBytes,
  outstandingBlockBytes,
  releaseBlock,
  takeBlock,
  trimBlocks,
} from "../../../src/base/block-pool.ts";
import { forgetGarbage, garbageBytes } from "../../../src/base/garbage.ts";

test("a block is large enough, and nobody else has it until it is given back", () => {
  for (const size of [0, 1, 1024, 1025, 16_384, 65_537, BLOCK_BYTES_MAX]) {
    const blocks = Array.from({ length: 20 }, () => takeBlock(size));
    expect(new Set(blocks).size).toBe(20);
    for (const block of blocks) expect(block.length).toBeGreaterThanOrEqual(size);
    for (const block of blocks) releaseBlock(block);
    expect(blocks).toContain(takeBlock(size));
  }
});

test("keeps a bounded number", () => {
  for (const [size, kept] of [
    [BLOCK_BYTES_MAX, 64],
    [BLOCK_BYTES_POOLED_MAX, 4],
  ] as const) {
    const many = Array.from({ length: kept + 10 }, () => takeBlock(size));
    for (const block of many) releaseBlock(block);
    const again = new Set(Array.from({ length: kept + 10 }, () => takeBlock(size)));
    expect(many.filter((block) => again.has(block)).length).toBeLessThanOrEqual(kept);
  }
});

test("a block is less than twice as large as what it was taken for", () => {
  const before = outstandingBlockBytes();
  for (let size = 1025; size <= BLOCK_BYTES_MAX; size += 511) {
    const block = takeBlock(size);
    expect(block.length).toBeGreaterThanOrEqual(size);
    expect(block.length).toBeLessThan(size * 2);
    expect(outstandingBlockBytes()).toBe(before + block.length);
    releaseBlock(block);
  }
  expect(outstandingBlockBytes()).toBe(before);
});

test("blocks that were not needed since the last trim are let go, the others stay", () => {
  trimBlocks();
  trimBlocks();
  expect(keptBlockBytes()).toBe(0);
  const crowd = Array.from({ length: 30 }, () => takeBlock(4096));
  for (const block of crowd) releaseBlock(block);
  expect(keptBlockBytes()).toBe(30 * 4096);
  // They were in use until now.
  trimBlocks();
  expect(keptBlockBytes()).toBe(30 * 4096);
  // Two are needed from time to time.
  const used = [takeBlock(4096), takeBlock(4096)];
  for (const block of used) releaseBlock(block);
  forgetGarbage();
  trimBlocks();
  expect(keptBlockBytes()).toBe(2 * 4096);
  expect(garbageBytes()).toBe(28 * 4096);
  trimBlocks();
  expect(keptBlockBytes()).toBe(0);
});
