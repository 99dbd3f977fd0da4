import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { answerOverviewPage } from "../../../src/admin/page.ts";

const { body, headers = [], type } = answerOverviewPage();
const html = `${body}`;
const policy = headers.find((line) => line.startsWith("Content-Security-Policy: ")) ?? "";

function hashOf(element: string): string {
  const [, text = ""] = new RegExp(`<${element}[^>]*>([\\s\\S]*?)</${element}>`).exec(html) ?? [];
  expect(text.length).toBeGreaterThan(500);
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

test("the policy lets exactly the document's own script and style sheet in", () => {
  expect(type).toBe("text/html; charset=utf-8");
  expect(policy).toContain(`script-src ${hashOf("script")};`);
  expect(policy).toContain(`style-src ${hashOf("style")};`);
  expect(policy).toContain("default-src 'none';");
  expect(policy).not.toMatch(/unsafe|\*|https?:/);
});

test("there is one script and one style sheet, and nothing is asked of any other place", () => {
  expect(html.match(/<script/g)).toHaveLength(1);
  expect(html.match(/<style/g)).toHaveLength(1);
  expect(html).not.toMatch(/\s(?:src|action)=/);
  expect(html.match(/<link [^>]*>/g)).toEqual([expect.stringContaining('href="data:')]);
  expect(html).not.toMatch(/style="|\son[a-z]+="/);
  expect(html).not.toContain("innerHTML");
  expect(Buffer.byteLength(html)).toBeLessThan(150_000);
});
