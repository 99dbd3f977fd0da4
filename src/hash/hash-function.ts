/**
 * The hash functions that a pool may name: bytes of a key in, uint32 out.
 *
 * The first twelve give what twemproxy 0.5.0 gives, quirks included, so that keys stay where they are. None
 * keeps anything between calls; none but md5, xxh32 and xxh64 (one small view each) allocates.
 */
import type { HashName } from "../api/config.ts";
import { crc16, crc16Slot, crc32, crc32a } from "./crc.ts";
import { createFnv1aBits32, createFnv1aBits64, createFnv1Bits32, createFnv1Bits64 } from "./fnv.ts";
import { createHsieh } from "./hsieh.ts";
import { jenkins } from "./jenkins.ts";
import { md5Hash } from "./md5.ts";
import { murmur } from "./murmur.ts";
import { createOneAtATime } from "./one-at-a-time.ts";
import type { HashFunction } from "./types.ts";
import { createXxh32, createXxh64, loadXxhash } from "./xxhash.ts";

type HashFactory = (signedChar: boolean) => HashFunction;

const FACTORIES: Readonly<Record<HashName, HashFactory>> = {
  one_at_a_time: createOneAtATime,
  md5: () => md5Hash,
  crc16: () => crc16,
  crc32: () => crc32,
  crc32a: () => crc32a,
  fnv1_64: createFnv1Bits64,
  fnv1a_64: createFnv1aBits64,
  fnv1_32: createFnv1Bits32,
  fnv1a_32: createFnv1aBits32,
  hsieh: createHsieh,
  murmur: () => murmur,
  jenkins: () => jenkins,
  xxh32: createXxh32,
  xxh64: createXxh64,
  crc16_slot: () => crc16Slot,
};

/** Every name that `createHash` takes. */
export const HASH_NAMES: readonly HashName[] = Object.keys(FACTORIES) as HashName[];

/** Makes xxh32 and xxh64 available. To be awaited once at a process's start; further calls do nothing. */
export function initHashes(): Promise<void> {
  return loadXxhash();
}

/**
 * @param signedChar bytes ≥ 0x80 are sign-extended first in the functions where twemproxy does so on x86
 *   (one_at_a_time, the fnv family, hsieh's tail); false gives what it does on ARM Linux.
 * @throws for xxh32 and xxh64 unless `initHashes` has resolved.
 */
export function createHash(name: HashName, signedChar: boolean): HashFunction {
  return FACTORIES[name](signedChar);
}
