import { describe, expect, test } from "bun:test";
import packageJson from "../../package.json" with { type: "json" };
import { readSource, readSources, type SourceFile, withoutComments } from "./source-files.ts";
import { bannedWords, deadFiles, longFiles } from "./tidy.ts";

/** The rules name what they ban. */
const RULES = /^test\/architecture\//;

const sources = readSources("src");
const all = [
  ...sources,
  ...readSources("test").filter((file) => !RULES.test(file.path)),
  readSource("build.ts"),
];

function planted(path: string, text: string): SourceFile {
  return { path, text, code: withoutComments(text) };
}

describe("the tree", () => {
  test("was read", () => {
    expect(sources.length).toBeGreaterThan(5);
    expect(all.length).toBeGreaterThan(sources.length + 5);
  });

  test("uses no banned word", () => {
    expect(bannedWords(all)).toEqual([]);
  });

  test("has no long file", () => {
    expect(longFiles(all)).toEqual([]);
  });

  test("has no source that nothing uses", () => {
    const scripts = Object.values(packageJson.scripts).join(" ");
    // What browsers run begins at a main.ts of its own, see src/admin/page-document.ts.
    const entryPoints = [
      "src/main.ts",
      "src/page/main.ts",
      ...(scripts.match(/\bsrc\/\S+\.ts\b/g) ?? []),
    ];
    expect(entryPoints.filter((path) => !sources.some((file) => file.path === path))).toEqual([]);
    expect(deadFiles(sources, entryPoints)).toEqual([]);
  });
});

describe("the rules", () => {
  const banned = (path: string, text: string): number => bannedWords([planted(path, text)]).length;

  test("ban unchecked files and leftovers everywhere, also in comments", () => {
    expect(banned("test/unit/a.test.ts", "// @ts-nocheck")).toBe(1);
    expect(banned("src/cli/a.ts", "x(); // FIXME: y")).toBe(1);
  });

  test("ban slice on what may be bytes, but not in comments, strings apart", () => {
    expect(banned("src/dev/redis/a.ts", "return bytes.slice(1);")).toBe(1);
    expect(banned("src/dev/redis/a.ts", "// never .slice( bytes")).toBe(0);
    expect(banned("src/base/copy-of.ts", "return bytes.slice(1);")).toBe(0);
    expect(banned("test/unit/a.test.ts", "[1].slice(0)")).toBe(0);
  });

  test("have a worker's data plane take clocks, chance and turns from its engine", () => {
    for (const call of ["performance.now()", "Math.random()", "setImmediate(f)"]) {
      expect(banned("src/worker/hand-over.ts", call)).toBe(1);
      expect(banned("src/worker/worker.ts", call)).toBe(0);
    }
  });

  test("ban clocks, timers and chance from the data path only", () => {
    for (const call of ["Date.now()", "performance.now()", "Math.random()", "setTimeout(f, 1)"]) {
      expect(banned("src/client/a.ts", call)).toBe(1);
      expect(banned("src/server/a.ts", call)).toBe(1);
      expect(banned("src/supervisor/a.ts", call)).toBe(0);
    }
  });

  test("ban promises where requests pass", () => {
    expect(banned("src/route/a.ts", "async function f() {}")).toBe(1);
    expect(banned("src/server/a.ts", "async function f() {}")).toBe(0);
  });

  test("find long files and files without a user", () => {
    const long = planted("src/base/a.ts", "x;\n".repeat(451));
    expect(longFiles([long, planted("src/base/b.generated.ts", long.text)])).toHaveLength(1);
    const main = planted("src/main.ts", `import type { A } from "./base/a.ts";`);
    const lost = planted("src/base/lost.ts", `import { x } from "../main.ts";`);
    expect(deadFiles([main, long, lost], ["src/main.ts"])).toEqual(["src/base/lost.ts"]);
  });
});
