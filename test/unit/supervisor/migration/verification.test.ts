/** How the supervisor has a process look at keys, and what becomes of that when the process does not get through. */
import { expect, test } from "bun:test";
import type { RingPlan, VerifyOrder } from "../../../../src/api/migration.ts";
import type { ToSweeper } from "../../../../src/api/sweeper.ts";
import type {
  SweeperEvents,
  SweeperSlot,
} from "../../../../src/supervisor/migration/migration-parts.ts";
import { Verification } from "../../../../src/supervisor/migration/verification.ts";

const ORDER: VerifyOrder = { verb: "verify_keys", pool: null, mend: "move", sample: 5 };

function rig(canStart = true) {
  let events: SweeperEvents | null = null;
  let isThere = false;
  const told: ToSweeper[] = [];
  const slot: SweeperSlot = {
    get isThere() {
      return isThere;
    },
    start() {
      isThere = canStart;
    },
    stop() {
      if (!isThere) return;
      isThere = false;
      events!.onGone();
    },
    send() {},
    tell: (message) => void told.push(message),
    reopenLog() {},
    tick() {},
    statuses: [],
  };
  const plan = { servers: [] } as unknown as RingPlan;
  const other = { servers: [], hash: "md5" } as unknown as RingPlan;
  const pool = { epoch: 1, phase: "before", isHeld: false, swept: [] } as const;
  const order = {
    revision: 7,
    pools: [
      { ...pool, pool: "rests", from: plan, to: plan },
      { ...pool, pool: "moves", from: plan, to: other },
    ],
  };
  const seen: string[][] = [];
  const verification = new Verification(
    (given, orderOf) => {
      events = given;
      seen.push(orderOf().pools.map((one) => one.pool));
      return slot;
    },
    () => order,
  );
  return { verification, told, seen, events: () => events!, isThere: () => isThere };
}

test("it is asked when it is ready, told of pools at rest only, and ended when it has answered", async () => {
  const { verification, told, seen, events, isThere } = rig();
  const answer = verification.verify(["rests"], ORDER);
  expect(told).toEqual([]);
  await expect(verification.verify(["rests"], ORDER)).rejects.toThrow("already");
  events().onMessage({ type: "ready", pid: 1, version: "" });
  expect(told).toEqual([{ type: "verify", pools: ["rests"], mend: "move", sample: 5 }]);
  expect(seen).toEqual([["rests"]]);
  events().onMessage({ type: "verified", pools: [] });
  expect(await answer).toEqual([]);
  expect(isThere()).toBe(false);
});

test("one that dies, is stopped, or cannot start is an error, and not begun anew", async () => {
  const dies = rig();
  const died = dies.verification.verify(["rests"], ORDER);
  dies.events().onDeath?.();
  await expect(died).rejects.toThrow("has died");
  expect(dies.isThere()).toBe(false);
  const stops = rig();
  const stopped = stops.verification.verify(["rests"], ORDER);
  stops.verification.close();
  await expect(stopped).rejects.toThrow("stopped");
  const { verification } = rig(false);
  await expect(verification.verify(["rests"], ORDER)).rejects.toThrow("no workers serve");
});
