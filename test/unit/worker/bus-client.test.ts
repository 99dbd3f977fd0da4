import { expect, test } from "bun:test";
import { BROADCAST_BYTES_MAX, busOfPool, RETAINED_BYTES_MAX } from "../../../src/api/worker-bus.ts";
import { BusRelay } from "../../../src/supervisor/generation/bus-relay.ts";
import { FakePeers, FakeWorker } from "../../support/fake-peers.ts";

function started(peers: FakePeers, heard?: unknown[]): FakeWorker {
  const worker = peers.add();
  if (heard !== undefined) {
    worker.bus.subscribe("topic", (data, key) => heard.push(key === null ? data : [key, data]));
  }
  worker.bus.open();
  return worker;
}

test("what one tells, all others hear, in order", () => {
  const peers = new FakePeers();
  const own: unknown[] = [];
  const heard: unknown[] = [];
  const one = started(peers, own);
  started(peers, heard);
  started(peers);
  one.bus.broadcast("topic", { bytes: "\u00ff\n" });
  one.bus.broadcast("other topic", 1);
  one.bus.broadcast("topic", null);
  expect(heard).toEqual([{ bytes: "\u00ff\n" }, null]);
  expect(own).toEqual([]);
});

test("a program that does not know about it is left alone", () => {
  const peers = new FakePeers();
  const heard: unknown[] = [];
  const one = started(peers);
  started(peers, heard).isOnBus = false;
  one.bus.broadcast("topic", 1);
  expect(heard).toEqual([]);
});

test("what is retained is heard by those that start later, the latest of each key, before anything else", () => {
  const peers = new FakePeers();
  const one = started(peers);
  one.bus.retain("topic", "a", 1);
  one.bus.retain("topic", "b", 2);
  one.bus.retain("topic", "a", 3);
  one.bus.retain("other", "a", 4);
  one.bus.retain("topic", "c", 5);
  one.bus.retain("topic", "c", null);
  const heard: unknown[] = [];
  const late = peers.add();
  // Said while it starts.
  one.bus.retain("topic", "d", 6);
  late.bus.subscribe("topic", (data, key) => heard.push([key, data]));
  expect(heard).toEqual([]);
  late.bus.open();
  expect(heard).toEqual([
    ["b", 2],
    ["a", 3],
    ["d", 6],
  ]);
});

test("a worker that starts is told how old it is what is retained, also when the supervisor is another since", () => {
  let nowMs = 1000;
  const first = new BusRelay(
    () => [],
    undefined,
    () => nowMs,
  );
  const sender = new FakeWorker(first, 0);
  sender.bus.retain("topic", "a", 1);
  nowMs = 4000;
  const saved = first.retained;
  nowMs = 50;
  const second = new BusRelay(
    () => [],
    undefined,
    () => nowMs,
  );
  second.resume([...saved, { topic: "topic", key: "of an older supervisor", data: 2 }]);
  nowMs = 550;
  const ages: number[] = [];
  const worker = new FakeWorker(second, 1);
  worker.bus.subscribe("topic", (_data, _key, ageMs) => ages.push(ageMs));
  worker.bus.open();
  worker.bus.onMessage({ type: "hear", topic: "topic", key: null, data: 3 });
  expect(ages[0]).toBeGreaterThanOrEqual(3500);
  expect(ages[0]).toBeLessThan(30_000);
  expect(ages.slice(1)).toEqual([Number.POSITIVE_INFINITY, 0]);
});

test("clear ends what is retained of a topic", () => {
  const peers = new FakePeers();
  const one = started(peers);
  const heard: unknown[] = [];
  started(peers, heard);
  one.bus.retain("topic", "a", 1);
  one.bus.retain("topic2", "a", 2);
  one.bus.clear("topic", "gone");
  expect(heard).toEqual([["a", 1], "gone"]);
  expect(peers.relay.retained).toMatchObject([{ topic: "topic2", key: "a", data: 2 }]);
});

test("notices are bounded: the oldest go first; what is too long is not said at all", () => {
  const peers = new FakePeers();
  const heard: unknown[] = [];
  const one = started(peers);
  const large = "x".repeat(BROADCAST_BYTES_MAX - 2);
  const fitting = Math.floor(RETAINED_BYTES_MAX / (BROADCAST_BYTES_MAX + 20));
  for (let i = 0; i < fitting + 2; i++) one.bus.retain("topic", `${i}`, large);
  expect(peers.relay.retained.map(({ key }) => key)).toEqual(
    Array.from({ length: fitting }, (_, i) => `${i + 2}`),
  );
  started(peers, heard);
  heard.length = 0;
  one.bus.broadcast("topic", `${large}.`);
  one.bus.broadcast("topic", "short");
  expect(heard).toEqual(["short"]);
});

test("a question is answered by all others that know the topic, at once when nobody is there", () => {
  const peers = new FakePeers();
  const one = started(peers);
  const answers: unknown[] = [];
  one.bus.query("sum", 1, (all) => answers.push(all));
  expect(answers).toEqual([[]]);
  for (const addend of [10, 20]) {
    started(peers).bus.answer("sum", (data) => Number(data) + addend);
  }
  started(peers);
  one.bus.query("sum", 2, (all) => answers.push(all));
  expect(answers[1]).toEqual([12, 22]);
});

test("nobody waits for a worker that dies", () => {
  const peers = new FakePeers();
  const one = started(peers);
  const two = started(peers);
  const three = started(peers);
  two.bus.answer("who", () => 2);
  three.bus.answer("who", () => 3);
  three.isAlive = false;
  const answers: unknown[] = [];
  one.bus.query("who", null, (all) => answers.push(...all));
  expect(answers).toEqual([]);
  peers.relay.onGone(three);
  expect(answers).toEqual([2]);
});

test("nor for one that is silent", async () => {
  const peers = new FakePeers();
  const one = started(peers);
  const two = started(peers);
  started(peers).bus.answer("who", () => 3);
  two.bus.answer("who", () => 2);
  two.isAlive = false;
  const { promise, resolve } = Promise.withResolvers<unknown[]>();
  one.bus.query("who", null, resolve);
  expect(await promise).toEqual([3]);
  // Its late answer harms nobody.
  two.bus.onMessage({ type: "asked", question: "0.1", topic: "who", data: null });
});

test("whoever asks when it dies is forgotten", () => {
  const peers = new FakePeers();
  const one = started(peers);
  const two = started(peers);
  two.isAlive = false;
  let isAnswered = false;
  one.bus.query("who", null, () => {
    isAnswered = true;
  });
  peers.relay.onGone(one);
  peers.relay.onGone(two);
  expect(isAnswered).toBe(false);
});

test("a supervisor that kept nothing has everybody post again", () => {
  const peers = new FakePeers();
  const one = started(peers);
  one.bus.whenLost(() => one.bus.retain("topic", "a", 1));
  peers.relay.resume(undefined);
  expect(peers.relay.retained).toMatchObject([{ topic: "topic", key: "a", data: 1 }]);
  const next = new FakePeers();
  next.relay.resume(peers.relay.retained);
  expect(next.relay.retained).toMatchObject([{ topic: "topic", key: "a", data: 1 }]);
});

test("pools do not hear each other", () => {
  const peers = new FakePeers();
  const heard: unknown[] = [];
  const one = started(peers);
  const two = peers.add();
  busOfPool(two.bus, "alpha").subscribe("topic", (data) => heard.push(data));
  two.bus.open();
  busOfPool(one.bus, "beta").broadcast("topic", 1);
  busOfPool(one.bus, "alpha").broadcast("topic", 2);
  expect(heard).toEqual([2]);
});

test("a worker that has other pools is not waited for", () => {
  const peers = new FakePeers();
  const [one, other, apart] = [started(peers), started(peers), started(peers)];
  apart.pool = "apart";
  apart.isAlive = false;
  busOfPool(other.bus, "main").answer("topic", () => 1);
  const answers: unknown[] = [];
  busOfPool(one.bus, "main").query("topic", null, (all) => answers.push(all));
  expect(answers).toEqual([[1]]);
  busOfPool(one.bus, "apart").query("topic", null, (all) => answers.push(all));
  expect(answers).toHaveLength(1);
});
