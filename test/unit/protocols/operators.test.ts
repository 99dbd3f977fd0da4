import { expect, test } from "bun:test";
import type { PoolHost } from "../../../src/api/protocol-module.ts";
import { SHOWN_TABLES_MAX, TABLES_TOLD_AT_ONCE } from "../../../src/base/limits.ts";
import { Turn } from "../../../src/base/turn.ts";
import { operatorsOf, TableTexts } from "../../../src/protocols/operators.ts";

function rig() {
  const asked: { readonly table: string; readonly done: (answers: unknown[]) => void }[] = [];
  const bus = {
    query(_topic: string, { table }: { table: string }, done: (answers: unknown[]) => void) {
      asked.push({ table, done });
    },
  };
  return {
    asked,
    operators: operatorsOf({ config: {}, bus, turn: new Turn() } as unknown as PoolHost),
  };
}

test("however many clients ask, a table is asked for once at a time, and all get it, some in a turn", async () => {
  const { asked, operators } = rig();
  const got: unknown[] = [];
  for (let n = 0; n < 1000; n++)
    operators.show(n % 2 === 0 ? "pools" : "POOLS", (t) => got.push(t));
  expect(asked.map(({ table }) => table)).toEqual(["POOLS"]);
  asked[0]!.done([{ rows: [] }]);
  expect(got.length).toBe(TABLES_TOLD_AT_ONCE);
  while (got.length < 1000) await new Promise((resolve) => setImmediate(resolve));
  expect(got).toEqual(Array.from({ length: 1000 }, () => ({ rows: [] })));
  // One object: its text is made once.
  expect(new Set(got).size).toBe(1);
  operators.show("pools", (table) => got.push(table));
  asked[1]!.done([]);
  expect(got.at(-1)).toBeNull();
});

test("names that clients make up are bounded in length and number", () => {
  const { asked, operators } = rig();
  let refused = 0;
  for (let n = 0; n < 50; n++) {
    operators.show(`${n}${"x".repeat(9999)}`, (table) => {
      if (table === null) refused++;
    });
  }
  expect([asked.length, refused]).toEqual([SHOWN_TABLES_MAX, 50 - SHOWN_TABLES_MAX]);
  expect(Math.max(...asked.map(({ table }) => table.length))).toBeLessThanOrEqual(64);
  expect(operators.areAllowed()).toBe(false);
});

test("the text of a table is made once, however many get it", () => {
  let made = 0;
  const texts = new TableTexts(() => Buffer.from(`${++made}`));
  const table = { rows: [] };
  expect([texts.of(table), texts.of(table), texts.of({ rows: [] })].map(String)).toEqual([
    "1",
    "1",
    "2",
  ]);
});
