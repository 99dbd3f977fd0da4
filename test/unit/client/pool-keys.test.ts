import { expect, test } from "bun:test";
import type { KeyReport } from "../../../src/api/key-report.ts";
import type { RequestSummary } from "../../../src/api/protocol-module.ts";
import { KEYS_COUNTED_MAX, KEYS_TOLD_MS } from "../../../src/base/key-limits.ts";
import { HotKeys } from "../../../src/client/hot-keys.ts";
import { type KeyOptions, PoolKeys } from "../../../src/client/pool-keys.ts";
import { RequestTape } from "../../../src/client/request-tape.ts";
import { RequestTrace } from "../../../src/client/request-trace.ts";
import { SamplePace } from "../../../src/client/sample-pace.ts";
import { memcacheReplyReader } from "../../../src/protocols/memcache/client/key-size.ts";
import { describeRequest } from "../../../src/protocols/redis/client/describe-request.ts";
import { redisReplyReader } from "../../../src/protocols/redis/client/key-size.ts";
import { CommandTable } from "../../../src/protocols/redis/commands/command-table.ts";
import { encodeCommand } from "../../support/redis-exchange.ts";

const commands = new CommandTable({ allowed: new Set(), denied: new Set(), isSharded: false });

/** The same numbers each time. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const ALL: KeyOptions = {
  ...{ name: "p", hotKeys: true, hotKeysSamples: 100 },
  ...{ bigKeysBytes: 1000, bigKeysElements: 50, slowlogKeys: true },
};

function rig(options: Partial<KeyOptions> = {}) {
  const told: KeyReport[] = [];
  let timers: (() => void)[] = [];
  const turn = { nowMs: 0 };
  const tape = new RequestTape();
  const live = { ...ALL, ...options };
  let described = 0;
  const keys = new PoolKeys({
    ...{ options: live, tape, turn, random: chance(1), tell: (report) => told.push(report) },
    schedule: (_, callback) => {
      timers.push(callback);
      return () => {};
    },
    describe(bytes, length, index) {
      described++;
      return describeRequest(commands, bytes, length, index);
    },
    replyReader: redisReplyReader,
    serverOf: () => "s1",
  });
  const trace = new RequestTrace();
  const client = { id: 7, peer: "h:1", trace };
  let token = 0;
  return {
    ...{ keys, live, told, turn },
    described: () => described,
    timers: () => timers.length,
    /** Time passes, and what was found is told. */
    later(): void {
      turn.nowMs += KEYS_TOLD_MS;
      const due = timers;
      timers = [];
      for (const timer of due) timer();
    },
    /** Requests that come at once, and their replies, which come at once, too. */
    ask(requests: readonly string[][], replies: readonly string[] = []): void {
      const bytes = Buffer.concat(requests.map((request) => encodeCommand(request)));
      const { length } = requests;
      if (keys.needsTape) {
        trace.add(token, length, tape.put(bytes, 0, bytes.length), bytes.length, true);
      }
      keys.taken(client, token, length, bytes, 0, bytes.length);
      const answer = Buffer.from(replies.join(""), "latin1");
      if (answer.length > 0) keys.replied(client, token, length, answer, 0, answer.length);
      token += length;
    },
  };
}

function bulk(size: number): string {
  return `$${size}\r\n${"x".repeat(size)}\r\n`;
}

test("the busiest keys are found in a sample, with numbers that are about right", () => {
  const { ask, told, turn, later, described } = rig();
  const random = chance(5);
  for (let i = 0; i < 50_000; i++) {
    turn.nowMs = i * 0.1;
    const share = random();
    const key =
      share < 0.3 ? "hot" : share < 0.4 ? "warm" : `cold:${Math.floor(random() * 10_000)}`;
    ask([["GET", key]], ["$1\r\nv\r\n"]);
    if (i % 20_000 === 19_999) later();
  }
  later();
  // 5 s of 100 a second, and some more until the pace was found.
  expect(described()).toBeLessThan(1200);
  const sum = (of: (report: KeyReport) => number): number =>
    told.reduce((all, report) => all + of(report), 0);
  const requestsOf = (key: string): number =>
    sum(({ hot }) => hot.find((one) => one.key === key)?.requests ?? 0);
  expect(sum(({ requests }) => requests)).toBeWithin(45_000, 50_001);
  expect(requestsOf("hot") / 50_000).toBeWithin(0.2, 0.4);
  expect(requestsOf("warm") / 50_000).toBeWithin(0.05, 0.16);
  expect(told[1]!.hot[0]).toMatchObject({ key: "hot", command: "GET", server: "s1" });
});

test("however many requests come at once, few are read", () => {
  const { ask, turn, described } = rig();
  const pipeline = new Array(100).fill(["GET", "k"]);
  for (let i = 0; i < 400; i++) {
    turn.nowMs = i * 5;
    ask(pipeline);
  }
  // 2 s of 100 a second; the first ones come before the pace is known.
  expect(described()).toBeLessThan(270);
});

test("after a busy time a few requests are noticed, too, and nothing ticks when none come", () => {
  const { ask, told, turn, later, timers } = rig();
  for (let i = 0; i < 100_000; i++) {
    turn.nowMs = i * 0.01;
    ask([["GET", "k"]]);
  }
  later();
  later();
  later();
  expect(timers()).toBe(0);
  const before = told.length;
  for (let i = 0; i < 5; i++) ask([["GET", "slow"]]);
  later();
  expect(told.length).toBe(before + 1);
  expect(told.at(-1)!.hot[0]!.key).toBe("slow");
});

test("of all keys of a request one stands for all, and what has none does not count", () => {
  const { ask, told, later } = rig();
  for (let i = 0; i < 10; i++) ask([["MGET", "a", "b"]]);
  ask([["PING"]]);
  later();
  const [{ hot = [], samples = 0 } = {}] = told;
  expect(hot.map(({ key }) => key).sort()).toEqual(["a", "b"]);
  expect(hot.reduce((sum, { requests }) => sum + requests, 0)).toBe(20);
  expect(samples).toBe(11);
});

test("big keys: by reply, by request, and by the length that a reply tells", () => {
  const { ask, told, later } = rig();
  ask(
    [
      ["GET", "small"],
      ["GET", "big"],
      ["GET", "other"],
    ],
    [bulk(10), bulk(5000), bulk(999)],
  );
  ask([["SET", "written", "x".repeat(3000)]], ["+OK\r\n"]);
  ask([["LPUSH", "list", "x"]], [":70\r\n"]);
  ask([["LPUSH", "short", "x"]], [":49\r\n"]);
  ask([["MGET", "a", "b", "c"]], [`*3\r\n${bulk(10)}${bulk(2000)}$-1\r\n`]);
  ask([["HGETALL", "hash"]], [`*200\r\n${bulk(10).repeat(200)}`]);
  later();
  const found = new Map(told.flatMap(({ big }) => big).map((one) => [one.key, one]));
  expect([...found.keys()].sort()).toEqual(["b", "big", "hash", "list", "written"]);
  expect(found.get("big")).toMatchObject({ bytes: bulk(5000).length, elements: null, client: 7 });
  expect(found.get("written")).toMatchObject({ command: "SET", address: "h:1" });
  expect(found.get("list")).toMatchObject({ elements: 70 });
  expect(found.get("hash")).toMatchObject({ elements: 100, server: "s1" });
});

test("a very long key is named by its beginning, and nothing of it is kept for the reply", () => {
  const { ask, told, later } = rig();
  const key = "k".repeat(5000);
  ask([["GET", key]], [bulk(10)]);
  later();
  expect(told[0]!.hot[0]!.key).toBe(`${"k".repeat(128)}…`);
  expect(told[0]!.big[0]!.bytes).toBeWithin(5000, 5100);
});

test("many large replies in a moment: some are read, the others pass", () => {
  const { ask, described } = rig({ hotKeys: false });
  for (let i = 0; i < 1000; i++) ask([["GET", "big"]], [bulk(2000)]);
  expect(described()).toBeLessThan(25);
});

test("switched off nothing is read; hidden keys are forgotten", () => {
  const { keys, live, ask, told, later, described } = rig();
  ask([["GET", "secret"]], [bulk(2000)]);
  live.slowlogKeys = false;
  keys.onSettings();
  const before = described();
  ask([["GET", "secret"]], [bulk(2000)]);
  later();
  expect(described()).toBe(before);
  expect(told.every(({ hot, big }) => hot.length + big.length === 0)).toBe(true);
  live.slowlogKeys = true;
  live.hotKeys = false;
  live.bigKeysBytes = null;
  keys.onSettings();
  expect(keys.needsTape).toBe(false);
  ask([["GET", "k"]], [bulk(2000)]);
  expect(described()).toBe(before);
});

test("a configuration of an older program has no such options: nothing is read", () => {
  const { keys } = rig({ hotKeys: undefined, bigKeysBytes: undefined } as unknown as KeyOptions);
  expect(keys.needsTape).toBe(false);
});

test("Space-Saving: a busy key stays, however many others come", () => {
  const hot = new HotKeys();
  for (let i = 0; i < 20 * KEYS_COUNTED_MAX; i++) {
    hot.add(`one:${i}`, "GET", 1, () => null);
    if (i % 10 === 0) hot.add("hot", "GET", 1, () => null);
  }
  const [first, ...others] = hot.take(10);
  expect(first!.key).toBe("hot");
  expect(first!.requests).toBeGreaterThanOrEqual(2 * KEYS_COUNTED_MAX);
  expect(others).toHaveLength(9);
  expect(hot.take(10)).toEqual([]);
});

test("the pace: the requests that samples stand for are all that came", () => {
  const pace = new SamplePace(chance(9));
  expect(pace.isDue(1_000_000)).toBe(false);
  pace.start(0);
  let came = 0;
  let counted = 0;
  for (let i = 0; i < 10_000; i++) {
    const count = 1 + (i % 7);
    came += count;
    if (pace.isDue(count)) counted += pace.next(i, 50);
  }
  expect(counted + pace.passed).toBe(came);
});

test("Memcached: the largest of several values, named by its reply; and replies of both protocols end", () => {
  const text = "VALUE a 0 3\r\nabc\r\nVALUE b 0 5 77\r\nabcde\r\nEND\r\n";
  const request: RequestSummary = {
    ...{ command: "get", bytes: 9 },
    keys: [Buffer.from("a"), Buffer.from("b")],
  };
  const bytes = Buffer.from(`${text}STORED\r\n`);
  expect(memcacheReplyReader.endOf(bytes, 0, bytes.length)).toBe(text.length);
  const found = memcacheReplyReader.largestKey(request, bytes, 0, text.length);
  expect(`${found!.key} ${found!.bytes}`).toBe("b 23");
  const binary = Buffer.alloc(24 + 5);
  binary[0] = 0x81;
  binary.writeUInt32BE(5, 8);
  expect(memcacheReplyReader.endOf(binary, 0, 29)).toBe(29);
  expect(memcacheReplyReader.largestKey(request, binary, 0, 29)).toBeNull();
});

test("how much is looked at, and what is long, is what is set then", () => {
  const { keys, live, ask, told, later, described, turn } = rig();
  const looks = (): number => {
    const before = described();
    for (let i = 0; i < 5000; i++) {
      turn.nowMs += 1;
      ask([["GET", "k"]], [bulk(1)]);
    }
    return described() - before;
  };
  const few = looks();
  live.hotKeysSamples = 1000;
  keys.onSettings();
  later();
  expect(looks()).toBeGreaterThan(3 * few);
  live.hotKeysSamples = 100;
  live.bigKeysElements = 3;
  keys.onSettings();
  later();
  told.length = 0;
  for (let i = 0; i < 500; i++) {
    turn.nowMs += 100;
    ask([["LLEN", "list"]], [":4\r\n"]);
  }
  later();
  expect(told.flatMap(({ big }) => big).map(({ key, elements }) => [key, elements])).toContainEqual(
    ["list", 4],
  );
});

test("the time until the reply counts for the key, as often as the request stands for others", () => {
  const { keys, told, turn, later } = rig({ hotKeysSamples: 10_000 });
  const trace = new RequestTrace();
  const client = { id: 7, peer: "h:1", trace };
  const bytes = encodeCommand(["GET", "k"]);
  keys.taken(client, 0, 1, bytes, 0, bytes.length);
  expect(trace.sampled).not.toBeNull();
  turn.nowMs += 3;
  const answer = Buffer.from(bulk(4), "latin1");
  keys.replied(client, 0, 1, answer, 0, answer.length);
  later();
  const [hot] = told[0]!.hot;
  expect(hot).toMatchObject({ key: "k", us: 3000 * hot!.requests });
});
