/** Documents and comments name their subjects: which client, worker or user is meant. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dir, "../..");
const VAGUE = /\b(?:nobody|somebody|anybody|everybody|whoever)\b/i;

/** "path:line: text" for each line that has a word which stands where a noun could. */
function vagueLines(paths: readonly string[]): string[] {
  return paths.flatMap((path) =>
    readFileSync(join(ROOT, path), "utf8")
      .split("\n")
      .map((line, index) => `${path}:${index + 1}: ${line.trim()}`)
      .filter((line) => VAGUE.test(line)),
  );
}

test("no document says nobody, somebody or whoever where a noun can stand", () => {
  const documents = ["README.md", "CHANGELOG.md", ...new Glob("docs/**/*.md").scanSync(ROOT)];
  expect(documents.length).toBeGreaterThan(5);
  expect(vagueLines(documents)).toEqual([]);
});

test("nor does a source file, in comments, messages or names", () => {
  const sources = [...new Glob("src/**/*.ts").scanSync(ROOT)];
  expect(sources.length).toBeGreaterThan(100);
  expect(vagueLines(sources)).toEqual([]);
});
