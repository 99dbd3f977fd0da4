import { describe, expect, test } from "bun:test";
import {
  canBeNamed,
  encodeStep,
  isAnswerTo,
  isLock,
  lockOf,
  type MovedItem,
  newItem,
  readStep,
} from "../../../../../src/protocols/memcache/migrate/item-commands.ts";

const CLOCK = 1_800_000_000;

function texts(step: Parameters<typeof encodeStep>[0], item: MovedItem): readonly string[] {
  return encodeStep(step, item, CLOCK, 7).map((request) => request.toString("latin1"));
}

function read(
  step: Parameters<typeof readStep>[0],
  item: MovedItem,
  tookMs: number,
  ...answers: readonly string[]
): string {
  const bytes = answers.map((answer) => Buffer.from(answer, "latin1"));
  return readStep(step, bytes, item, tookMs).reply;
}

/** What was read of a key with `head` in the answer's line. */
function taken(head: string, tookMs = 0): { readonly reply: string; readonly item: MovedItem } {
  const item = newItem(Buffer.from("k"));
  const reply = read("take", item, tookMs, "HD c5 O7\r\n", `VA 3 ${head}\r\nabc\r\n`);
  return { reply, item };
}

describe("steps of a Memcached key's move", () => {
  test("look for the key first, and then for its lock", () => {
    const lock = lockOf(Buffer.from("k"));
    expect(isLock(Buffer.from(lock))).toBe(true);
    expect(texts("look", newItem(Buffer.from("k")))).toEqual([
      "mg k s O7\r\n",
      `mg ${lock} s O8\r\n`,
    ]);
    const item = newItem(Buffer.from("k"));
    expect(read("look", item, 0, "EN\r\n", "EN\r\n")).toBe("absent");
    expect(read("look", item, 0, "EN\r\n", "HD s1\r\n")).toBe("there");
    expect(read("look", item, 0, "HD s1\r\n", "EN\r\n")).toBe("there");
  });

  test("keep value, flags, versions, and what is left of the time to live", () => {
    const { reply, item } = taken("f77 t100 c9 s3 kk O8", 2_500);
    expect(reply).toBe("taken");
    expect(item).toMatchObject({ flags: "77", ttlSeconds: 98, takenCas: "9", lockCas: "5" });
    expect(texts("add", item)).toEqual([`ms k 3 ME T${CLOCK + 4} c F77 O7\r\nabc\r\n`]);
    expect(read("add", item, 0, "HD c12 O7\r\n")).toBe("added");
    expect(texts("put", item)).toEqual(["ms k 3 C12 T98 F77 O7\r\nabc\r\n"]);
    expect(texts("drop", item)[0]).toBe("md k C9 O7\r\n");
    expect(texts("drop", item)[1]).toContain(" C5 O8\r\n");
  });

  test("say long times as dates, and none as none", () => {
    const { item } = taken("f0 t3000000 c9");
    expect(texts("put", item)[0]).toContain(` T${CLOCK + 3_000_000} `);
    const { item: lasting } = taken("f0 t-1 c9");
    expect(texts("put", lasting)[0]).toContain(" T0 ");
  });

  test("never let a value live longer than its time", () => {
    const { item } = taken("f0 t2 c9");
    expect(texts("add", item)[0]).toContain(` T${CLOCK + 2} `);
    expect(taken("f0 t2 c9", 2_000).reply).toBe("worthless");
  });

  test("give nothing of what is stale or not filled", () => {
    expect(taken("f0 t-1 c9 X W").reply).toBe("worthless");
    expect(taken("f0 t-1 c9 Z").reply).toBe("taken");
    const item = newItem(Buffer.from("k"));
    expect(read("take", item, 0, "HD c5\r\n", "VA 0 f0 t30 c9 Z\r\n\r\n")).toBe("worthless");
  });

  test("name keys with odd bytes in base64, and those that were made so", () => {
    const odd = newItem(Buffer.from("a b\n"));
    expect(texts("look", odd)[0]).toBe("mg YSBiCg== b s O7\r\n");
    const { item } = taken("f0 t-1 c9 kaw== b O8");
    expect(texts("put", item)[0]).toStartWith("ms aw== 3 C0 T0 F0 b O7\r\n");
    expect(canBeNamed(Buffer.alloc(186, " "))).toBe(true);
    expect(canBeNamed(Buffer.alloc(188, " "))).toBe(false);
    expect(canBeNamed(Buffer.alloc(250, "x"))).toBe(true);
  });

  test.each([
    ["take", ["NS\r\n", "EN\r\n"], "busy"],
    ["take", ["HD c1\r\n", "EN\r\n"], "absent"],
    ["take", ["SERVER_ERROR out of memory storing object\r\n", "EN\r\n"], "refused"],
    ["add", ["NS\r\n"], "kept"],
    ["add", ["SERVER_ERROR object too large for cache\r\n"], "unfit"],
    ["put", ["EX\r\n"], "lost"],
    ["put", ["NF\r\n"], "lost"],
    ["drop", ["EX\r\n", "HD\r\n"], "lost"],
    ["drop", ["NF\r\n", "NF\r\n"], "dropped"],
    ["free", ["NF\r\n"], "gone"],
    ["look", ["ERROR\r\n", "ERROR\r\n"], "refused"],
  ] as const)("%p: %p is %p", (step, answers, reply) => {
    expect(read(step, newItem(Buffer.from("k")), 0, ...answers)).toBe(reply);
  });

  test("know their own answers", () => {
    const is = (text: string): boolean => {
      const bytes = Buffer.from(text);
      return isAnswerTo(7, bytes, 0, bytes.length);
    };
    expect(["HD O7\r\n", "EN\r\n", "SERVER_ERROR no\r\n", "VA 1 O7\r\nx\r\n"].map(is)).toEqual([
      ...[true, true, true, true],
    ]);
    expect(["HD\r\n", "HD O8\r\n", "VA 1 f0\r\nx\r\n", "EX O9\r\n"].map(is)).toEqual([
      ...[false, false, false, false],
    ]);
  });
});
