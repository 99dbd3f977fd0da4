import { afterEach, describe, expect, test } from "bun:test";
import type { ClientPort } from "../../../../../../src/api/client-port.ts";
import type { Failure } from "../../../../../../src/api/upstream.ts";
import { BLOCK_BYTES_MIN, outstandingBlockBytes } from "../../../../../../src/base/block-pool.ts";
import { ByteQueue } from "../../../../../../src/base/byte-queue.ts";
import { Turn } from "../../../../../../src/base/turn.ts";
import { ReplyRing } from "../../../../../../src/client/reply-ring.ts";
import { Unread } from "../../../../../../src/client/unread.ts";
import {
  type GetGather,
  takeGetGather,
} from "../../../../../../src/protocols/memcache/client/text/get-gather.ts";
import { TextReplyScanner } from "../../../../../../src/protocols/memcache/codec/text/reply-scanner.ts";
import { TextRequestScanner } from "../../../../../../src/protocols/memcache/codec/text/request-scanner.ts";
import { TextRequest } from "../../../../../../src/protocols/memcache/codec/text/text-request.ts";
import { unboundedMemory } from "../../../../../support/client-memory.ts";
import { reachableBytes } from "../../../../../support/reachable-bytes.ts";

const failure: Failure = { kind: "closed", wasSent: true, text: "gone" };

/** As much of a session as a gather needs. */
interface GatherRig {
  readonly session: ClientPort & { isOpen: boolean };
  readonly unread: Unread;
  readonly token: number;
  readonly output: () => string;
}

const ends: (() => void)[] = [];
/** One for all, as in a worker: gathers are used again. */
const turn = new Turn({ nowMs: () => 1, atTurnEnd: (end) => void ends.push(end) });
const endTurn = (): void => {
  for (const end of ends.splice(0)) end();
};

afterEach(endTurn);

function rig(isHead: boolean): GatherRig {
  const out = new ByteQueue();
  const ring = new ReplyRing(out);
  const unread = new Unread({
    out,
    ring,
    cut() {},
    tally() {},
    host: { memory: unboundedMemory(new Turn()) },
  });
  const first = isHead ? -1 : ring.open();
  const token = ring.open();
  const session = {
    isOpen: true,
    turn,
    compose: (slot: number) => (ring.isHead(slot) ? out : null),
    composed: () => ring.advance(1),
    hold: unread.hold.bind(unread),
    letGo: unread.letGo.bind(unread),
    failureReply: ({ text }: Failure) => Buffer.from(`SERVER_ERROR ${text}\r\n`),
    reply: (slot: number, bytes: Buffer) => ring.settle(slot, 1, bytes, 0, bytes.length),
  };
  const output = (): string => {
    if (first >= 0) ring.settle(first, 1, Buffer.alloc(0), 0, 0);
    expect(ring.pending).toBe(0);
    return out.toBuffer().toString("latin1");
  };
  return { session: session as unknown as GatherRig["session"], unread, token, output };
}

function gatherFor(
  line: string,
  parts: number[],
  session: ClientPort,
  token: number,
  isMiss = false,
): GetGather {
  const request = new TextRequest();
  const bytes = Buffer.from(`${line}\r\n`);
  new TextRequestScanner().scan(bytes, 0, bytes.length, request);
  const gather = takeGetGather(session, token, isMiss);
  const isWhole = parts.every((part) => part === 0);
  gather.expect(request, 1, Int32Array.from(parts), Math.max(...parts) + 1, isWhole);
  return gather;
}

/** @returns false: one of the replies was not accepted, and nothing was done */
function answer(gather: GetGather, part: number, reply: string, count = 1): boolean {
  // In the middle of other bytes, as replies are.
  const bytes = Buffer.from(`xx${reply}VALUE a 0 1\r\n`, "latin1");
  const scanner = new TextReplyScanner();
  let at = 2;
  for (let i = 0; i < count; i++) {
    const next = scanner.scan(bytes, at, 2 + reply.length);
    if (!gather.accepts(part + i, bytes, at, next, scanner.parts)) return false;
    at = next;
  }
  expect(at).toBe(2 + reply.length);
  gather.onReplies(part, count, bytes, 2, at);
  return true;
}

const value = (key: string, text = key): string => `VALUE ${key} 0 ${text.length}\r\n${text}\r\n`;

describe.each([true, false])("a gather whose slot is at the head: %p", (isHead) => {
  test("puts values in the client's order, misses left out", () => {
    const { session, token, output } = rig(isHead);
    const gather = gatherFor("get a b c d a e", [0, 1, 0, 1, 0, 2], session, token);
    answer(gather, 1, `${value("d", "VALUE b 0 1\r\nx\r\nEND\r\n")}END\r\n`);
    answer(gather, 2, "END\r\n");
    // The turn ends before the last part is there.
    endTurn();
    answer(gather, 0, `${value("a")}${value("c")}${value("a")}END\r\n`);
    endTurn();
    expect(output()).toBe(
      `${value("a")}${value("c")}${value("d", "VALUE b 0 1\r\nx\r\nEND\r\n")}${value("a")}END\r\n`,
    );
  });

  test("holds no more than keys and parts while others are missing, and nothing when the client is gone", () => {
    const { session, unread, token } = rig(isHead);
    const before = outstandingBlockBytes();
    const line = `${"get a b c".padEnd(200)}\r\n${" ".repeat(500_000)}`;
    const gather = gatherFor(line, [0, 1, 2], session, token);
    const chunk = `${"x".repeat(300_000)}${value("a")}END\r\n`;
    gather.onReplies(0, 1, Buffer.from(chunk), 300_000, chunk.length);
    endTurn();
    const ofSession = new Set<object>([session]);
    expect(unread.bytes).toBe(BLOCK_BYTES_MIN);
    expect(reachableBytes([gather], ofSession)).toBeLessThan(16 * 1024);
    unread.clear();
    expect(unread.bytes).toBe(0);
    expect(outstandingBlockBytes()).toBe(before);
    session.isOpen = false;
    answer(gather, 1, "END\r\n");
    answer(gather, 2, "END\r\n");
  });

  test.each([
    ["all", ["a", "b", "a"]],
    ["some", ["b"]],
    ["none", []],
  ])("of one part that has all keys takes the reply as it is: %s", (_, keys) => {
    const { session, token, output } = rig(isHead);
    // The same gather was used before, with several parts.
    const before = gatherFor("get z a b c", [1, 0, 1, 1], rig(isHead).session, 0);
    answer(before, 1, `${value("z")}END\r\n`);
    answer(before, 0, "END\r\n");
    const gather = gatherFor("get a b a", [0, 0, 0], session, token);
    const reply = `${keys.map((key) => value(key)).join("")}END\r\n`;
    expect(answer(gather, 0, reply)).toBe(true);
    expect(output()).toBe(reply);
  });

  test("takes two parts of one connection as one range", () => {
    const { session, token, output } = rig(isHead);
    const gather = gatherFor("get a b c", [0, 0, 1], session, token);
    answer(gather, 0, `${value("a")}END\r\n${value("c")}END\r\n`, 2);
    expect(output()).toBe(`${value("a")}${value("c")}END\r\n`);
  });

  test("tells the error of the lowest part, whoever was first", () => {
    const { session, token, output } = rig(isHead);
    const gather = gatherFor("get a b c", [0, 1, 2], session, token);
    gather.onFailure(2, 1, failure);
    answer(gather, 1, `${value("b")}SERVER_ERROR out of memory writing get response\r\n`);
    answer(gather, 0, `${value("a")}END\r\n`);
    expect(output()).toBe("SERVER_ERROR out of memory writing get response\r\n");
  });

  test("counts what is not available as misses, when told so", () => {
    const { session, token, output } = rig(isHead);
    const gather = gatherFor("get a b c", [0, 1, 0], session, token, true);
    gather.onFailure(1, 1, failure);
    answer(gather, 0, `${value("c")}END\r\n`);
    expect(output()).toBe(`${value("c")}END\r\n`);
  });

  test.each([value("z"), value("b") + value("a"), value("a") + value("a"), value("ab")])(
    "accepts no values but those of its keys: %j",
    (reply) => {
      const { session, token, output } = rig(isHead);
      const gather = gatherFor("get a b c", [0, 0, 1], session, token);
      answer(gather, 1, "END\r\n");
      expect(answer(gather, 0, `${reply}END\r\n`)).toBe(false);
      const whole = gatherFor("get a b c", [0, 0, 0], rig(isHead).session, 0);
      expect(answer(whole, 0, `${reply}END\r\n`)).toBe(false);
      gather.onFailure(0, 1, failure);
      expect(output()).toBe("SERVER_ERROR gone\r\n");
    },
  );
});
