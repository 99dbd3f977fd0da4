/** Ids are unique over any number of workers, also when a worker has more clients than one block has ids. */
import { expect, test } from "bun:test";
import { BLOCK_IDS, ClientIds, FIRST_ID } from "../../../src/worker/client-ids.ts";

test("no two births give the same id, however far apart they are", () => {
  const births = [0, 1, 4095, 4096, 4097, 8192, 2 ** 31 - 2 ** 27];
  const ids = births.flatMap((birth) => {
    const worker = new ClientIds(birth, () => {});
    return [worker.next(), worker.next(), worker.next()];
  });
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) {
    expect(Number.isSafeInteger(id)).toBe(true);
    // Nor an id of an earlier version, whose workers may serve beside these during an upgrade.
    expect(id).toBeGreaterThanOrEqual(FIRST_ID);
  }
});

test("a worker that uses its block up goes on in another, which it has asked for once and in time", () => {
  let births = 1;
  let asked = 0;
  const worker = new ClientIds(births++, () => {
    asked += 1;
  });
  const other = new ClientIds(births++, () => {});
  const foreign = new Set([other.next(), other.next()]);
  let last = 0;
  for (let block = 0; block < 3; block += 1) {
    for (let at = 0; at < BLOCK_IDS; at += 1) {
      const id = worker.next();
      if (id <= last || foreign.has(id)) throw new Error(`${id} came after ${last}`);
      last = id;
      if (at === BLOCK_IDS - 10) worker.add(births++);
    }
    expect(asked).toBe(block + 1);
  }
});

test("a worker whose supervisor answers nothing makes ids as that supervisor's own workers do", () => {
  const worker = new ClientIds(4097, () => {});
  for (let at = 0; at < BLOCK_IDS; at += 1) worker.next();
  expect([worker.next(), worker.next()]).toEqual([4097, 8193]);
});
