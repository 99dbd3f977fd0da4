import { expect, test } from "bun:test";
import { KIND } from "../../../../src/api/protocol.ts";
import type { Failure, ReplySink } from "../../../../src/api/upstream.ts";
import { MIRRORED_AT_ONCE } from "../../../../src/base/limits.ts";
import { Comparison, NO_PAIR } from "../../../../src/route/link/comparison.ts";
import { isInShare } from "../../../../src/route/link/share.ts";

const FAILURE: Failure = { kind: "closed", wasSent: true, text: "lost" };

function rig(): {
  readonly compared: Comparison;
  readonly seen: string[];
  readonly sink: ReplySink;
} {
  const seen: string[] = [];
  const compared = new Comparison({
    same: () => seen.push("same"),
    different: () => seen.push("different"),
  });
  const sink: ReplySink = {
    takesRuns: false,
    onReplies: (token, _count, bytes, start, end) =>
      seen.push(`${token} ${bytes.toString("latin1", start, end)}`),
    onFailure: (token, _count, { text }) => seen.push(`${token} ${text}`),
  };
  return { compared, seen, sink };
}

function say(sink: ReplySink, pair: number, text: string): void {
  const bytes = Buffer.from(`..${text}`);
  sink.onReplies(pair, 1, bytes, 2, bytes.length, KIND.value);
}

test("whichever comes first, the client has the first at once, and the two are compared once", () => {
  const { compared, seen, sink } = rig();
  const pairs = [10, 11, 12].map((token) => compared.begin(sink, token));
  say(compared.ofMain, pairs[0]!, "+A");
  say(compared.ofCopy, pairs[1]!, "+B");
  say(compared.ofCopy, pairs[0]!, "+A");
  say(compared.ofMain, pairs[1]!, "+C");
  compared.ofMain.onFailure(pairs[2]!, 1, FAILURE);
  say(compared.ofCopy, pairs[2]!, "+A");
  expect(seen).toEqual(["10 +A", "same", "different", "11 +C", "12 lost"]);
});

test("a copy that is lost compares with nothing, and a late one not with another request's", () => {
  const { compared, seen, sink } = rig();
  const lost = compared.begin(sink, 1);
  compared.ofCopy.onFailure(lost, 1, FAILURE);
  say(compared.ofMain, lost, "+A");
  const late = compared.begin(sink, 2);
  say(compared.ofMain, late, "+A");
  for (let i = 0; i < 4 * MIRRORED_AT_ONCE; i++) {
    // Its copy is still to come.
    say(compared.ofMain, compared.begin(sink, 3), "+B");
  }
  say(compared.ofCopy, late, "+Z");
  expect(seen.filter((text) => !text.startsWith("3"))).toEqual(["1 +A", "2 +A"]);
});

test("no more than so many are compared at a time", () => {
  const { compared, sink } = rig();
  const pairs = Array.from({ length: MIRRORED_AT_ONCE }, () => compared.begin(sink, 1));
  expect(new Set(pairs).size).toBe(MIRRORED_AT_ONCE);
  expect(compared.begin(sink, 1)).toBe(NO_PAIR);
  say(compared.ofMain, pairs[7]!, "+A");
  expect(compared.begin(sink, 1)).not.toBe(NO_PAIR);
});

test("a share of keys is about so large, for keys that are alike, and grows by more keys only", () => {
  const keys = Array.from({ length: 20_000 }, (_, i) => Buffer.from(`user:${i}`));
  const inShare = (share: number): number[] =>
    keys.flatMap((key, i) => (isInShare(key, 0, key.length, share) ? [i] : []));
  const tenth = inShare(0.1);
  expect(Math.abs(tenth.length - 2000)).toBeLessThan(200);
  const third = new Set(inShare(1 / 3));
  expect(tenth.every((key) => third.has(key))).toBe(true);
  expect(inShare(1).length).toBe(keys.length);
});
