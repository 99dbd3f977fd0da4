import { expect, test } from "bun:test";
import type { ReplySink } from "../../../../src/api/upstream.ts";
import { KeptRequests } from "../../../../src/route/link/kept-requests.ts";
import { SEED } from "../../../support/seed.ts";

const sinks: ReplySink[] = Array.from({ length: 3 }, () => ({
  takesRuns: true,
  onReplies() {},
  onFailure() {},
}));

interface Request {
  readonly serial: number;
  readonly sink: ReplySink;
  readonly token: number;
  readonly start: number;
  readonly index: number;
}

test("what was sent is found as long as it is not answered, whatever the runs and the order of answers are", () => {
  console.log(`PROPERTY_SEED=${SEED}`);
  let state = SEED;
  const next = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const kept = new KeptRequests();
  /** One for each request that is not answered, in the order in which they were sent. */
  const model: Request[] = [];
  let last = -2;
  for (let step = 0; step < 20_000; step++) {
    if ((next(2) === 0 && model.length < 50) || model.length === 0) {
      const count = 1 + next(5);
      const sink = sinks[next(3)]!;
      const token = next(1000);
      const first = kept.push(sink, token, count, Buffer.alloc(10), step, step + 1);
      // Replies to two runs never look like one.
      expect(first).not.toBe(last + 1);
      last = first + count - 1;
      for (let i = 0; i < count; i++) {
        model.push({ serial: first + i, sink, token: token + i, start: step, index: i });
      }
    } else {
      const place = next(2) === 0 ? 0 : next(model.length);
      const request = model[place]!;
      expect(kept.find(request.serial)).toBeTrue();
      expect([kept.sink, kept.token, kept.start, kept.indexFound]).toEqual([
        ...[request.sink, request.token, request.start, request.index],
      ]);
      // Several replies come at once when they are neighbours in a run.
      let count = 1;
      while (next(2) === 0 && model[place + count]?.serial === request.serial + count) count++;
      kept.settle(request.serial, count);
      model.splice(place, count);
    }
    expect(kept.isEmpty).toBe(model.length === 0);
  }
  expect(kept.find(-5)).toBeFalse();
});
