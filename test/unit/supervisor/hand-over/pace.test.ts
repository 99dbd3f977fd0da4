import { expect, test } from "bun:test";
import { MOVE_REST_MS_MAX } from "../../../../src/base/limits.ts";
import { Pace } from "../../../../src/supervisor/hand-over/pace.ts";

test("after a round it rests for as long as the round took, up to a limit", () => {
  let nowMs = 1000;
  const pace = new Pace(2, () => nowMs);
  const rounds: number[] = [];
  for (const tookMs of [4, 0.5, 1_000]) {
    pace.onTaken();
    pace.onPassed();
    expect(pace.restMs).toBe(0);
    nowMs += tookMs;
    pace.onTaken();
    pace.onPassed();
    rounds.push(pace.restMs);
    nowMs += pace.restMs;
    expect(pace.restMs).toBe(0);
  }
  expect(rounds).toEqual([4, 0, MOVE_REST_MS_MAX]);
});

test("a round begins when the rest before it ends, because its receivers are still busy then", () => {
  let nowMs = 1000;
  const pace = new Pace(1, () => nowMs);
  pace.onTaken();
  nowMs += 5;
  pace.onPassed();
  nowMs += 5 + 7;
  pace.onTaken();
  pace.onPassed();
  expect(pace.restMs).toBe(7);
});

test("a round that was not full is forgotten when nothing is left to pass on", () => {
  let nowMs = 1000;
  const pace = new Pace(2, () => nowMs);
  pace.onTaken();
  pace.onPassed();
  pace.onIdle();
  nowMs += 10_000;
  for (let i = 0; i < 2; i++) {
    pace.onTaken();
    pace.onPassed();
  }
  expect(pace.restMs).toBe(0);
});
