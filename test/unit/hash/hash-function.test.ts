import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { HashName } from "../../../src/api/config.ts";
import { createHash, HASH_NAMES, initHashes } from "../../../src/hash/hash-function.ts";

beforeAll(initHashes);

function hashOf(name: HashName, key: Buffer | string, signedChar = true): number {
  const bytes = Buffer.from(key as string, "latin1");
  return createHash(name, signedChar)(bytes, 0, bytes.length);
}

/** Name, of "apple", of byte 0xff with signed char, and with unsigned: taken from twemproxy's own C code. */
const VECTORS: readonly [HashName, number, number, number][] = [
  ["one_at_a_time", 2297466611, 2925896852, 3350335261],
  ["md5", 3195025439, 3561969920, 3561969920],
  ["crc16", 3662830516, 7920, 7920],
  ["crc32", 10542, 32512, 32512],
  ["crc32a", 2838417488, 4278190080, 4278190080],
  ["fnv1_64", 473199127, 2046707744, 2248259360],
  ["fnv1a_64", 1488911807, 2046707310, 2248338286],
  ["fnv1_32", 67176023, 4210270944, 84696544],
  ["fnv1a_32", 280767167, 4193493326, 2047574606],
  ["hsieh", 3738850110, 44489640, 44489640],
  ["murmur", 4142305122, 3679652508, 3679652508],
  ["jenkins", 1442444624, 3784723880, 3784723880],
];

describe("twemproxy's functions give twemproxy's values", () => {
  test.each(VECTORS)("%s", (name, apple, signedHigh, unsignedHigh) => {
    expect(hashOf(name, "apple")).toBe(apple);
    expect(hashOf(name, "apple", false)).toBe(apple);
    expect(hashOf(name, "\xff")).toBe(signedHigh);
    expect(hashOf(name, "\xff", false)).toBe(unsignedHigh);
  });

  test("hsieh: the third of three last bytes is a char", () => {
    const key = "\x80\x81\x82\x83\x84\x85\x86";
    expect(hashOf("hsieh", key)).toBe(4078453533);
    expect(hashOf("hsieh", key, false)).toBe(1702672668);
  });
});

/**
 * Of twemproxy's functions over every start and length within 40 bytes that are partly high, folded into one number.
 * Frozen when test/integration/placement-oracle.test.ts had found no key in another place than nutcracker's.
 */
const FOLDS: readonly [HashName, number][] = [
  ["one_at_a_time", 2888545081],
  ["md5", 3590683199],
  ["crc16", 3321021569],
  ["crc32", 1589418613],
  ["crc32a", 2176194821],
  ["fnv1_64", 2499076832],
  ["fnv1a_64", 313526128],
  ["fnv1_32", 3851827872],
  ["fnv1a_32", 1683911728],
  ["hsieh", 4207331842],
  ["murmur", 697655318],
  ["jenkins", 1889778801],
];

describe("at every length, range and alignment", () => {
  test.each(FOLDS)("%s", (name, folded) => {
    const hash = createHash(name, true);
    const bytes = Buffer.from(Array.from({ length: 40 }, (_, i) => (i * 37 + 11) & 0xff));
    let fold = 0;
    for (let start = 0; start < 40; start++) {
      for (let end = start + 1; end <= 40; end++) {
        fold = (Math.imul(fold, 31) + hash(bytes, start, end)) >>> 0;
      }
    }
    expect(fold).toBe(folded);
  });
});

describe("against published values", () => {
  test("crc16_slot is Redis Cluster's", () => {
    expect(hashOf("crc16_slot", "123456789")).toBe(0x31c3);
    // `CLUSTER KEYSLOT foo` and `… hello`.
    expect(hashOf("crc16_slot", "foo") & 16383).toBe(12182);
    expect(hashOf("crc16_slot", "hello") & 16383).toBe(866);
  });

  test("fnv1a_64 is the low half of FNV-1a-64 for ASCII", () => {
    expect(hashOf("fnv1a_64", "foobar")).toBe(0xf73967e8);
  });
});

describe("against independent implementations, for any bytes", () => {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
  const references: readonly [HashName, (key: Buffer) => number][] = [
    ["crc32a", (key) => Bun.hash.crc32(key)],
    ["crc32", (key) => (Bun.hash.crc32(key) >>> 16) & 0x7fff],
    ["xxh32", (key) => Bun.hash.xxHash32(key, 0)],
    ["xxh64", (key) => Number(BigInt.asUintN(32, Bun.hash.xxHash64(key, 0n)))],
    ["md5", (key) => new Bun.CryptoHasher("md5").update(key).digest().readUInt32LE(0)],
    ["murmur", (key) => Bun.hash.murmur32v2(key, Math.imul(0xdeadbeef, key.length) >>> 0)],
    ["fnv1_64", (key) => fnv64(key, (hash, byte) => (hash * FNV_PRIME) ^ byte)],
    ["fnv1a_64", (key) => fnv64(key, (hash, byte) => (hash ^ byte) * FNV_PRIME)],
    ["crc16_slot", crc16Bitwise],
    ["crc16", (key) => Number(crc16Wide(key) & 0xffff_ffffn)],
  ];

  test.each(references)("%s", (name, reference) => {
    fc.assert(fc.property(bytes, (key) => expect(hashOf(name, key)).toBe(reference(key))));
  });
});

describe("every function", () => {
  test.each(HASH_NAMES)("%s hashes only the range, to a uint32, and keeps nothing", (name) => {
    const around = fc.uint8Array({ maxLength: 20 });
    fc.assert(
      fc.property(around, fc.uint8Array({ maxLength: 60 }), around, (before, key, after) => {
        const hash = createHash(name, true);
        const alone = hash(Buffer.from(key), 0, key.length);
        const inside = Buffer.concat([before, key, after]);
        expect(hash(inside, before.length, before.length + key.length)).toBe(alone);
        expect(alone >>> 0).toBe(alone);
      }),
    );
  });

  test.each(HASH_NAMES)("%s ignores signedChar for ASCII", (name) => {
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii" }), (key) => {
        expect(hashOf(name, key, true)).toBe(hashOf(name, key, false));
      }),
    );
  });
});

const FNV_PRIME = 0x100000001b3n;

/** Full 64 bits, bytes sign-extended. */
function fnv64(key: Buffer, step: (hash: bigint, byte: bigint) => bigint): number {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new Int8Array(key)) {
    hash = BigInt.asUintN(64, step(hash, BigInt.asUintN(64, BigInt(byte))));
  }
  return Number(hash & 0xffff_ffffn);
}

/** CRC-16/XMODEM by its definition, bit by bit. */
function crc16Bitwise(key: Buffer): number {
  let crc = 0;
  for (const byte of key) {
    for (let bit = 7; bit >= 0; bit--) {
      const carry = (crc >> 15) ^ ((byte >> bit) & 1);
      crc = ((crc << 1) & 0xffff) ^ (carry === 1 ? 0x1021 : 0);
    }
  }
  return crc;
}

/** twemproxy's unmasked accumulator, in integers that never overflow. */
function crc16Wide(key: Buffer): bigint {
  let crc = 0n;
  for (const byte of key) {
    const index = Number((crc >> 8n) & 0xffn) ^ byte;
    crc = (crc << 8n) ^ BigInt(crc16Bitwise(Buffer.from([index])));
  }
  return crc;
}
