import { expect, test } from "bun:test";
import type { SlowRequest } from "../../../src/api/inspection.ts";
import { FAMILY } from "../../../src/api/latency.ts";
import { POOL } from "../../../src/api/stats.ts";
import { RequestTape } from "../../../src/client/request-tape.ts";
import { RequestTrace } from "../../../src/client/request-trace.ts";
import { type SlowClient, SlowRequests } from "../../../src/client/slow-requests.ts";

function rig(options: { slowlogMs: number | null; slowlogSlowest: number; slowlogKeys: boolean }) {
  const told: SlowRequest[] = [];
  const timers: (() => void)[] = [];
  const tape = new RequestTape();
  const live = { name: "p", ...options };
  const slow = new SlowRequests({
    ...{ options: live, tape, hasRoom: () => true, tell: (request) => told.push(request) },
    schedule: (_, callback) => {
      timers.push(callback);
      return () => {};
    },
    describe: (bytes, length) => ({ command: "GET", keys: [bytes], bytes: length }),
  });
  let counted = 0;
  const trace = new RequestTrace();
  const client: SlowClient = {
    ...{ id: 7, peer: "h:1", frontend: {}, turn: { nowMs: 50 }, trace },
    tally(counter, by) {
      if (counter === POOL.slow_requests) counted += by;
    },
  };
  return {
    ...{ slow, live, told },
    counted: () => counted,
    minute: () => timers.shift()?.(),
    ask(tookUs: number, key = "k", family: number = FAMILY.read): void {
      trace.add(0, 1, tape.put(Buffer.from(key), 0, key.length), key.length, true);
      // As where times are measured.
      if (tookUs >= slow.overUs) slow.answered(client, 0, 1, family, tookUs);
    },
  };
}

test("what is over the threshold is told at once, but for what blocks; settings change that", () => {
  const { slow, live, told, ask, counted } = rig({
    ...{ slowlogMs: 10, slowlogSlowest: 0, slowlogKeys: true },
  });
  ask(9_999);
  ask(10_000, "a");
  ask(20_000, "b", FAMILY.blocking);
  expect(told.map(({ key }) => key)).toEqual(["a"]);
  live.slowlogKeys = false;
  ask(30_000, "c");
  live.slowlogMs = null;
  slow.onSettings();
  expect(slow.isOn).toBe(false);
  ask(40_000, "d");
  expect(told.map(({ key }) => key)).toEqual(["a", null]);
  expect(counted()).toBe(2);
});

test("the slowest of each minute are told at its end, and what is over the threshold only once", () => {
  const { told, ask, minute, counted } = rig({
    ...{ slowlogMs: 1000, slowlogSlowest: 2, slowlogKeys: true },
  });
  for (const [index, tookUs] of [5, 3, 900, 4, 700, 1].entries()) ask(tookUs, `${index}`);
  expect(told).toEqual([]);
  ask(2_000_000, "over");
  expect(told.map(({ key }) => key)).toEqual(["over"]);
  minute();
  expect(told.map(({ key }) => key)).toEqual(["over", "2", "4"]);
  // The next minute begins anew.
  ask(1, "next");
  minute();
  expect(told.at(-1)?.key).toBe("next");
  expect(counted()).toBe(1);
});

test("how many of the slowest are told is what is set then", () => {
  const { slow, live, told, ask, minute } = rig({
    ...{ slowlogMs: 1000, slowlogSlowest: 0, slowlogKeys: true },
  });
  ask(900, "before");
  live.slowlogSlowest = 2;
  slow.onSettings();
  for (const [index, tookUs] of [5, 3, 900].entries()) ask(tookUs, `${index}`);
  live.slowlogSlowest = 1;
  slow.onSettings();
  minute();
  expect(told.map(({ key }) => key)).toEqual(["2"]);
});
