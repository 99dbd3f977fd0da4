import { expect, test } from "bun:test";
import fc from "fast-check";
import { sortServers } from "../../../src/base/sort-servers.ts";

const names = (sorted: readonly { name: string }[]): string[] => sorted.map(({ name }) => name);

test("shorter names first, then bytewise", () => {
  const servers = ["bb", "c", "a", "B", "aaa", "\u00e9"].map((name) => ({ name }));
  // é is two bytes, of which the first is greater than any ASCII.
  expect(names(sortServers(servers))).toEqual(["B", "a", "c", "bb", "\u00e9", "aaa"]);
});

test("addresses sort by length before port number order", () => {
  const servers = ["10.0.0.10:1", "10.0.0.9:1", "10.0.0.2:1"].map((name) => ({ name }));
  expect(names(sortServers(servers))).toEqual(["10.0.0.2:1", "10.0.0.9:1", "10.0.0.10:1"]);
});

test("the order does not depend on the input's, and the input stays as it is", () => {
  const arbitrary = fc.uniqueArray(fc.string(), { maxLength: 12 });
  fc.assert(
    fc.property(arbitrary, fc.infiniteStream(fc.nat()), (list, swaps) => {
      const servers = list.map((name) => ({ name }));
      const shuffled = [...servers].sort(() => (swaps.next().value! % 2 === 0 ? -1 : 1));
      const kept = [...shuffled];
      expect(names(sortServers(shuffled))).toEqual(names(sortServers(servers)));
      expect(shuffled).toEqual(kept);
    }),
  );
});
