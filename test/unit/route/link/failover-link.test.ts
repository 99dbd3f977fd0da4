/** Which failures a FailoverLink sends on: requests are letters, lower case for reads. */
import { expect, test } from "bun:test";
import { KIND } from "../../../../src/api/protocol.ts";
import { ACCESS } from "../../../../src/api/request-facts.ts";
import type { Failure, Link, ReplySink } from "../../../../src/api/upstream.ts";
import { FailoverLink } from "../../../../src/route/link/failover-link.ts";
import type { InnerClient } from "../../../../src/route/link/inner-client.ts";
import { ShareBudget } from "../../../../src/route/link/share-budget.ts";

const LOST: Failure = { kind: "closed", wasSent: true, text: "lost" };
const UNSENT: Failure = { kind: "refused", wasSent: false, text: "refused" };
const LOADING: Failure = { kind: "handshake", wasSent: false, text: "loading" };
const CHOSEN: Failure = { ...LOADING, text: "wrong user", reply: Buffer.from("-WRONGPASS\r\n") };
const STOPPING: Failure = { kind: "stopping", wasSent: false, text: "stopping" };

function rig(refusal: Failure | null = null, budget = new ShareBudget(0.5, 10)) {
  const counts = { overBudget: 0 };
  const sent: { sink: ReplySink; token: number; count: number }[] = [];
  const main: Link = {
    ...{ refusal, isFull: false },
    send: (_bytes, _start, _end, sink, token, count) => void sent.push({ sink, token, count }),
    begin: () => {
      throw new Error("nothing is composed");
    },
    commit() {},
    waitForRoom() {},
  };
  const passed: string[] = [];
  const told: string[] = [];
  const inner = {
    ...{ isOpen: true, isBusy: false },
    take: (bytes: Buffer, start: number, end: number, _sink: ReplySink, token: number) =>
      passed.push(`${token} ${bytes.toString("latin1", start, end)}`),
  };
  const link = new FailoverLink({
    ...{ main, cap: null, onMisses: false, budget, count() {} },
    onOverBudget: () => {
      counts.overBudget++;
    },
    reader: {
      ...{ keyStart: 0, keyEnd: 0, access: ACCESS.read },
      read(bytes, start) {
        const isRead = bytes[start]! >= 0x61;
        Object.assign(this, { access: isRead ? ACCESS.read : ACCESS.write });
        return start + 1;
      },
    },
    createInner: () => inner as unknown as InnerClient,
  });
  const sink: ReplySink = {
    takesRuns: true,
    onReplies: (token, count, bytes, start, end) =>
      told.push(`${token}+${count} ${bytes.toString("latin1", start, end)}`),
    onFailure: (token, _count, { text }) => told.push(`${token} ${text}`),
  };
  return { link, sent, passed, told, sink, counts };
}

test("reads that were lost and all that was not sent go on, each with its own bytes", () => {
  const { link, sent, passed, told, sink } = rig();
  link.send(Buffer.from(".aBcD"), 1, 5, sink, 10, 4);
  const { sink: own, token } = sent[0]!;
  own.onReplies(token, 1, Buffer.from("1"), 0, 1, KIND.mixed);
  own.onFailure(token + 1, 2, LOST);
  own.onFailure(token + 3, 1, UNSENT);
  expect([told, passed]).toEqual([
    ["10+1 1", "11 lost"],
    ["12 c", "13 D"],
  ]);
});

test("what a client chose and a server refuses is told to it, and sent nowhere else", () => {
  expect(rig(CHOSEN).link.refusal).toBe(CHOSEN);
  expect(rig(STOPPING).link.refusal).toBe(STOPPING);
  for (const refusal of [UNSENT, LOADING]) {
    const { link, passed, sink } = rig(refusal);
    expect(link.refusal).toBeNull();
    link.send(Buffer.from("aB"), 0, 2, sink, 5, 2);
    expect(passed).toEqual(["5 aB"]);
  }
  const { link, sent, passed, told, sink } = rig();
  link.send(Buffer.from("ab"), 0, 2, sink, 5, 2);
  sent[0]!.sink.onFailure(sent[0]!.token, 1, CHOSEN);
  sent[0]!.sink.onFailure(sent[0]!.token + 1, 1, LOADING);
  expect([told, passed]).toEqual([["5 wrong user"], ["6 b"]]);
});

test("a main branch may answer later requests first: each reply and each failure is its own request's", () => {
  const { link, sent, passed, told, sink } = rig();
  link.send(Buffer.from("aB"), 0, 2, sink, 10, 2);
  link.send(Buffer.from("cd"), 0, 2, sink, 20, 2);
  const [first, second] = sent;
  const reply = ({ sink: own, token }: (typeof sent)[0], ahead: number, text: string): void =>
    own.onReplies(token + ahead, 1, Buffer.from(text), 0, 1, KIND.value);
  reply(second!, 1, "4");
  first!.sink.onFailure(first!.token + 1, 1, UNSENT);
  reply(first!, 0, "1");
  second!.sink.onFailure(second!.token, 1, LOST);
  expect(told).toEqual(["21+1 4", "10+1 1"]);
  expect(passed).toEqual(["11 B", "20 c"]);
});

test("of what fails no more is sent on than the budget allows, and what main does not take needs none", () => {
  const budget = new ShareBudget(0.5, 2);
  const { link, sent, passed, told, sink, counts } = rig(null, budget);
  link.send(Buffer.from("abcd"), 0, 4, sink, 10, 4);
  sent[0]!.sink.onFailure(sent[0]!.token, 4, LOST);
  expect([passed, told, counts.overBudget]).toEqual([["10 a", "11 b"], ["12 lost", "13 lost"], 2]);
  // Two requests are worth one more.
  link.send(Buffer.from("ef"), 0, 2, sink, 20, 2);
  sent[1]!.sink.onFailure(sent[1]!.token, 2, LOST);
  expect([passed.slice(2), told.slice(2)]).toEqual([["20 e"], ["21 lost"]]);
  const down = rig(UNSENT, budget);
  down.link.send(Buffer.from("ghi"), 0, 3, down.sink, 30, 3);
  expect([down.passed, down.counts.overBudget]).toEqual([["30 ghi"], 0]);
});
