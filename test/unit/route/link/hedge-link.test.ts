/** Reads that are late are sent to a second branch, within a budget: one reply for each, whichever comes first. */
import { expect, test } from "bun:test";
import { KIND } from "../../../../src/api/protocol.ts";
import { HedgeLink } from "../../../../src/route/link/hedge-link.ts";
import { ShareBudget } from "../../../../src/route/link/share-budget.ts";
import { ManualDeadlines, ManualTurn } from "../../../support/manual-deadlines.ts";
import { SEED } from "../../../support/seed.ts";
import { Branch, LetterReader, LOST, listener, UNSENT } from "./link-rig.ts";

function rig(share = 1) {
  const main = new Branch();
  const other = new Branch();
  const turn = new ManualTurn({ atTurnEnd() {} } as never);
  const deadlines = new ManualDeadlines(turn);
  const counts = { hedged: 0, won: 0, unhedged: 0 };
  const link = new HedgeLink({
    ...{ main: main.link, reader: new LetterReader(), createInner: () => other.inner },
    ...{ afterMs: 20, budget: new ShareBudget(share, 10), turn, deadlines },
    counts: {
      hedged: () => void counts.hedged++,
      won: () => void counts.won++,
      unhedged: () => void counts.unhedged++,
    },
  });
  const { told, sink } = listener();
  const send = (text: string, token: number): void =>
    link.send(Buffer.from(text), 0, text.length, sink, token, text.length);
  const pass = (ms: number): void => deadlines.reach(turn.atMs + ms);
  return { main, other, link, told, send, pass, counts };
}

test("only reads that are late are sent again, and the first value is the reply", () => {
  const { main, other, told, send, pass, counts } = rig();
  send("aBcd", 5);
  expect(main.texts).toEqual(["a", "B", "c", "d"]);
  main.reply(0, "1");
  pass(19);
  expect(other.texts).toEqual([]);
  pass(1);
  expect(other.texts).toEqual(["c", "d"]);
  other.reply(0, "3'");
  main.reply(1, "2");
  main.reply(2, "3");
  main.reply(3, "4");
  other.reply(1, "4'");
  expect(told).toEqual(["5 1", "7 3'", "6 2", "8 4"]);
  expect(counts).toEqual({ hedged: 2, won: 1, unhedged: 0 });
});

test("errors, misses and failures of the second are no reply, and one of the first waits for the second", () => {
  const { main, other, told, send, pass } = rig();
  send("abcdef", 0);
  pass(20);
  other.reply(0, "-ERR", KIND.error);
  other.reply(1, "none", KIND.miss);
  other.fail(2, LOST);
  expect(told).toEqual([]);
  main.reply(0, "0");
  main.reply(1, "1");
  main.fail(2, LOST);
  main.fail(3, UNSENT);
  main.fail(4, UNSENT);
  main.fail(5, UNSENT);
  expect(told).toEqual(["0 0", "1 1", "2 lost, maybe executed"]);
  other.reply(3, "3'");
  other.reply(4, "none", KIND.miss);
  other.fail(5, LOST);
  expect(told.slice(3)).toEqual(["3 3'", "4 refused", "5 refused"]);
});

test("a failure that comes in time is told at once", () => {
  const { main, told, send, pass, other } = rig();
  send("a", 0);
  main.fail(0, UNSENT);
  pass(100);
  expect([told, other.texts]).toEqual([["0 refused"], []]);
});

test("no more than a share of reads is sent again", () => {
  const { main, other, send, pass, counts } = rig(0.1);
  for (let i = 0; i < 100; i++) send("a", i);
  pass(20);
  // Ten that were saved; the others have saved nothing, because no more than ten can be.
  expect(counts).toEqual({ hedged: 10, won: 0, unhedged: 90 });
  for (let i = 0; i < 100; i++) main.reply(i, "1");
  for (let i = 0; i < 20; i++) send("a", i);
  pass(20);
  expect(counts.hedged).toBe(12);
  expect(other.sent).toHaveLength(12);
});

test("each read gets one outcome, its own, in whatever order branches answer", () => {
  let state = SEED;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const { main, other, send, pass, told } = rig(0.5);
  let token = 0;
  let [mainAt, otherAt] = [0, 0];
  for (let step = 0; step < 20_000; step++) {
    const dice = random();
    if (dice < 0.4) send(String.fromCharCode(97 + (token % 26)), token++);
    else if (dice < 0.7 && mainAt < main.sent.length) {
      const { text } = main.sent[mainAt]!;
      if (random() < 0.1) main.fail(mainAt++, LOST);
      else main.reply(mainAt++, text);
    } else if (dice < 0.85 && otherAt < other.sent.length) {
      const { text } = other.sent[otherAt]!;
      if (random() < 0.2) other.fail(otherAt++, LOST);
      else other.reply(otherAt++, text);
    } else pass(Math.floor(random() * 15));
  }
  while (mainAt < main.sent.length) main.reply(mainAt, main.sent[mainAt++]!.text);
  while (otherAt < other.sent.length) other.reply(otherAt, other.sent[otherAt++]!.text);
  const seen = new Map<number, string>();
  for (const line of told) {
    const [number = "", text = ""] = line.split(/ (.*)/);
    expect(seen.has(Number(number))).toBeFalse();
    seen.set(Number(number), text);
  }
  expect(seen.size).toBe(token);
  for (const [number, text] of seen) {
    if (!text.startsWith("lost")) expect(text).toBe(String.fromCharCode(97 + (number % 26)));
  }
  expect(other.sent.length).toBeGreaterThan(100);
});
