import { describe, expect, test } from "bun:test";
import { CIRCLE_FILES_MAX, importCircles } from "./import-circles.ts";
import { readSources, type SourceFile } from "./source-files.ts";

/** Files of src/base that import what their text names: "a: b c" is a.ts, which imports b.ts and c.ts. */
function planted(...lines: readonly string[]): SourceFile[] {
  return lines.map((line) => {
    const [name = "", others = ""] = line.split(":");
    const imported = others.split(" ").filter((other) => other !== "");
    const code = imported.map((other) => `import type { X } from "./${other}.ts";`).join("\n");
    return { path: `src/base/${name}.ts`, text: code, code };
  });
}

const namesIn = (files: readonly SourceFile[]): string[] =>
  importCircles(files).map((circle) => circle.map((path) => path.slice(9, -3)).join(" "));

test(`no more than ${CIRCLE_FILES_MAX} files of src import each other in a circle`, () => {
  const long = importCircles(readSources("src")).filter(({ length }) => length > CIRCLE_FILES_MAX);
  expect(long).toEqual([]);
});

describe("circles", () => {
  test("are found, the biggest first, with what leads into them and out of them left out", () => {
    const files = planted("in: a", "a: b out", "b: c", "c: a", "out:", "d: e", "e: d");
    expect(namesIn(files)).toEqual(["a b c", "d e"]);
  });

  test("that share a file are one", () => {
    expect(namesIn(planted("a: b", "b: a c", "c: d", "d: b"))).toEqual(["a b c d"]);
  });

  test("are none where files meet again without coming back", () => {
    expect(namesIn(planted("a: b c", "b: d", "c: d", "d:"))).toEqual([]);
  });
});
