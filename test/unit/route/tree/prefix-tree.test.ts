import { expect, test } from "bun:test";
import { PrefixTree } from "../../../../src/route/tree/prefix-tree.ts";
import { SEED } from "../../../support/seed.ts";

/** Numbers from 0 to below `limit`, the same ones for the same seed. */
function numbersFrom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** Of few different bytes, so that prefixes are prefixes of each other; some are not UTF-8. */
const BYTES = [0x61, 0x62, 0x3a, 0x00, 0xff];

test("finds what looking at each prefix finds, of bytes anywhere in a buffer", () => {
  console.log(`PROPERTY_SEED=${SEED}`);
  const next = numbersFrom(SEED);
  const word = (most: number): Buffer =>
    Buffer.from(Array.from({ length: next(most + 1) }, () => BYTES[next(BYTES.length)]!));
  for (let round = 0; round < 300; round++) {
    const words = Array.from({ length: 1 + next(30) }, () => word(6).toString("latin1"));
    const prefixes = [...new Set(words)].map((text) => Buffer.from(text, "latin1"));
    const tree = new PrefixTree(prefixes);
    for (let i = 0; i < 50; i++) {
      const key = word(9);
      const bytes = Buffer.concat([word(3), key, word(3)]);
      const start = bytes.indexOf(key);
      let longest = -1;
      for (const [number, prefix] of prefixes.entries()) {
        const isPrefix = key.subarray(0, prefix.length).equals(prefix);
        const best = prefixes[longest]?.length ?? -1;
        if (isPrefix && prefix.length > best) longest = number;
      }
      expect([key.toString("hex"), tree.find(bytes, start, start + key.length)]).toEqual([
        key.toString("hex"),
        longest,
      ]);
    }
  }
});

test("a prefix that ends where the key does, and one that goes on behind it", () => {
  const tree = new PrefixTree(["user:", "user:1", "us"].map((text) => Buffer.from(text)));
  const find = (key: string): number => tree.find(Buffer.from(key), 0, Buffer.byteLength(key));
  expect(["user:", "user:12", "user", "u", "", "other"].map(find)).toEqual([0, 1, 2, -1, -1, -1]);
});
