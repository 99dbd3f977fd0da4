/** Some of the seeds that `npm run simulate` plays: as many as a few seconds allow. */
import { beforeAll, expect, test } from "bun:test";
import { prepare, simulate } from "./simulation.ts";

const SEEDS = 25;
/** The same in every run of the suite, so that a change is judged by what it changed. */
const FROM = 1_000;

beforeAll(prepare);

test("whatever goes wrong with servers, ways and processes, every reply is right, and comes", () => {
  for (let seed = FROM; seed < FROM + SEEDS; seed++) {
    const { violations, answered } = simulate(seed);
    expect({ seed, violations }).toEqual({ seed, violations: [] });
    expect(answered).toBeGreaterThan(0);
  }
}, 120_000);

test("the same seed gives the same run", () => {
  for (const seed of [FROM, FROM + 1, FROM + 2]) {
    const [one, other] = [simulate(seed), simulate(seed)];
    expect(other.hash).toBe(one.hash);
    expect(other.answered).toBe(one.answered);
  }
  expect(simulate(FROM).hash).not.toBe(simulate(FROM + 1).hash);
}, 60_000);
