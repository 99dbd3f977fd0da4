import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { enginePasses, onBothEngines } from "./engine-passes.mjs";

const UNIT = "test/unit/base/turn.test.ts";
const MOVES = "test/integration/tcp-moves.test.ts";

test("moves run on Bun's sockets, too, and what has nothing to do with sockets does not", () => {
  expect(enginePasses([UNIT, MOVES], undefined)).toEqual([
    { title: "tests", files: [UNIT, MOVES], environment: {} },
    { title: "tests on Bun's sockets", files: [MOVES], environment: { PROXY_ENGINE: "bun" } },
  ]);
  expect(enginePasses([UNIT], "")).toEqual([{ title: "tests", files: [UNIT], environment: {} }]);
});

test("when the environment asks for an engine, everything runs once", () => {
  expect(enginePasses([UNIT, MOVES], "uring")).toEqual([
    { title: "tests", files: [UNIT, MOVES], environment: {} },
  ]);
});

test("every file that is named is there", () => {
  const missing = onBothEngines().filter((name) => !existsSync(`test/integration/${name}.test.ts`));
  expect(missing).toEqual([]);
});
