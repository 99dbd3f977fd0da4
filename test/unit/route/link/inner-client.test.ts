/** An InnerClient with a frontend that answers as the test says: each request is a byte. */
import { expect, test } from "bun:test";
import type { ClientPort } from "../../../../src/api/client-port.ts";
import type { Frontend } from "../../../../src/api/frontend.ts";
import { KIND, type ReplyScanner } from "../../../../src/api/protocol.ts";
import type { Failure, ReplySink } from "../../../../src/api/upstream.ts";
import { INNER_CLIENT_BYTES_MAX } from "../../../../src/base/limits.ts";
import { Turn } from "../../../../src/base/turn.ts";
import { InnerClient } from "../../../../src/route/link/inner-client.ts";

const FAILURE: Failure = { kind: "closed", wasSent: true, text: "lost" };
/** The frontend takes no more before it is woken. */
const WAIT = "W".charCodeAt(0);
const SETTLE = "S".charCodeAt(0);
const BREAK = "B".charCodeAt(0);

const SCANNER: ReplyScanner = {
  ...{ need: 0, pushType: -1, identifiesRequests: false, parts: 3 },
  scan: (_bytes, _start, end) => end,
  kindOf: () => KIND.value,
  reset() {},
};

function rig() {
  let end = (): void => {};
  const turn = new Turn({
    nowMs: () => 1,
    atTurnEnd: (callback) => {
      end = callback;
    },
  });
  const sent: [byte: string, token: number][] = [];
  const waiting: { isWoken: boolean; wakeUp(): void }[] = [];
  const frontendOf = (client: ClientPort): Frontend => ({
    ...{ need: 0, descriptors: [], isReadyToMove: false, needsFormat: 0, prefersToStay: false },
    ...{ saveState() {}, onRouteChange() {}, leave() {}, close() {} },
    failureReply: () => Buffer.alloc(0),
    consume(bytes, start, stop) {
      let at = start;
      for (; at < stop && client.mayTakeMore(); at++) {
        if (bytes[at] === WAIT && waiting.length === 0) {
          client.waitFor({ waitForRoom: (waiter) => void waiting.push(waiter) });
          break;
        }
        if (bytes[at] === SETTLE && !client.isSettled) {
          client.waitUntilSettled();
          break;
        }
        if (bytes[at] === BREAK) {
          client.finish();
          break;
        }
        sent.push([String.fromCharCode(bytes[at]!), client.open()]);
      }
      return at;
    },
  });
  const client = new InnerClient({
    ...{ turn, lane: 0, createFrontend: frontendOf, createScanner: () => SCANNER },
  });
  const told: string[] = [];
  const sink = (name: string): ReplySink => ({
    takesRuns: false,
    onReplies: (token, _count, bytes, from, to) =>
      told.push(`${name}${token}:${bytes.toString("latin1", from, to)}`),
    onFailure: (token, _count, { text }) => told.push(`${name}${token}:${text.substring(0, 16)}`),
  });
  return {
    ...{ client, sent, told, sink, waiting, turn },
    take: (text: string, to: ReplySink, token: number) =>
      client.take(Buffer.from(`..${text}`), 2, 2 + text.length, to, token, text.length),
    end: () => end(),
    answer: (place: number) => client.reply(sent[place]![1], Buffer.from(sent[place]![0])),
  };
}

test("replies go to the sinks that the requests came with, in whatever order they come", () => {
  const { take, sink, end, sent, answer, told, client } = rig();
  take("ab", sink("x"), 7);
  take("c", sink("y"), 7);
  expect(sent).toEqual([]);
  end();
  expect(sent.map(([byte]) => byte)).toEqual(["a", "b", "c"]);
  answer(2);
  answer(0);
  client.onFailure(sent[1]![1], 1, FAILURE);
  expect(told).toEqual(["y7:c", "x7:a", "x8:lost"]);
  // Once each.
  answer(0);
  expect([told.length, client.owed]).toEqual([3, 0]);
});

test("what its frontend cannot take waits, in order, until there is room or all is answered", () => {
  const { take, sink, end, sent, answer, told, waiting, turn } = rig();
  take("aWb", sink("x"), 0);
  take("Sc", sink("y"), 0);
  end();
  expect(sent.map(([byte]) => byte)).toEqual(["a"]);
  turn.wake(waiting[0]!);
  end();
  expect(sent.map(([byte]) => byte)).toEqual(["a", "W", "b"]);
  for (const place of [0, 1, 2]) answer(place);
  end();
  expect(sent.map(([byte]) => byte)).toEqual(["a", "W", "b", "S", "c"]);
  expect(told).toEqual(["x0:a", "x1:W", "x2:b"]);
});

test("requests that cannot be taken at all fail, and so does all behind them", () => {
  const { take, sink, end, client, told, sent, answer } = rig();
  take("aB", sink("x"), 0);
  take("c", sink("y"), 0);
  end();
  end();
  expect(client.isOpen).toBe(false);
  answer(0);
  expect(told).toEqual(
    ["x1:Connection reset", "y0:Connection reset", "x0:a"].map((text) => text.substring(0, 19)),
  );
  expect(sent.length).toBe(1);
});

test("many tokens may be open, and one for long", () => {
  const { take, sink, end, sent, answer, told } = rig();
  take("a".repeat(1000), sink("x"), 0);
  end();
  for (let place = 1; place < 1000; place++) answer(place);
  take("c".repeat(1000), sink("x"), 1000);
  end();
  for (let place = 1000; place < 2000; place++) answer(place);
  answer(0);
  expect([told.length, new Set(told).size, sent.length, told.at(-1)]).toEqual([
    2000,
    2000,
    2000,
    "x0:a",
  ]);
});

test("it is busy while it holds much, and those that wait for room are woken", () => {
  const { client, sink, end, waiting, turn } = rig();
  const large = Buffer.alloc(INNER_CLIENT_BYTES_MAX, "a");
  large[0] = WAIT;
  client.take(large, 0, large.length, sink("x"), 0, large.length);
  end();
  expect(client.isBusy).toBe(true);
  let woken = 0;
  client.whenRoom({ isWoken: false, wakeUp: () => void woken++ });
  turn.wake(waiting[0]!);
  end();
  end();
  expect([client.isBusy, woken]).toEqual([false, 1]);
});

test("a sink that tells replies apart is asked, and what it does not accept fails", () => {
  const { client, end, sent, answer } = rig();
  const asked: number[] = [];
  const failed: string[] = [];
  const sink: ReplySink = {
    takesRuns: false,
    onReplies() {},
    accepts: (token, _bytes, _start, _end, parts) => {
      asked.push(token, parts);
      return token === 0;
    },
    onFailure: (token, _count, { kind }) => failed.push(`${token} ${kind}`),
  };
  client.take(Buffer.from("ab"), 0, 2, sink, 0, 2);
  end();
  answer(0);
  answer(1);
  expect([asked, failed, sent.length]).toEqual([[0, 3, 1, 3], ["1 garbage"], 2]);
});
