/** Some of the inputs that `npm run fuzz` makes. */
import { beforeAll, describe, expect, test } from "bun:test";
import { Random } from "../simulation/random.ts";
import { check, fuzzOnce } from "./fuzz.ts";
import { fuzzPackets, preparePackets } from "./packets.ts";
import { TARGETS, type Target } from "./targets.ts";

const SEEDS = 150;

beforeAll(preparePackets);

test.each(TARGETS)(
  "$name: in any pieces, nothing else is read, and in bounded work",
  (target) => {
    for (let seed = 1; seed <= SEEDS; seed++) expect(fuzzOnce(target, seed)).toBeNull();
  },
  60_000,
);

test("packets that are not as they should be are told as failed, and nothing of them stays open", () => {
  for (let seed = 1; seed <= SEEDS; seed++) expect(fuzzPackets(seed)).toBeNull();
}, 60_000);

/** A scanner of lines that `scan` is part of. */
function lines(scan: (bytes: Buffer, start: number, end: number) => number): Target {
  return {
    ...{ name: "lines", examples: ["a\n"], words: ["\n"] },
    create: () => (bytes, start, end) => ({ end: scan(bytes, start, end), what: "" }),
  };
}

function endOfLine(bytes: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) if (bytes[at] === 10) return at + 1;
  return 0;
}

describe("what is found", () => {
  const input = Buffer.from(`${"x".repeat(500)}\nb\n`);
  const problem = (scan: Parameters<typeof lines>[0]): string | null =>
    check(lines(scan), input, new Random(1));

  test("a scanner that looks behind the end", () => {
    expect(
      problem((bytes, start, end) => (bytes[end] === 0 ? 0 : endOfLine(bytes, start, end))),
    ).toContain("may be read");
  });

  test("one that begins anew with each byte", () => {
    expect(problem(endOfLine)).toContain("reads for");
  });

  test("one that throws, and one that finds what has not come", () => {
    expect(
      problem(() => {
        throw new Error("no");
      }),
    ).toContain("it threw");
    expect(problem((_bytes, _start, end) => end + 1)).toContain("ends at");
  });

  test("one that finds other messages in pieces", () => {
    const short = Buffer.from("a\nb\n");
    const scan = (_bytes: Buffer, _start: number, end: number): number => end;
    expect(check(lines(scan), short, new Random(1))).toContain("in pieces it finds");
  });
});
