import { describe, expect, test } from "bun:test";
import packageJson from "../../package.json" with { type: "json" };
import { enginesNamed, protocolsNamed, RANKS, rankBreaches } from "./import-ranks.ts";
import { importsOf, readSources, type SourceFile, withoutComments } from "./source-files.ts";

const packages = Object.keys(packageJson.dependencies);

function planted(path: string, text: string): SourceFile {
  return { path, text, code: withoutComments(text) };
}

describe("the sources", () => {
  const files = readSources("src");

  test("are there, and import something", () => {
    expect(files.length).toBeGreaterThan(5);
    expect(files.flatMap((file) => importsOf(file)).length).toBeGreaterThan(files.length / 2);
  });

  test("import only from their own folder, from lower ranks and from known packages", () => {
    expect(rankBreaches(files, packages)).toEqual([]);
  });
});

describe("the engine", () => {
  test("is chosen in one place", () => {
    expect(enginesNamed(readSources("src"))).toEqual([]);
    const text = `import { bunEngine } from "../engine/bun/engine.ts";`;
    expect(enginesNamed([planted("src/server/a.ts", text)])).toHaveLength(1);
  });
});

describe("protocols", () => {
  test("are known to the core as modules only", () => {
    expect(protocolsNamed(readSources("src"))).toEqual([]);
  });

  test("would be found by an import or a name", () => {
    const named = (text: string): number =>
      protocolsNamed([planted("src/worker/a.ts", text)]).length;
    expect(named(`import { a } from "../protocols/redis/module.ts";`)).toBe(2);
    expect(named(`import { protocolNamed } from "../protocols/registry.ts";`)).toBe(0);
    expect(named("const isMemcache = true; // redis")).toBe(1);
  });
});

describe("the rule", () => {
  const breaches = (path: string, text: string): number =>
    rankBreaches([planted(path, text)], packages).length;

  test("refuses a higher rank, an equal rank, and a folder without a rank", () => {
    expect(breaches("src/base/a.ts", `import { x } from "../client/x.ts";`)).toBe(1);
    expect(breaches("src/client/a.ts", `import { x } from "../route/x.ts";`)).toBe(1);
    expect(breaches("src/client/a.ts", `import { x } from "../base/x.ts";`)).toBe(0);
    expect(breaches("src/stray/a.ts", "")).toBe(1);
    expect(breaches("src/base/a.ts", `import { x } from "../../test/support/x.ts";`)).toBe(1);
  });

  test("counts imports of types, re-exports, bare and dynamic imports", () => {
    expect(breaches("src/base/a.ts", `import type { X } from "../client/x.ts";`)).toBe(1);
    expect(breaches("src/base/a.ts", `export { x } from "../client/x.ts";`)).toBe(1);
    expect(breaches("src/base/a.ts", `import "../client/x.ts";`)).toBe(1);
    expect(breaches("src/base/a.ts", `void import("../client/x.ts");`)).toBe(1);
    expect(breaches("src/base/a.ts", `import {\n  a,\n  b,\n} from "../client/x.ts";`)).toBe(1);
    expect(breaches("src/base/a.ts", `// import { x } from "../client/x.ts";`)).toBe(0);
  });

  test("keeps the processes apart: they meet in src/api", () => {
    const processes = ["supervisor", "worker", "admin", "dev"];
    for (const from of processes) {
      for (const to of processes.filter((other) => other !== from)) {
        expect(breaches(`src/${from}/a.ts`, `import { x } from "../${to}/x.ts";`)).toBe(1);
      }
    }
    expect(processes.map((name) => RANKS[name])).toEqual([4, 4, 4, 4]);
  });

  test("knows packages by name", () => {
    expect(breaches("src/config/a.ts", `import { parse } from "yaml";`)).toBe(0);
    expect(breaches("src/config/a.ts", `import { x } from "left-pad/x";`)).toBe(1);
    expect(breaches("src/config/a.ts", `import { x } from "@scope/pad";`)).toBe(1);
    expect(breaches("src/os/a.ts", `import { dlopen } from "bun:ffi";`)).toBe(0);
  });
});
