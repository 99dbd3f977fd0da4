import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createHash } from "../../../src/hash/hash-function.ts";
import { KeyHasher } from "../../../src/hash/key-hasher.ts";

const fnv = createHash("fnv1a_64", true);

/** The part of the key that the hasher gave to its hash function, or null when it gave it none. */
function hashedPart(key: string, tag: string | null): string | null {
  let part: string | null = null;
  const hasher = new KeyHasher((bytes, start, end) => {
    part = bytes.toString("latin1", start, end);
    return 7;
  }, tag);
  // Tag bytes around the key: the hasher must not see them.
  const bytes = Buffer.from(`}{${key}}{`, "latin1");
  expect(hasher.hash(bytes, 2, bytes.length - 2)).toBe(part === null ? 0 : 7);
  return part;
}

describe("hash tag", () => {
  test.each([
    ["user:{42}:name", "{}", "42"],
    ["{42}", "{}", "42"],
    ["user:42", "{}", "user:42"],
    ["user:{42", "{}", "user:{42"],
    ["user:42}", "{}", "user:42}"],
    // A closing byte before the opening one does not count.
    ["a}b{c}d", "{}", "c"],
    ["a}b{c", "{}", "a}b{c"],
    // Empty: the whole key, and no second try further on.
    ["a{}b{c}", "{}", "a{}b{c}"],
    ["{{a}}", "{}", "{a"],
    ["a{b}{c}", "{}", "b"],
    // Both the same byte.
    ["a$b$c", "$$", "b"],
    ["a$b", "$$", "a$b"],
    ["a$$b$", "$$", "a$$b$"],
    ["user:{42}:name", null, "user:{42}:name"],
  ])("%s with %s hashes %s", (key, tag, part) => {
    expect(hashedPart(key, tag)).toBe(part);
  });

  test("one character of two bytes is a tag, as in twemproxy", () => {
    expect(hashedPart(Buffer.from("a\u00e9b", "utf8").toString("latin1"), "\u00e9")).toBe(
      "a\xc3\xa9b",
    );
    expect(hashedPart("a\xc3b\xa9c", "\u00e9")).toBe("b");
  });

  test("anything but two bytes is refused", () => {
    for (const tag of ["", "{", "{}{", "\u00e9\u00e9"]) {
      expect(() => new KeyHasher(fnv, tag)).toThrow(RangeError);
    }
  });

  test("keys with the same tag hash alike, whatever stands around it", () => {
    const text = fc.string({ unit: "binary-ascii" });
    const outside = text.map((value) => value.replaceAll("{", ""));
    const inside = text.map((value) => value.replaceAll("}", "")).filter((value) => value !== "");
    const hasher = new KeyHasher(fnv, "{}");
    fc.assert(
      fc.property(outside, inside, text, (before, tagged, after) => {
        const key = Buffer.from(`${before}{${tagged}}${after}`, "latin1");
        const bare = Buffer.from(tagged, "latin1");
        expect(hasher.hash(key, 0, key.length)).toBe(fnv(bare, 0, bare.length));
      }),
    );
  });
});

test("an empty key gives 0 and is not hashed", () => {
  expect(hashedPart("", null)).toBeNull();
  expect(hashedPart("", "{}")).toBeNull();
});
