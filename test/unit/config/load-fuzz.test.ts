import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatProblem } from "../../../src/config/problem.ts";
import { loadConfig, OPTIONS } from "../../support/load-config.ts";

const VALUES = [
  "true",
  "none",
  "0",
  "400ms",
  "-1",
  "h:1:1",
  "h:2",
  "/s 0600",
  "{}",
  "[a]",
  "*x",
  "&x 1",
  "!!int 3",
  "'",
  '"',
  "|",
  "~",
  "%",
  "@",
  "\t",
  "? a",
  "- b",
  "<<",
];

/** Lines that nearly are a configuration. */
const lines = fc
  .array(
    fc.tuple(
      fc.integer({ min: 0, max: 3 }),
      fc.constantFrom("", "- ", "#", "--- "),
      fc.oneof(fc.constantFrom(...OPTIONS.map((option) => option.name), "alpha"), fc.string()),
      fc.constantFrom(": ", ":", ":\n", " "),
      fc.oneof(fc.constantFrom(...VALUES), fc.string()),
    ),
    { maxLength: 20 },
  )
  .map((rows) =>
    rows
      .map(
        ([depth, mark, key, colon, value]) => `${"  ".repeat(depth)}${mark}${key}${colon}${value}`,
      )
      .join("\n"),
  );

const values = fc.json({ maxDepth: 6 });

/** Whatever the text: no exception, and a configuration exactly when there is no error, each in a line that exists. */
function holds(text: string): void {
  const { config, problems } = loadConfig(text, "F");
  const hasErrors = problems.some((problem) => problem.severity === "error");
  expect(config === null).toBe(hasErrors);
  const lineCount = text.split("\n").length;
  for (const problem of problems) {
    expect(problem.line).toBeWithin(1, lineCount + 1);
    expect(problem.column).toBeGreaterThan(0);
    expect(formatProblem(problem, null)).not.toContain("\n");
    formatProblem(problem, text);
  }
}

test("any text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), holds), { numRuns: 1500 });
});

test("lines like a configuration's", () => {
  fc.assert(fc.property(lines, holds), { numRuns: 1500 });
});

test("any JSON, also in the place of pools and of a pool", () => {
  fc.assert(
    fc.property(values, (json) => {
      holds(json);
      holds(`{"pools": ${json}}`);
      holds(`{"pools": {"a": ${json}}}`);
      holds(`{"a": {"listen": "h:2", "servers": ${json}}}`);
    }),
    { numRuns: 500 },
  );
});

test("nesting that exhausts the stack, and files without end", () => {
  for (const text of [
    "[".repeat(100_000),
    "- ".repeat(50_000),
    "a: ".repeat(50_000),
    "x".repeat(4 * 1024 * 1024 + 1),
  ]) {
    holds(text);
    expect(loadConfig(text, "F").config).toBeNull();
  }
});
