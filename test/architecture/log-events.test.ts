/**
 * The names of events, which programs that read the log rely on: each is in docs/log-events.md, and nothing else is. Whoever gives a line other words
 * keeps its name with a field `event`.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { eventOf } from "../../src/base/log-event.ts";
import { readSources } from "./source-files.ts";

/** A line of level debug is for those who look for a fault, and has any name. */
const CALL = /\b(?:log|logger)\??\.(?:info|warn|error)\(\s*/g;
/** They write no log of a running proxy. */
const OTHERS = /^src\/(cli|dev|page)\//;
/** Helpers whose first argument is the name. */
const HELPER = /\bthis\.(?:say|warn)\(\s*"([a-z0-9]+(?:_[a-z0-9]+)*)",/g;
const TEXT = /^(?:"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/;
const NAMED = /\bevent: "([a-z0-9_]+)"/;

/** What begins with something that varies has its name in a field; else the message says it. */
function namesIn(text: string): {
  readonly names: readonly string[];
  readonly unnamed: readonly string[];
} {
  const names: string[] = [];
  const unnamed: string[] = [];
  for (const { index, 0: call } of text.matchAll(CALL)) {
    const rest = text.substring(index + call.length);
    const named = NAMED.exec(rest.substring(0, endOf(rest)));
    const literal = TEXT.exec(rest);
    const message = literal?.[1] ?? literal?.[2] ?? "";
    if (named !== null) names.push(named[1]!);
    else if (message.split(":")[0]!.includes("${")) unnamed.push(message);
    else if (message !== "") names.push(eventOf(message));
  }
  for (const [, name = ""] of text.matchAll(HELPER)) names.push(name);
  return { names, unnamed };
}

/** Where the call's arguments end, which are `text` from its beginning. */
function endOf(text: string): number {
  let depth = 1;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")" && --depth === 0) return i;
  }
  return text.length;
}

test("each event has a name that docs/log-events.md tells, and there are no others", () => {
  // The log's own.
  const names = new Set<string>(["log_file_stays", "log_lines_were_lost"]);
  const unnamed: string[] = [];
  for (const { path, code } of readSources("src")) {
    if (OTHERS.test(path)) continue;
    const found = namesIn(code);
    for (const name of found.names) names.add(name);
    for (const message of found.unnamed) unnamed.push(`${path}: ${message}`);
  }
  const page = readFileSync(join(import.meta.dir, "../../docs/log-events.md"), "utf8");
  const listed = [...page.matchAll(/^\| `([a-z0-9_]+)` \|/gm)].map(([, name]) => name!);
  expect(unnamed).toEqual([]);
  expect([...names].filter((name) => !listed.includes(name)).sort()).toEqual([]);
  expect(listed.filter((name) => !names.has(name))).toEqual([]);
  expect(listed).toEqual([...listed].sort());
});
