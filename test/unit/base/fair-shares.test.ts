import { expect, test } from "bun:test";
import { FairShares } from "../../../src/base/fair-shares.ts";

test("nobody gets more than three times what is free, and each gets something while there is any", () => {
  const shares = new FairShares();
  let free = 100;
  const takeAll = (user: string): number => {
    while (shares.mayTake(user, free)) {
      shares.take(user);
      free--;
    }
    return shares.heldBy(user);
  };
  expect([takeAll("a"), takeAll("b"), takeAll("c"), free]).toEqual([75, 19, 5, 1]);
  expect(takeAll("d")).toBe(1);
  expect(takeAll("e")).toBe(0);
});

test("what is given back counts no more, and is forgotten", () => {
  const shares = new FairShares();
  shares.take("a");
  shares.take("a");
  shares.giveBack("a");
  expect(shares.heldBy("a")).toBe(1);
  shares.giveBack("a");
  expect(shares.heldBy("a")).toBe(0);
});
