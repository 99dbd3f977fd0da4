import { expect, test } from "bun:test";
import { SliceQueue } from "../../../src/base/slice-queue.ts";
import { Turn } from "../../../src/base/turn.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("each turn has one slice, of all jobs together and in their order", async () => {
  const queue = new SliceQueue(new Turn());
  const done: string[] = [];
  function* job(name: string, slices: number): Generator<void, void> {
    for (let i = 1; i <= slices; i++) {
      done.push(`${name}${i}`);
      if (i < slices) yield;
    }
  }
  queue.run(job("a", 3));
  expect(done).toEqual(["a1"]);
  queue.run(job("b", 2));
  queue.run(job("c", 1));
  expect(done).toEqual(["a1"]);
  for (let so_far = 2; so_far <= 6; so_far++) {
    await turn();
    expect(done).toHaveLength(so_far);
  }
  expect(done).toEqual(["a1", "a2", "a3", "b1", "b2", "c1"]);
  queue.run(job("d", 1));
  expect(done.at(-1)).toBe("d1");
});
