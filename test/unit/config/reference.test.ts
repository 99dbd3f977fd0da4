import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { OPTIONS } from "../../../src/config/options.ts";
import { createReference } from "../../../src/config/reference.ts";

test("docs/config.md is what the table says", () => {
  const page = readFileSync(new URL("../../../docs/config.md", import.meta.url), "utf8");
  const isCurrent = page === createReference();
  expect(isCurrent ? "current" : "docs/config.md is out of date: run `npm run docs`").toBe(
    "current",
  );
});

test("every option has its row", () => {
  const page = createReference();
  for (const option of OPTIONS) expect(page).toContain(`| \`${option.name}\` | `);
});
