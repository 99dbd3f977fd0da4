/** Which worker is given which listening sockets, by worker set. */
import { afterEach, expect, test } from "bun:test";
import type { Config } from "../../../../src/api/config.ts";
import { oneSet, workerSets, workersIn } from "../../../../src/config/worker-sets.ts";
import { type ListenerPlan, Listeners } from "../../../../src/supervisor/sockets/listeners.ts";
import { freePort } from "../../../support/free-port.ts";
import { loadConfig } from "../../../support/load-config.ts";

let listeners = new Listeners();

afterEach(() => {
  listeners.close();
  listeners = new Listeners();
});

function load(ports: readonly number[], own: number, accept = "reuseport"): Config {
  const pools = ports.map((port, i) => {
    const workers = i === 1 && own > 0 ? `workers: { own: ${own} }, ` : "";
    return `  p${i}: { listen: "127.0.0.1:${port}", ${workers}servers: [h:1:1] }\n`;
  });
  return loadConfig(`accept: ${accept}\npools:\n${pools.join("")}`, "proxy.yaml").config!;
}

/** By worker: the pools of its sockets. */
function given(plan: ListenerPlan, workers: number): string[][] {
  return Array.from({ length: workers }, (_, index) =>
    listeners.forWorker(plan, index, workers).grants.map(({ pool }) => pool),
  );
}

test("each worker of a set has a socket of each of its pools, and none of another's", async () => {
  const ports = [freePort(), freePort()];
  const config = load(ports, 2);
  const sets = workerSets(config, 3);
  const plan = await listeners.prepare(config, sets);
  expect(given(plan, workersIn(sets))).toEqual([["p0"], ["p0"], ["p0"], ["p1"], ["p1"]]);
  expect(listeners.provided(plan, 5)).toEqual([0, 1, 2, 3, 4]);
});

test("a pool that gets more workers, or its own, keeps its sockets: those that have one start first", async () => {
  const ports = [freePort(), freePort()];
  const shared = load(ports, 0);
  const before = await listeners.prepare(shared, workerSets(shared, 2));
  expect(given(before, 2)).toEqual([
    ["p0", "p1"],
    ["p0", "p1"],
  ]);
  const config = load(ports, 3);
  const plan = await listeners.prepare(config, workerSets(config, 1));
  expect(listeners.provided(plan, 4)).toEqual([0, 1, 2]);
  listeners.widen(plan, 4);
  expect(listeners.provided(plan, 4)).toEqual([0, 1, 2, 3]);
  // The surplus of the shared pool goes to the one that is left.
  expect(given(plan, 4)).toEqual([["p0", "p0"], ["p1"], ["p1"], ["p1"]]);
  // Fewer again: no queue is without a worker.
  const fewer = await listeners.prepare(shared, workerSets(shared, 1));
  expect(given(fewer, 1)).toEqual([["p0", "p0", "p1", "p1", "p1"]]);
});

test("where all share a socket, those of the pool's set do", async () => {
  const config = load([freePort(), freePort()], 2, "dispatch");
  const plan = await listeners.prepare(config, workerSets(config, 2));
  expect(given(plan, 4)).toEqual([["p0"], ["p0"], ["p1"], ["p1"]]);
  expect(listeners.provided(plan, 4)).toEqual([0, 1, 2, 3]);
});

test("a plan of a program without worker sets is one of all workers", async () => {
  const config = load([freePort(), freePort()], 2);
  const { pools, ...rest } = await listeners.prepare(config, oneSet(config, 2));
  const older = { ...rest, pools: pools.map(({ workers: _, ...pool }) => pool) };
  expect(given(older, 2)).toEqual([
    ["p0", "p1"],
    ["p0", "p1"],
  ]);
});
