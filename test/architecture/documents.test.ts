/** What the documents and comments name is there: files, classes and their members, constants, links. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import * as keyLimits from "../../src/base/key-limits.ts";
import * as limits from "../../src/base/limits.ts";
import { readSources, type SourceFile } from "./source-files.ts";

const ROOT = join(import.meta.dir, "../..");

interface Document {
  readonly path: string;
  readonly text: string;
}

const documents: readonly Document[] = [
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  ...new Glob("docs/**/*.md").scanSync(ROOT),
].map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));

const sources = readSources("src");
/** Bounds of what is held, without those of time and of what is no memory. */
const BOUND = /^(?!INTEGER|WORKERS|MODULE_FAULTS)\w+(?<!_MS)_(?:MAX|AT_ONCE|HIGH_BYTES)$/;
/** They name files that are not there, to show what is found. */
const RULES = /^test\/architecture\//;
/** Whose every name is compared with the code. */
const MAPS =
  /^docs\/(?:architecture|life-of-a-request|how-to-add|invariants|memory|statistics-memory|supervisor)\.md$/;

/** Paths such as src/base/turn.ts, of the given folders. */
function pathsNamed(text: string, folders: string): string[] {
  const pattern = new RegExp(`(?<![\\w./-])(?:${folders})/[\\w./-]*[\\w/](?![\\w*])`, "g");
  return text.match(pattern) ?? [];
}

function byPath(a: Document, b: Document): number {
  return a.path < b.path ? -1 : 1;
}

function missing({ path, text }: Document, folders: string): string[] {
  const named = pathsNamed(text, folders);
  return named.filter((name) => !existsSync(join(ROOT, name))).map((name) => `${path}: ${name}`);
}

/** The text without its code: what is left are comments. */
function commentsOf({ path, text, code }: SourceFile): Document {
  const lines = code.split("\n");
  const comments = text.split("\n").filter((line, index) => line !== lines[index]);
  return { path, text: comments.join("\n") };
}

/** What stands between backticks, blocks of code apart. */
function quotedIn({ text }: Document): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "");
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, quoted = ""]) => quoted);
}

const DECLARATION = /\b(?:class|interface|type|const|function) (\w+)/g;
const declared = new Set(
  sources.flatMap(({ code }) => [...code.matchAll(DECLARATION)].map(([, name = ""]) => name)),
);

/** `Turn.nowMs`: both names stand in one file, which declares the first. */
function hasMember(owner: string, member: string): boolean {
  const declares = new RegExp(`\\b(?:class|interface|type|const) ${owner}\\b`);
  const mentions = new RegExp(`\\b${member}\\b`);
  return sources.some((file) => declares.test(file.code) && mentions.test(file.code));
}

/** What is wrong with a quoted name; null: nothing, or it is no name of the code's. */
function faultOf(quoted: string): string | null {
  const file = /^[\w./-]+\.ts$/.exec(quoted);
  if (file !== null) {
    const isThere = sources.some(({ path }) => path === quoted || path.endsWith(`/${quoted}`));
    return isThere || existsSync(join(ROOT, quoted)) ? null : `no file ${quoted}`;
  }
  const [, owner, , member] = /^([A-Z]\w*[a-z]\w*)(\.(\w+))?(?:\(.*\))?$/.exec(quoted) ?? [];
  if (owner !== undefined) {
    if (!declared.has(owner)) return `nothing is called ${owner}`;
    return member === undefined || hasMember(owner, member) ? null : `${owner} has no ${member}`;
  }
  const constant = /^[A-Z]+(?:_[A-Z0-9]+)+$/.exec(quoted);
  return constant === null || declared.has(quoted) ? null : `no constant ${quoted}`;
}

test("every path of a source that a document names exists", () => {
  expect(documents.flatMap(({ text }) => pathsNamed(text, "src")).length).toBeGreaterThan(50);
  expect(documents.flatMap((document) => missing(document, "src|test|contrib|bench"))).toEqual([]);
});

test("every path of a source that a comment names exists", () => {
  const files = [...sources, ...readSources("test").filter(({ path }) => !RULES.test(path))];
  const comments = files.map(commentsOf);
  expect(comments.flatMap(({ text }) => pathsNamed(text, "src")).length).toBeGreaterThan(10);
  expect(comments.flatMap((comment) => missing(comment, "src"))).toEqual([]);
});

test("every name in the maps of the code exists", () => {
  const maps = documents.filter(({ path }) => MAPS.test(path));
  const faults = maps.flatMap((map) =>
    quotedIn(map).flatMap((quoted) => {
      const fault = faultOf(quoted);
      return fault === null ? [] : [`${map.path}: ${fault}`];
    }),
  );
  expect(faults).toEqual([]);
});

test("every bound of the data plane is in docs/memory.md", () => {
  const page = readFileSync(join(ROOT, "docs/memory.md"), "utf8");
  const bounds = Object.keys({ ...limits, ...keyLimits }).filter((name) => BOUND.test(name));
  expect(bounds.length).toBeGreaterThan(40);
  expect(bounds.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

test("decisions are numbered, by file and by title", () => {
  const decisions = documents.filter(({ path }) => path.startsWith("docs/decisions/")).sort(byPath);
  const numbers = decisions.map(({ path }) => Number(/\/(\d{4})-/.exec(path)?.[1]));
  expect(numbers).toEqual(decisions.map((_, index) => index + 1));
  expect(decisions.map(({ text }) => Number(/^# (\d+)\. /.exec(text)?.[1]))).toEqual(numbers);
});

test("names that are gone are found", () => {
  expect(missing({ path: "a", text: "see `src/gone/a.ts`, src/base/turn.ts." }, "src")).toEqual([
    "a: src/gone/a.ts",
  ]);
  expect(faultOf("Turn.nowMs")).toBeNull();
  expect(faultOf("base/turn.ts")).toBeNull();
  expect(faultOf("Turn.gone")).toBe("Turn has no gone");
  expect(faultOf("GoneClass")).toBe("nothing is called GoneClass");
  expect(faultOf("GONE_MAX")).toBe("no constant GONE_MAX");
  expect(faultOf("gone/turn.ts")).toBe("no file gone/turn.ts");
});

test("every link of a document leads to a file", () => {
  const broken = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target = ""]) => target)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !existsSync(join(ROOT, dirname(path), target)))
      .map((target) => `${path}: ${target}`),
  );
  expect(broken).toEqual([]);
});
