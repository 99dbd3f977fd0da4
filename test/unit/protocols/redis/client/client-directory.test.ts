/** CLIENT LIST and CLIENT KILL over several workers with more clients than are dealt with at a time. */
import { expect, test } from "bun:test";
import * as limits from "../../../../../src/base/limits.ts";
import { Turn } from "../../../../../src/base/turn.ts";
import {
  ClientDirectory,
  type ClientLines,
} from "../../../../../src/protocols/redis/client/local/client-directory.ts";
import { ListedClient } from "../../../../../src/protocols/redis/client/local/listed-client.ts";
import type { RedisClient } from "../../../../../src/protocols/redis/client/redis-client.ts";
import { FakePeers } from "../../../../support/fake-peers.ts";

interface Clients {
  readonly directory: ClientDirectory;
  /** Ids of those that were closed, in this order. */
  readonly closed: number[];
}

/** A worker with clients of these ids. */
function workerWith(peers: FakePeers, ids: readonly number[]): Clients {
  const { bus } = peers.add();
  bus.open();
  const turn = new Turn();
  const directory = new ClientDirectory(bus, turn);
  const closed: number[] = [];
  for (const id of ids) {
    const session = {
      ...{ peer: "127.0.0.1:1", localAddress: "127.0.0.1:2", fd: 9, out: { size: 0 } },
      close: () => closed.push(id),
    };
    const pool = { turn, unixPath: null };
    const state = { id, name: "", user: null, database: 0, version: 2 };
    const features = { transaction: null, block: null, subscriber: null };
    const client = { state, session, pool, features, lastCommand: null } as unknown as RedisClient;
    directory.add(new ListedClient(client));
  }
  return { directory, closed };
}

function listed(directory: ClientDirectory): number[] {
  let text = "";
  directory.list({}, (all) => {
    ({ text } = all);
  });
  return [...text.matchAll(/^id=(\d+) /gm)].map(([, id]) => Number(id));
}

const range = (from: number, count: number, step: number): number[] =>
  Array.from({ length: count }, (_, i) => from + i * step);

test("every client of every worker is listed once, oldest first, though only so many at a time", () => {
  const peers = new FakePeers();
  const many = 2 * limits.CLIENTS_LISTED_AT_ONCE;
  const here = range(1, many + 7, 3).reverse();
  const there = range(2, many, 3);
  const few = range(3, 5, 3000);
  const { directory } = workerWith(peers, here);
  workerWith(peers, there);
  workerWith(peers, few);
  const answers: number[] = [];
  const relay = peers.relay;
  const original = relay.onMessage.bind(relay);
  relay.onMessage = (worker, message) => {
    if (message.type === "answer" && message.isKnown) answers.push((message.data as []).length);
    original(worker, message);
  };
  const all = [...here, ...there, ...few].sort((a, b) => a - b);
  expect(listed(directory)).toEqual(all);
  expect(Math.max(...answers)).toBeLessThanOrEqual(limits.CLIENTS_LISTED_AT_ONCE);
});

test("a worker of an older program, which says all at once, has its clients listed once", () => {
  const peers = new FakePeers();
  const { directory } = workerWith(peers, range(1, limits.CLIENTS_LISTED_AT_ONCE, 2));
  const old = peers.add();
  const ids = range(2, limits.CLIENTS_LISTED_AT_ONCE + 50, 2);
  old.bus.answer("list clients", () => ids.map((id) => ({ id, text: `id=${id} old\n` })));
  old.bus.open();
  const all = [...range(1, limits.CLIENTS_LISTED_AT_ONCE, 2), ...ids].sort((a, b) => a - b);
  expect(listed(directory)).toEqual(all);
});

test("clients are closed some in a turn; how many they are is said at once", async () => {
  const many = 3 * limits.CLIENTS_CLOSED_AT_ONCE;
  const { directory, closed } = workerWith(new FakePeers(), range(1, many, 1));
  let told = 0;
  directory.kill({ type: "normal" }, new ListedClient(null as unknown as RedisClient), (count) => {
    told = count;
  });
  expect([told, closed.length]).toEqual([many, limits.CLIENTS_CLOSED_AT_ONCE]);
  let before = closed.length;
  while (closed.length < many) {
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed.length - before).toBeLessThanOrEqual(limits.CLIENTS_CLOSED_AT_ONCE);
    before = closed.length;
  }
});

test("clients that ask for the same at once are given one list, which was made once, some of them in a turn", async () => {
  const peers = new FakePeers();
  const { directory } = workerWith(peers, range(1, 10, 1));
  const there = peers.add();
  const asked: ((answer: unknown) => void)[] = [];
  there.bus.answerLater("list clients", (_filter, answer) => void asked.push(answer));
  there.bus.open();
  // Those of other kinds have all begun.
  for (let n = 1; n <= limits.SHOWN_TABLES_MAX; n++) directory.list({ ids: [n] }, () => {});
  const got: ClientLines[] = [];
  const count = 10 * limits.TABLES_TOLD_AT_ONCE;
  for (let n = 0; n < count; n++) directory.list({}, (lines) => got.push(lines));
  expect(asked.length).toBe(limits.SHOWN_TABLES_MAX);
  asked[0]!([]);
  expect(asked.length).toBe(limits.SHOWN_TABLES_MAX + 1);
  asked.at(-1)!([]);
  expect(got.length).toBe(limits.TABLES_TOLD_AT_ONCE);
  while (got.length < count) await new Promise((resolve) => setImmediate(resolve));
  expect(new Set(got).size).toBe(1);
  expect(got[0]!.reply(2)).toBe(got[1]!.reply(2));
  expect([...got[0]!.text.matchAll(/^id=/gm)].length).toBe(10);
});
