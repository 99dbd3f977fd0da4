import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  MOVE_MAX,
  Rebalancer,
  SetRebalancer,
} from "../../../../src/supervisor/generation/rebalancer.ts";

interface Worker {
  clients: number;
}

function workersWith(...clients: number[]): Worker[] {
  return clients.map((count) => ({ clients: count }));
}

test("a spread within a tenth of the mean is left alone", () => {
  const rebalancer = new Rebalancer<Worker>();
  for (let look = 0; look < 5; look += 1) {
    expect(rebalancer.look(workersWith(100, 105, 96))).toBe(null);
    expect(rebalancer.look(workersWith(3, 2))).toBe(null);
    expect(rebalancer.look(workersWith(50))).toBe(null);
    expect(rebalancer.look([])).toBe(null);
  }
});

test("one that passes is left alone, one that lasts is evened out", () => {
  const rebalancer = new Rebalancer<Worker>();
  expect(rebalancer.look(workersWith(10, 0))).toBe(null);
  expect(rebalancer.look(workersWith(5, 5))).toBe(null);
  const workers = workersWith(10, 0);
  expect(rebalancer.look(workers)).toBe(null);
  expect(rebalancer.look(workers)).toEqual({ from: workers[0]!, to: workers[1]!, sessions: 5 });
});

test("at most so many move at a time", () => {
  const rebalancer = new Rebalancer<Worker>();
  const workers = workersWith(100_000, 0);
  rebalancer.look(workers);
  expect(rebalancer.look(workers)?.sessions).toBe(MOVE_MAX);
});

test("a worker whose clients cannot move is left alone for a while", () => {
  const rebalancer = new Rebalancer<Worker>();
  const workers = workersWith(100, 40, 0);
  rebalancer.look(workers);
  rebalancer.onNothingMoved(rebalancer.look(workers)!.from);
  expect(rebalancer.look(workers)?.from).toBe(workers[1]!);
  let looks = 0;
  while (rebalancer.look(workers)?.from !== workers[0]) looks += 1;
  expect(looks).toBeGreaterThan(10);
});

test("whatever the spread is, it ends within a tenth of even", () => {
  const counts = fc.array(fc.nat(2000), { minLength: 2, maxLength: 16 });
  fc.assert(
    fc.property(counts, (clients) => {
      const rebalancer = new Rebalancer<Worker>();
      const workers = workersWith(...clients);
      let quiet = 0;
      for (let look = 0; quiet < 3; look += 1) {
        expect(look).toBeLessThan(2000);
        const move = rebalancer.look(workers);
        if (move === null) {
          quiet += 1;
          continue;
        }
        quiet = 0;
        expect(move.sessions).toBeGreaterThan(0);
        move.from.clients -= move.sessions;
        move.to.clients += move.sessions;
      }
      const mean = clients.reduce((sum, count) => sum + count, 0) / clients.length;
      const left = workers.map((worker) => worker.clients);
      expect(left.reduce((sum, count) => sum + count, 0)).toBeCloseTo(mean * clients.length);
      expect(Math.max(...left) - Math.min(...left)).toBeLessThanOrEqual(Math.max(mean * 0.1, 1));
    }),
    { numRuns: 100 },
  );
});

test("clients are evened out within a worker set, not between two", () => {
  const rebalancer = new SetRebalancer<
    Worker & { readonly set: { readonly pool: string | null } }
  >();
  const member = (pool: string | null, clients: number) => ({ set: { pool }, clients });
  const apart = [member(null, 100), member("own", 0)];
  for (let look = 0; look < 5; look += 1) expect(rebalancer.look(apart)).toBeNull();
  const workers = [...apart, member("own", 40), member("other", 7)];
  rebalancer.look(workers);
  expect(rebalancer.look(workers)).toEqual({ from: workers[2]!, to: workers[1]!, sessions: 20 });
  rebalancer.onNothingMoved(workers[2]!);
  expect(rebalancer.look(workers)).toBeNull();
});
