/** The ways of keys through trees, and the examples of docs/routes.md. */
import { beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { formatTreeRoutes, routeThroughTree } from "../../../src/cli/route-tree.ts";
import { initHashes } from "../../../src/hash/hash-function.ts";
import { loadConfig } from "../../support/load-config.ts";

const DOCUMENT = readFileSync(join(import.meta.dir, "../../../docs/routes.md"), "utf8");
/** Language and text of each block. */
const BLOCKS = [...DOCUMENT.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)];

function blocks(language: string): string[] {
  return BLOCKS.filter(([, name]) => name === language).map(([, , text = ""]) => text);
}

beforeAll(initHashes);

test("every example of the document is a file without a problem", () => {
  const files = blocks("yaml");
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) expect(loadConfig(file, "F").problems).toEqual([]);
});

test("what the document shows of `proxy route` is what it prints", () => {
  const [file = ""] = blocks("yaml");
  const [shown = ""] = blocks("");
  const [command = "", ...lines] = shown.trimEnd().split("\n");
  const [, name = "", ...keys] = command.replace("$ proxy ", "").split(" ");
  const config = loadConfig(file, "F").config!;
  const pool = config.pools.find((candidate) => candidate.name === name)!;
  const buffers = keys.map((key) => Buffer.from(key));
  const routes = routeThroughTree(config, pool.route!, buffers, "");
  expect(formatTreeRoutes(pool, routes).split("\n")).toEqual(lines);
});

test("a command has its way, too", () => {
  const config = loadConfig(blocks("yaml")[0]!, "F").config!;
  const pool = config.pools.find(({ name }) => name === "app")!;
  const ways = routeThroughTree(config, pool.route!, [Buffer.from("x")], "SORT");
  expect(ways.map(({ access, path, pool: leaf }) => [access, path, leaf])).toEqual([
    ["any", ["no prefix", "command SORT"], "analytics"],
  ]);
});
