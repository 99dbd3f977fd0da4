import { expect, test } from "bun:test";
import { StateTable } from "../../../src/base/state-table.ts";

const CLOSED = 1;
const OPEN = 2;
const LOCKED = 4;

const DOOR = new StateTable("a door", [
  { state: CLOSED, name: "closed", next: OPEN | LOCKED },
  { state: OPEN, name: "open", next: CLOSED },
  { state: LOCKED, name: "locked", next: CLOSED },
]);

test("a state that may follow is the next one", () => {
  expect(DOOR.step(CLOSED, OPEN)).toBe(OPEN);
  expect(DOOR.step(LOCKED, CLOSED)).toBe(CLOSED);
});

test("another one, and the same once more, is a broken invariant that names both", () => {
  expect(() => DOOR.step(OPEN, LOCKED)).toThrow(
    'broken invariant: a door went from "open" to "locked"',
  );
  expect(() => DOOR.step(OPEN, OPEN)).toThrow('a door went from "open" to "open"');
  expect(() => DOOR.step(OPEN, 8)).toThrow('to "state 8"');
});
