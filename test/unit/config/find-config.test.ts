import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { explainNoConfig, findConfig, MINIMAL_CONFIG } from "../../../src/config/find-config.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "find-config-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("the first file that is there", () => {
  const [first, second] = [join(directory, "first"), join(directory, "second")];
  expect(findConfig([first, second])).toBeNull();
  writeFileSync(second, "");
  expect(findConfig([first, second])).toBe(second);
  writeFileSync(first, "");
  expect(findConfig([first, second])).toBe(first);
});

test("without any: what was tried, a file to begin with, and the way without one", () => {
  const text = explainNoConfig(["./a.yaml", "/b.yaml"]);
  expect(text).toContain("looked for ./a.yaml, /b.yaml");
  for (const line of MINIMAL_CONFIG.trim().split("\n")) expect(text).toContain(`  ${line}\n`);
  expect(text).toContain("proxy dev");
});
