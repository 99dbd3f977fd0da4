import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createReference } from "../../../src/config/reference.ts";
import { PROTOCOLS } from "../../../src/protocols/registry.ts";
import { OPTIONS } from "../../support/load-config.ts";

test("docs/config.md is what the table says", () => {
  const page = readFileSync(new URL("../../../docs/config.md", import.meta.url), "utf8");
  const isCurrent = page === createReference(PROTOCOLS);
  expect(isCurrent ? "current" : "docs/config.md is out of date: run `npm run docs`").toBe(
    "current",
  );
});

test("every option has its row", () => {
  const page = createReference(PROTOCOLS);
  for (const option of OPTIONS) expect(page).toContain(`| \`${option.name}\` | `);
});
