// Reads what `bun test --reporter=junit` wrote: the real counts of a test run.
import { existsSync, readFileSync } from "node:fs";

/**
 * The outcome of each test case in a JUnit file. An absent file has none.
 * @returns {{ file: string, name: string, outcome: "passed" | "failed" | "skipped" }[]}
 */
export function readJunit(path) {
  if (!existsSync(path)) return [];
  return parseJunit(readFileSync(path, "utf8"));
}

export function parseJunit(xml) {
  const cases = [];
  // Attribute values have no bare ">" in them: the reporter escapes it.
  for (const match of xml.matchAll(/<testcase\b([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    const attributes = match[1] ?? "";
    const body = match[2] ?? "";
    const group = attribute(attributes, "classname");
    const own = attribute(attributes, "name");
    cases.push({
      file: attribute(attributes, "file"),
      name: group === "" ? own : `${group} > ${own}`,
      outcome: /<(failure|error)\b/.test(body)
        ? "failed"
        : /<skipped\b/.test(body)
          ? "skipped"
          : "passed",
    });
  }
  return cases;
}

/**
 * What a run amounts to. More than the test cases count: a file without any result (it did not load, or holds no
 * test), a skipped test that gives no reason in its name as "(skipped: …)", and a runner that failed without
 * saying which test did, each count as one failed.
 * @returns {{ passed: number, failed: number, skipped: string[], problems: string[] }}
 */
export function judge(cases, files, exitCode) {
  const problems = [];
  const seen = new Set(cases.map((one) => one.file));
  for (const file of files) {
    if (!seen.has(file)) problems.push(`${file}: no test of this file has a result`);
  }
  const skipped = cases
    .filter((one) => one.outcome === "skipped")
    .map((one) => `${one.file}: ${one.name}`);
  for (const name of skipped) {
    if (!/\(skipped: .+\)/.test(name))
      problems.push(`${name}: skipped, and its name gives no "(skipped: reason)"`);
  }
  const failedCases = cases.filter((one) => one.outcome === "failed").length;
  if (files.length === 0) problems.push("there are no tests to run");
  if (exitCode !== 0 && failedCases + problems.length === 0) {
    problems.push(`the test runner ended with exit code ${exitCode}, though no test failed`);
  }
  return {
    passed: cases.filter((one) => one.outcome === "passed").length,
    failed: failedCases + problems.length,
    skipped,
    problems,
  };
}

function attribute(attributes, name) {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
  return value
    .replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&apos;/g, "'")
    .replace(/&amp;/g, "&");
}
