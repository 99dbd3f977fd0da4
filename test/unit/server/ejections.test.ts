import { describe, expect, test } from "bun:test";
import type { PoolConfig } from "../../../src/api/config.ts";
import { RETURN_TOGETHER_MS } from "../../../src/base/limits.ts";
import { type Ejectable, Ejections, ejectedMax } from "../../../src/server/ejections.ts";
import { type Timer, timerRecorder } from "./upstream-rig.ts";

const PROBE_MS = 30_000;

class TestServer implements Ejectable {
  isEjected = false;
  kept = 0;
  probes = 0;
  eject(): void {
    this.isEjected = true;
  }
  keep(): void {
    this.kept++;
  }
  restore(): void {
    this.isEjected = false;
  }
  probe(): void {
    this.probes++;
  }
}

function rig(total: number, outMax: number) {
  const timers: Timer[] = [];
  const servers = Array.from({ length: total }, () => new TestServer());
  /** What was out of the ring after each change of it. */
  const rings: string[] = [];
  const out = (): string => servers.map(({ isEjected }, i) => (isEjected ? i : "")).join("");
  const ejections = new Ejections({
    ...{
      total: () => total,
      outMax: () => outMax,
      probeIntervalMs: () => PROBE_MS,
      schedule: timerRecorder(timers),
    },
    onChange: () => rings.push(out()),
  });
  return {
    ...{ servers, timers, rings, out },
    troubles: (...indexes: number[]) => {
      for (const i of indexes) ejections.onTrouble(servers[i]!);
    },
    fails: (...indexes: number[]) => {
      for (const i of indexes) ejections.onFailed(servers[i]!);
    },
    answers: (...indexes: number[]) => {
      for (const i of indexes) {
        ejections.onReply(servers[i]!);
        ejections.onAnswered(servers[i]!);
      }
    },
    replies: (i: number) => ejections.onReply(servers[i]!),
    /** Lets the timer fire that was set last, and tells its delay. */
    fire: (): number => {
      const timer = timers.filter(({ isCancelled }) => !isCancelled).at(-1)!;
      timers.splice(timers.indexOf(timer), 1);
      timer.callback();
      return timer.delayMs;
    },
    pending: () => timers.filter(({ isCancelled }) => !isCancelled).length,
  };
}

describe("Ejections", () => {
  test("one of two, or of many, leaves at once and returns at once", () => {
    for (const total of [2, 5]) {
      const { fails, answers, rings, pending } = rig(total, 1);
      fails(1);
      answers(1);
      expect(rings).toEqual(["1", ""]);
      expect(pending()).toBe(0);
    }
  });

  test("no more leave than may: the others keep their keys until there is room", () => {
    const { fails, answers, rings, servers, fire } = rig(5, 2);
    fails(0, 1, 2);
    expect(rings).toEqual(["0", "01"]);
    expect(servers[2]!.kept).toBe(1);
    answers(0);
    // Number 1 is still awaited.
    expect(rings.length).toBe(2);
    fire();
    expect(rings.at(-1)).toBe("1");
    // Now there is room for number 2.
    expect(fire()).toBe(PROBE_MS);
    expect(rings.at(-1)).toBe("12");
  });

  test("when all have failed, all are in the ring, and none leaves while others come back", () => {
    const { fails, answers, rings, out, pending, fire } = rig(4, 2);
    fails(0, 1, 2, 3);
    expect(rings).toEqual(["0", "01", ""]);
    answers(2);
    answers(0);
    answers(3);
    expect(out()).toBe("");
    expect(pending()).toBe(1);
    expect(fire()).toBe(PROBE_MS);
    expect(rings.slice(3)).toEqual(["1"]);
    answers(1);
    expect(rings.at(-1)).toBe("");
  });

  test("one that comes back and fails again meanwhile keeps its keys, too", () => {
    const { fails, answers, out } = rig(4, 2);
    fails(0, 1, 2, 3);
    answers(0, 1, 2);
    fails(1);
    expect(out()).toBe("");
  });

  test("the only server of a pool stays in the ring", () => {
    const { fails, answers, rings, servers } = rig(1, 1);
    fails(0);
    answers(0);
    expect(rings).toEqual([]);
    expect(servers[0]!.kept).toBe(1);
  });

  test("none leaves while too many others are in trouble", () => {
    const { troubles, fails, replies, out, fire, servers, pending } = rig(4, 2);
    troubles(0, 1, 2);
    fails(0);
    expect(out()).toBe("");
    expect(servers[0]!.kept).toBe(1);
    replies(1);
    expect(pending()).toBe(1);
    replies(2);
    expect(fire()).toBe(RETURN_TOGETHER_MS);
    expect(out()).toBe("0");
  });

  test("trouble that becomes a failure counts once, and what there is room for leaves soon", () => {
    const { troubles, fails, out, fire } = rig(4, 2);
    troubles(0, 1, 2);
    fails(0, 1, 2);
    expect(out()).toBe("");
    expect(fire()).toBe(RETURN_TOGETHER_MS);
    expect(out()).toBe("01");
  });

  test("servers that answer at nearly the same time return by one change of the ring", () => {
    const { fails, answers, rings, servers, timers, pending } = rig(6, 3);
    fails(0, 1, 2);
    rings.length = 0;
    answers(1);
    expect(servers.map(({ probes }) => probes)).toEqual([1, 0, 1, 0, 0, 0]);
    expect(timers.at(-1)!.delayMs).toBe(RETURN_TOGETHER_MS);
    answers(0);
    expect(rings).toEqual([]);
    answers(2);
    expect(rings).toEqual([""]);
    expect(pending()).toBe(0);
  });

  test("one that answers does not wait for ever for one that does not", () => {
    const { fails, answers, fire, rings } = rig(6, 3);
    fails(0, 1);
    answers(1);
    fire();
    expect(rings.at(-1)).toBe("0");
  });
});

test("ejectedMax: a share of the servers, but one at least", () => {
  const max = (total: number, maxEjectionPercent: number): number =>
    ejectedMax(total, { maxEjectionPercent } as PoolConfig);
  expect([1, 2, 3, 4, 5, 9].map((total) => max(total, 50))).toEqual([1, 1, 1, 2, 2, 4]);
  expect([max(4, 1), max(4, 100)]).toEqual([1, 4]);
});
