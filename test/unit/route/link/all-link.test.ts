/** Writes that go to two branches: what the client hears of both. */
import { expect, test } from "bun:test";
import { KIND, type ReplyKind } from "../../../../src/api/protocol.ts";
import type { Failure } from "../../../../src/api/upstream.ts";
import { WRITTEN_TO_ALL_AT_ONCE } from "../../../../src/base/route-limits.ts";
import { Turn, type Wakeable } from "../../../../src/base/turn.ts";
import { AllLink } from "../../../../src/route/link/all-link.ts";
import { Branch, LetterReader, LOST, listener, UNSENT } from "./link-rig.ts";

function rig(waits: boolean) {
  const main = new Branch();
  const other = new Branch();
  const woken: Wakeable[] = [];
  const turn = new (class extends Turn {
    override wake(waiter: Wakeable): void {
      woken.push(waiter);
    }
  })({ atTurnEnd() {} } as never);
  let failed = 0;
  const link = new AllLink({
    ...{ main: main.link, reader: new LetterReader(), createInner: () => other.inner, waits, turn },
    count: (_requests, more) => {
      failed += more;
    },
  });
  const { told, sink } = listener();
  const send = (text: string, token: number): void =>
    link.send(Buffer.from(text), 0, text.length, sink, token, text.length);
  return { main, other, link, told, sink, send, woken, failed: () => failed };
}

test("reads go to the first, neighbours as one range, and writes to both, in their order", () => {
  const { main, other, told, send } = rig(true);
  send("abCdE", 10);
  expect(main.texts).toEqual(["ab", "C", "d", "E"]);
  expect(other.texts).toEqual(["C", "E"]);
  main.reply(0, "1");
  main.reply(1, "2");
  main.reply(2, "3");
  expect(told).toEqual(["10 1", "13 3"]);
  other.reply(1, "x");
  other.reply(0, "y");
  expect(told.slice(2)).toEqual(["12 2"]);
  main.reply(3, "4");
  expect(told.slice(3)).toEqual(["14 4"]);
});

test("an error or a failure of any of them is the reply, and of two the worse one", () => {
  const { main, other, told, send, failed } = rig(true);
  send("ABCDE", 0);
  main.reply(0, "ok");
  other.reply(0, "-ERR", KIND.error);
  main.reply(1, "-MAIN", KIND.error);
  other.reply(1, "-OTHER", KIND.error);
  other.fail(2, LOST);
  main.reply(2, "-MAIN", KIND.error);
  main.fail(3, UNSENT);
  other.fail(3, UNSENT);
  main.reply(4, "ok");
  other.reply(4, "miss", KIND.miss);
  expect(told).toEqual(["0 -ERR", "1 -MAIN", "2 lost, maybe executed", "3 refused", "4 ok"]);
  expect(failed()).toBe(4);
});

test("what one has executed is not told to be not executed", () => {
  const { main, other, told, send } = rig(true);
  send("AB", 0);
  main.reply(0, "ok");
  other.fail(0, UNSENT);
  other.fail(1, LOST);
  main.fail(1, UNSENT);
  expect(told[0]).toEndWith("may have been executed, maybe executed");
  expect(told[1]).toEndWith("may have been executed, maybe executed");
});

test("where the first decides its reply is told at once, whatever becomes of the other", () => {
  const { main, other, told, send } = rig(false);
  send("ABC", 0);
  main.reply(0, "ok");
  expect(told).toEqual(["0 ok"]);
  other.fail(0, LOST);
  other.reply(1, "-ERR", KIND.error);
  expect(told).toEqual(["0 ok"]);
  main.reply(1, "ok");
  main.fail(2, LOST);
  other.reply(2, "ok");
  expect(told).toEqual(["0 ok", "1 ok", "2 lost, maybe executed"]);
});

test("writes go to the other also while the first is down", () => {
  const { main, other, told, send, link } = rig(true);
  main.refusal = UNSENT;
  expect(link.refusal).toBeNull();
  send("aB", 0);
  expect([main.texts, other.texts]).toEqual([[], ["B"]]);
  other.reply(0, "ok");
  expect(told).toEqual([
    "0 refused",
    "1 refused; in another pool of the route the command may have been executed, maybe executed",
  ]);
  const chosen: Failure = { ...UNSENT, reply: Buffer.from("-WRONGPASS\r\n") };
  main.refusal = chosen;
  expect(link.refusal).toBe(chosen);
});

test("nothing is left out: clients wait while one of the two takes no more, and are woken", () => {
  const { main, other, link, send, woken } = rig(false);
  const waiter = { isMarked: false, isWoken: false, wakeUp() {} } as unknown as Wakeable;
  for (let i = 0; i < WRITTEN_TO_ALL_AT_ONCE; i++) send("A", i);
  for (let i = 0; i < WRITTEN_TO_ALL_AT_ONCE; i++) main.reply(i, "ok");
  expect(link.isFull).toBeTrue();
  link.waitForRoom(waiter);
  expect(woken).toEqual([]);
  other.reply(0, "ok");
  expect(woken).toEqual([waiter]);
  expect(link.isFull).toBeFalse();
  other.isBusy = true;
  expect(link.isFull).toBeTrue();
  link.waitForRoom(waiter);
  expect(other.waiters).toEqual([waiter]);
});

test("a reply of the second branch, too, is made the one that the client asked for", () => {
  for (const waits of [true, false]) {
    const { main, other, link, told, sink } = rig(waits);
    // As sinks do it that tell replies by a number of their own.
    const accepts = (token: number, bytes: Buffer, start: number): boolean => {
      bytes[start] = 0x30 + token;
      return true;
    };
    link.send(Buffer.from("A"), 0, 1, { ...sink, accepts }, 7, 1);
    const reply = ({ sent }: Branch, text: string, kind: ReplyKind): void => {
      const { sink: own, token } = sent[0]!;
      const bytes = Buffer.from(text);
      expect(own.accepts?.(token, bytes, 0, bytes.length, 0) ?? true).toBe(true);
      own.onReplies(token, 1, bytes, 0, bytes.length, kind);
    };
    reply(main, "x ok", KIND.value);
    reply(other, "x error", KIND.error);
    expect(told).toEqual([waits ? "7 7 error" : "7 7 ok"]);
  }
});
