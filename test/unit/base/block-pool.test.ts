import { expect, test } from "bun:test";
import { BLOCK_BYTES_MAX, releaseBlock, takeBlock } from "../../../src/base/block-pool.ts";

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
  const many = Array.from({ length: 40 }, () => takeBlock(BLOCK_BYTES_MAX));
  for (const block of many) releaseBlock(block);
  const again = new Set(Array.from({ length: 40 }, () => takeBlock(BLOCK_BYTES_MAX)));
  expect(many.filter((block) => again.has(block)).length).toBeLessThanOrEqual(8);
});
