import { expect, test } from "bun:test";
import type { ReplySink } from "../../../../src/api/upstream.ts";
import { KeptRequests } from "../../../../src/route/link/kept-requests.ts";
import { SEED } from "../../../support/seed.ts";

const sinks: ReplySink[] = Array.from({ length: 3 }, () => ({
  takesRuns: true,
  onReplies() {},
  onFailure() {},
}));

test("what was sent comes out oldest first, whatever the runs and the answers are", () => {
  console.log(`PROPERTY_SEED=${SEED}`);
  let state = SEED;
  const next = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const kept = new KeptRequests();
  /** One for each request. */
  const model: { serial: number; sink: ReplySink; token: number; start: number; done: number }[] =
    [];
  for (let step = 0; step < 20_000; step++) {
    if (next(2) === 0 || model.length === 0) {
      const count = 1 + next(5);
      const sink = sinks[next(3)]!;
      const token = next(1000);
      const bytes = Buffer.alloc(10);
      const first = kept.push(sink, token, count, bytes, step, step + 1);
      // Replies to two runs never look like one.
      const last = model.at(-1);
      if (last !== undefined) expect(first).not.toBe(last.serial + 1);
      for (let i = 0; i < count; i++) {
        model.push({ serial: first + i, sink, token: token + i, start: step, done: i });
      }
    } else {
      const place = next(model.length);
      expect(kept.find(model[place]!.serial)).toBe(model[place]!.sink);
      expect(kept.tokenFound).toBe(model[place]!.token);
      const oldest = model[0]!;
      expect([kept.sink, kept.token, kept.start, kept.done]).toEqual([
        ...[oldest.sink, oldest.token, oldest.start, oldest.done],
      ]);
      const count = 1 + next(kept.left);
      kept.shift(count);
      model.splice(0, count);
    }
    expect(kept.isEmpty).toBe(model.length === 0);
  }
  expect(kept.find(-5)).toBeNull();
});
