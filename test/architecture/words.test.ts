/** Documents name their subjects: which client, worker or user is meant. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dir, "../..");
const VAGUE = /\b(?:nobody|somebody|anybody|everybody|whoever)\b/i;

test("no document says nobody, somebody or whoever where a noun can stand", () => {
  const documents = ["README.md", "CHANGELOG.md", ...new Glob("docs/**/*.md").scanSync(ROOT)];
  const vague = documents.flatMap((path) =>
    readFileSync(join(ROOT, path), "utf8")
      .split("\n")
      .map((line, index) => `${path}:${index + 1}: ${line.trim()}`)
      .filter((line) => VAGUE.test(line)),
  );
  expect(documents.length).toBeGreaterThan(5);
  expect(vague).toEqual([]);
});
