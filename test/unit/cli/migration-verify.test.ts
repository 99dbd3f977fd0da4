/** What is told of keys that are not where they belong. */
import { expect, test } from "bun:test";
import type { ServerVerification } from "../../../src/api/migration.ts";
import { hasFaults, verificationText } from "../../../src/cli/migration-verify.ts";

const sound: ServerVerification = {
  ...{ address: "h:1", keys: 10, seen: 10, strays: 0, hidden: 0, mended: 0, why: "" },
  examples: [],
};

test("all keys are where they belong", () => {
  const pools = [{ pool: "main", servers: [sound, { ...sound, address: "h:2" }] }];
  expect(hasFaults(pools)).toBe(false);
  expect(verificationText(pools)).toStartWith("pool main: 20 keys seen, all where they belong\n");
});

test("strays are told, and how they are taken away, unless they were", () => {
  const found = { ...sound, strays: 3, hidden: 1, examples: ["a", "b", "c"] };
  const pools = [{ pool: "main", servers: [found] }];
  expect(hasFaults(pools)).toBe(true);
  expect(verificationText(pools)).toContain("3 where no request looks for them, 1 of which");
  expect(verificationText(pools)).toContain("a b c");
  expect(verificationText(pools)).toContain("--mend move or --mend remove");
  const mended = [{ pool: "main", servers: [{ ...found, mended: 3 }] }];
  expect(hasFaults(mended)).toBe(false);
  expect(verificationText(mended)).not.toContain("--mend");
});

test("a server that could not be looked at is a fault, too", () => {
  const pools = [{ pool: "main", servers: [{ ...sound, why: "Connection refused" }] }];
  expect(hasFaults(pools)).toBe(true);
  expect(verificationText(pools)).toContain("server h:1: Connection refused");
});
