/** docs/glossary.md and the code use the same words. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readSources } from "./source-files.ts";

const GLOSSARY = readFileSync(join(import.meta.dir, "../../docs/glossary.md"), "utf8");
const ROW = /^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm;
const DECLARATION = /\b(?:class|interface|type|function|const|enum)\s+(\w+)/g;

const rows = [...GLOSSARY.matchAll(ROW)].map(([, word = "", places = ""]) => ({
  word,
  places: [...places.matchAll(/`([^`]+)`/g)].map(([, place = ""]) => place),
}));
// The heading is the first row.
const words = rows.slice(1);
const named = new Set(words.flatMap(({ places }) => places));
const sources = readSources("src");

/** "protocols/redis/" for every folder that has a source file in it or below. */
function foldersOf(paths: readonly string[]): Set<string> {
  const folders = new Set<string>();
  for (const path of paths) {
    for (let folder = dirname(path); folder !== "src"; folder = dirname(folder)) {
      folders.add(`${folder.slice("src/".length)}/`);
    }
  }
  return folders;
}

test("every folder of src has its word in docs/glossary.md", () => {
  const folders = foldersOf(sources.map(({ path }) => path));
  expect(folders.size).toBeGreaterThan(30);
  expect([...folders].filter((folder) => !named.has(folder))).toEqual([]);
});

test("every word of the glossary is in the code", () => {
  const folders = foldersOf(sources.map(({ path }) => path));
  const declared = new Set(
    sources.flatMap(({ code }) => [...code.matchAll(DECLARATION)].map(([, name = ""]) => name)),
  );
  const missing = [...named].filter((place) => !folders.has(place) && !declared.has(place));
  expect(missing).toEqual([]);
  expect(words.filter(({ places }) => places.length === 0)).toEqual([]);
});

test("each word stands there once, in order, and each folder and name has one word", () => {
  const order = words.map(({ word }) => word.toLowerCase());
  expect(order).toEqual([...new Set(order)].sort((a, b) => a.localeCompare(b)));
  expect(words.flatMap(({ places }) => places)).toHaveLength(named.size);
});
