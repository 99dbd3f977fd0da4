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

test("a node of zones leads to that of the proxy, and to its default without one", () => {
  const file = blocks("yaml").find((text) => text.includes("default: in-a"))!;
  const wayIn = (zone: string): unknown[] => {
    const config = loadConfig(`zone: ${zone}\n${file}`, "F").config!;
    const pool = config.pools.find(({ name }) => name === "app")!;
    const ways = routeThroughTree(config, pool.route!, [Buffer.from("x")], "");
    return ways.map(({ path, pool: leaf }) => [path.join(" "), leaf])[0] as unknown[];
  };
  expect(wayIn("a")).toEqual(["read zone a main, then in-b if that fails", "in-a"]);
  expect(wayIn("b")).toEqual(["read zone b main, then in-a if that fails", "in-b"]);
  const { config, problems } = loadConfig(
    file.replace("          b: {", "          south: {"),
    "F",
  );
  expect(config).toBeNull();
  expect(problems.map(({ message }) => message).join()).toContain(
    '"south" is none of "zones"; they are a, b',
  );
});
