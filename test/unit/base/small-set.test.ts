/** Compact sets against JavaScript's own. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Bits } from "../../../src/base/bits.ts";
import { SegmentedSet } from "../../../src/base/segmented-set.ts";
import { add, has, membersOf, remove, type SmallSet, sizeOf } from "../../../src/base/small-set.ts";

const MEMBERS = Array.from({ length: 24 }, (_, number) => ({ number }));

test("a small set has what a Set has, whatever is added and removed in whatever order", () => {
  const act = fc.record({ adds: fc.boolean(), which: fc.nat(MEMBERS.length - 1) });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200, size: "max" }), (acts) => {
      let set: SmallSet<object> = null;
      const model = new Set<object>();
      for (const { adds, which } of acts) {
        const member = MEMBERS[which]!;
        const before = new Set(membersOf(set));
        const iterated = membersOf(set)[Symbol.iterator]();
        set = adds ? add(set, member) : remove(set, member);
        if (adds) model.add(member);
        else model.delete(member);
        expect(new Set(membersOf(set))).toEqual(model);
        expect([...membersOf(set)]).toHaveLength(model.size);
        expect(sizeOf(set)).toBe(model.size);
        expect(has(set, member)).toBe(adds);
        // Who was iterating meets all that stay.
        const met = new Set<object>();
        for (let next = iterated.next(); next.done !== true; next = iterated.next()) {
          met.add(next.value);
        }
        for (const stays of model) if (before.has(stays)) expect(met.has(stays)).toBe(true);
      }
    }),
  );
});

test("most sets cost no set: one member is itself, a few are an array", () => {
  const [one, two] = MEMBERS as [object, object];
  expect(add(null, one)).toBe(one);
  expect(add(one, two)).toEqual([one, two]);
  expect(remove([one, two], two)).toBe(one);
  expect(remove(one, one)).toBeNull();
});

test("bits have what a Set of numbers has", () => {
  const act = fc.record({ adds: fc.boolean(), number: fc.nat(300) });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200, size: "max" }), (acts) => {
      const bits = new Bits();
      const model = new Set<number>();
      for (const { adds, number } of acts) {
        if (adds) bits.add(number);
        else bits.delete(number);
        if (adds) model.add(number);
        else model.delete(number);
        expect(bits.size).toBe(model.size);
        expect(bits.has(number)).toBe(adds);
      }
      for (let i = 0; i <= 320; i++) expect(bits.has(i)).toBe(model.has(i));
      bits.clear();
      expect([bits.size, bits.has([...model][0] ?? 0)]).toEqual([0, false]);
    }),
  );
});

test("no bits has a number that is none", () => {
  expect(new Bits().has(-1)).toBe(false);
});

test("a segmented set has what a Set has, beyond its first segment, too", () => {
  const set = new SegmentedSet<number>();
  const model = new Set<number>();
  const numbers = Array.from({ length: 30_000 }, (_, i) => i);
  for (const number of numbers) {
    set.add(number);
    model.add(number);
  }
  expect([...set]).toEqual(numbers);
  for (let number = 0; number < 30_000; number += 1 + (number % 7)) {
    expect(set.delete(number)).toBe(model.delete(number));
    expect(set.delete(number)).toBe(false);
  }
  expect([...set]).toEqual([...model]);
  expect([set.size, set.has(1), set.has(-1)]).toEqual([model.size, model.has(1), false]);
  // All of them can be removed while they are gone through.
  for (const number of set) set.delete(number);
  expect([set.size, [...set]]).toEqual([0, []]);
});
