import { describe, expect, test } from "bun:test";
import { type Flushable, Turn, type Wakeable } from "../../../src/base/turn.ts";

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function target(onFlush: () => void, onWake: () => void = () => {}): Flushable & Wakeable {
  return { isMarked: false, isWoken: false, flush: onFlush, wakeUp: onWake };
}

describe("Turn", () => {
  test("flushes each once, after all were woken", async () => {
    const turn = new Turn();
    const seen: string[] = [];
    const a = target(
      () => seen.push("flush a"),
      () => seen.push("wake a"),
    );
    const b = target(
      () => seen.push("flush b"),
      () => {
        seen.push("wake b");
        turn.mark(b);
      },
    );
    turn.mark(a);
    turn.mark(a);
    turn.wake(b);
    turn.wake(b);
    expect(seen).toEqual([]);
    await nextTurn();
    expect(seen).toEqual(["wake b", "flush a", "flush b"]);
    await nextTurn();
    expect(seen.length).toBe(3);
  });

  test("what marks or wakes during the flush has a turn of its own", async () => {
    const turn = new Turn();
    let flushes = 0;
    let wakes = 0;
    const a: Flushable & Wakeable = target(
      () => {
        if (++flushes < 3) turn.mark(a);
        if (flushes === 1) turn.wake(a);
      },
      () => wakes++,
    );
    turn.mark(a);
    await nextTurn();
    expect([flushes, wakes]).toEqual([1, 0]);
    await nextTurn();
    expect([flushes, wakes]).toEqual([2, 1]);
    await nextTurn();
    await nextTurn();
    expect([flushes, wakes]).toEqual([3, 1]);
  });

  test("the clock stands still within a turn and goes on after it", async () => {
    const turn = new Turn();
    const first = turn.nowMs;
    const before = performance.now();
    while (performance.now() < before + 2);
    expect(turn.nowMs).toBe(first);
    await nextTurn();
    expect(turn.nowMs).toBeGreaterThan(first);
  });
});
