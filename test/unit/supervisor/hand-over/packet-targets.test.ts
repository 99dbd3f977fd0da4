import { expect, test } from "bun:test";
import { PACKETS_UNDERWAY_MAX } from "../../../../src/base/limits.ts";
import {
  type PacketTarget,
  PacketTargets,
} from "../../../../src/supervisor/hand-over/packet-targets.ts";

interface Worker extends PacketTarget {
  clients: number;
}

const worker = (clients: number): Worker => ({ isServing: true, handoverFd: 3, clients });
const now = (): number => performance.now();
const NONE: ReadonlySet<Worker> = new Set();

test("the worker with the fewest clients is chosen, those on their way counted", () => {
  const [a, b] = [worker(5), worker(4)];
  const targets = new PacketTargets(() => [a, b]);
  expect(targets.pick(a, now(), NONE)).toBe(b);
  targets.give(b);
  targets.give(b);
  expect(targets.pick(a, now(), NONE)).toBe(a);
  targets.settle(b, 2);
  expect(targets.owedInAll).toBe(0);
  expect(targets.pick(a, now(), NONE)).toBe(b);
});

test("a quick worker does not get the clients of those that are slow to take theirs", () => {
  const slow = worker(100);
  const quick = worker(100);
  const targets = new PacketTargets(() => [slow, quick]);
  const full = new Set([slow]);
  let given = 0;
  while (targets.pick(slow, now(), full) === quick && given < 10_000) {
    quick.clients += 1;
    given += 1;
  }
  expect(given).toBe(2 * PACKETS_UNDERWAY_MAX + 1);
});

test("a packet that has waited long goes to whichever worker can take it", () => {
  const hung = worker(0);
  const other = worker(5_000);
  const targets = new PacketTargets(() => [hung, other]);
  const full = new Set([hung]);
  expect(targets.pick(hung, now(), full)).toBeNull();
  expect(targets.pick(hung, now() - 60_000, full)).toBe(other);
});

test("a worker that is gone is owed nothing, and gets nothing of its own", () => {
  const [a, b] = [worker(0), worker(9)];
  const targets = new PacketTargets(() => [b]);
  targets.direct(b, a);
  targets.give(a);
  expect(targets.pick(b, now(), NONE)).toBe(a);
  expect(targets.forget(a)).toBe(1);
  expect(targets.owedInAll).toBe(0);
  expect(targets.pick(b, now(), NONE)).toBe(b);
});

test("a client goes to a worker that serves its pool, however many clients that has", () => {
  const shared: Worker = { ...worker(0), pools: ["main"] };
  const [own, other]: Worker[] = [100, 101].map((clients) => ({
    ...worker(clients),
    pools: ["own"],
  }));
  const all = [shared, own!, other!];
  const targets = new PacketTargets(() => all);
  expect(targets.areAlike).toBe(false);
  targets.give(shared);
  expect(targets.pick(shared, now(), NONE, "own")).toBe(own!);
  expect(targets.pick(shared, now(), new Set([own!]), "own")).toBe(other!);
  expect(targets.pick(own!, now(), NONE, "main")).toBe(shared);
  expect(targets.pick(own!, now(), NONE, "gone")).toBeNull();
  // What does not say whose it is goes to any: its receiver tells.
  expect(targets.pick(own!, now(), NONE, null)).toBe(shared);
});
