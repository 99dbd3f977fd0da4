import { expect, test } from "bun:test";
import { LeastLoaded } from "../../../src/acceptor/least-loaded.ts";
import { POOL } from "../../../src/api/stats.ts";
import { createStatsLayout, slotRegion, statsByteLength } from "../../../src/metrics/layout.ts";
import { statsConfig } from "../metrics/stats-config.ts";

const SLOTS = 3;

function rig() {
  const layout = createStatsLayout(statsConfig({ a: ["s"], b: ["s"] }), SLOTS);
  const memory = new Float64Array(statsByteLength(layout) / 8);
  const load = new LeastLoaded(memory, layout, [0, 1, 2]);
  const add = (slot: number, pool: number, counter: number, by: number): void => {
    slotRegion(memory, layout, slot)[layout.pools[pool]!.base + counter]! += by;
  };
  /** A worker takes (or loses) clients. */
  const take = (slot: number, pool: number, count: number): void => {
    add(slot, pool, POOL.client_connections, count);
    if (count > 0) add(slot, pool, POOL.client_connections_total, count);
  };
  return { load, take };
}

test("the clients of all pools count", () => {
  const { load, take } = rig();
  take(0, 0, 2);
  take(1, 0, 1);
  take(1, 1, 2);
  take(2, 1, 1);
  load.refresh(0);
  expect(load.order()).toEqual([2, 0, 1]);
});

test("equals take turns", () => {
  const { load } = rig();
  load.refresh(0);
  expect([load.order()[0], load.order()[0], load.order()[0], load.order()[0]]).toEqual([
    0, 1, 2, 0,
  ]);
});

test("what is underway counts until it was taken", () => {
  const { load, take } = rig();
  load.refresh(0);
  for (let i = 0; i < 2; i++) load.onSent(0, 0);
  load.onSent(1, 0);
  expect(load.order()).toEqual([2, 1, 0]);
  load.refresh(1);
  expect(load.order()).toEqual([2, 1, 0]);
  // Taken, and gone again at once: neither underway nor there.
  take(0, 0, 2);
  take(0, 0, -2);
  take(2, 0, 1);
  load.refresh(2);
  expect(load.order()[0]).toBe(0);
});

test("what was refused is forgotten after a pause", () => {
  const { load } = rig();
  load.refresh(0);
  for (let i = 0; i < 5; i++) load.onSent(0, 0);
  load.onSent(1, 0);
  load.onSent(2, 0);
  load.refresh(150);
  expect(load.order()[2]).toBe(0);
  load.refresh(1000);
  load.onSent(1, 1000);
  load.onSent(2, 1000);
  expect(load.order()[0]).toBe(0);
});
