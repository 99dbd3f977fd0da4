import { expect, test } from "bun:test";
import {
  COLLEAGUE_BYTES_MAX,
  colleaguesInPool,
  NOTICES_BYTES_MAX,
} from "../../../src/api/colleagues.ts";
import { FakeBus, type FakeWorker } from "../../support/colleagues.ts";

function started(bus: FakeBus, heard?: unknown[]): FakeWorker {
  const worker = bus.add();
  if (heard !== undefined) {
    worker.colleagues.hear("topic", (data, key) => heard.push(key === null ? data : [key, data]));
  }
  worker.colleagues.open();
  return worker;
}

test("what one tells, all others hear, in order", () => {
  const bus = new FakeBus();
  const own: unknown[] = [];
  const heard: unknown[] = [];
  const one = started(bus, own);
  started(bus, heard);
  started(bus);
  one.colleagues.tell("topic", { bytes: "\u00ff\n" });
  one.colleagues.tell("other topic", 1);
  one.colleagues.tell("topic", null);
  expect(heard).toEqual([{ bytes: "\u00ff\n" }, null]);
  expect(own).toEqual([]);
});

test("a program that does not know about it is left alone", () => {
  const bus = new FakeBus();
  const heard: unknown[] = [];
  const one = started(bus);
  started(bus, heard).hears = false;
  one.colleagues.tell("topic", 1);
  expect(heard).toEqual([]);
});

test("notices are heard by those that start later, the latest of each key, before anything else", () => {
  const bus = new FakeBus();
  const one = started(bus);
  one.colleagues.post("topic", "a", 1);
  one.colleagues.post("topic", "b", 2);
  one.colleagues.post("topic", "a", 3);
  one.colleagues.post("other", "a", 4);
  one.colleagues.post("topic", "c", 5);
  one.colleagues.post("topic", "c", null);
  const heard: unknown[] = [];
  const late = bus.add();
  // Said while it starts.
  one.colleagues.post("topic", "d", 6);
  late.colleagues.hear("topic", (data, key) => heard.push([key, data]));
  expect(heard).toEqual([]);
  late.colleagues.open();
  expect(heard).toEqual([
    ["b", 2],
    ["a", 3],
    ["d", 6],
  ]);
});

test("clear takes the notices of a topic away", () => {
  const bus = new FakeBus();
  const one = started(bus);
  const heard: unknown[] = [];
  started(bus, heard);
  one.colleagues.post("topic", "a", 1);
  one.colleagues.post("topic2", "a", 2);
  one.colleagues.clear("topic", "gone");
  expect(heard).toEqual([["a", 1], "gone"]);
  expect(bus.relay.notices).toEqual([{ topic: "topic2", key: "a", data: 2 }]);
});

test("notices are bounded: the oldest go first; what is too long is not said at all", () => {
  const bus = new FakeBus();
  const heard: unknown[] = [];
  const one = started(bus);
  const large = "x".repeat(COLLEAGUE_BYTES_MAX - 2);
  const fitting = Math.floor(NOTICES_BYTES_MAX / (COLLEAGUE_BYTES_MAX + 20));
  for (let i = 0; i < fitting + 2; i++) one.colleagues.post("topic", `${i}`, large);
  expect(bus.relay.notices.map(({ key }) => key)).toEqual(
    Array.from({ length: fitting }, (_, i) => `${i + 2}`),
  );
  started(bus, heard);
  heard.length = 0;
  one.colleagues.tell("topic", `${large}.`);
  one.colleagues.tell("topic", "short");
  expect(heard).toEqual(["short"]);
});

test("a question is answered by all others that know the topic, at once when nobody is there", () => {
  const bus = new FakeBus();
  const one = started(bus);
  const answers: unknown[] = [];
  one.colleagues.ask("sum", 1, (all) => answers.push(all));
  expect(answers).toEqual([[]]);
  for (const addend of [10, 20]) {
    started(bus).colleagues.answer("sum", (data) => Number(data) + addend);
  }
  started(bus);
  one.colleagues.ask("sum", 2, (all) => answers.push(all));
  expect(answers[1]).toEqual([12, 22]);
});

test("nobody waits for a worker that dies", () => {
  const bus = new FakeBus();
  const one = started(bus);
  const two = started(bus);
  const three = started(bus);
  two.colleagues.answer("who", () => 2);
  three.colleagues.answer("who", () => 3);
  three.isAlive = false;
  const answers: unknown[] = [];
  one.colleagues.ask("who", null, (all) => answers.push(...all));
  expect(answers).toEqual([]);
  bus.relay.onGone(three);
  expect(answers).toEqual([2]);
});

test("nor for one that is silent", async () => {
  const bus = new FakeBus();
  const one = started(bus);
  const two = started(bus);
  started(bus).colleagues.answer("who", () => 3);
  two.colleagues.answer("who", () => 2);
  two.isAlive = false;
  const { promise, resolve } = Promise.withResolvers<unknown[]>();
  one.colleagues.ask("who", null, resolve);
  expect(await promise).toEqual([3]);
  // Its late answer harms nobody.
  two.colleagues.onMessage({ type: "asked", question: "0.1", topic: "who", data: null });
});

test("whoever asks when it dies is forgotten", () => {
  const bus = new FakeBus();
  const one = started(bus);
  const two = started(bus);
  two.isAlive = false;
  let isAnswered = false;
  one.colleagues.ask("who", null, () => {
    isAnswered = true;
  });
  bus.relay.onGone(one);
  bus.relay.onGone(two);
  expect(isAnswered).toBe(false);
});

test("a supervisor that kept nothing has everybody post again", () => {
  const bus = new FakeBus();
  const one = started(bus);
  one.colleagues.whenLost(() => one.colleagues.post("topic", "a", 1));
  bus.relay.resume(undefined);
  expect(bus.relay.notices).toEqual([{ topic: "topic", key: "a", data: 1 }]);
  const next = new FakeBus();
  next.relay.resume(bus.relay.notices);
  expect(next.relay.notices).toEqual(bus.relay.notices);
});

test("pools do not hear each other", () => {
  const bus = new FakeBus();
  const heard: unknown[] = [];
  const one = started(bus);
  const two = bus.add();
  colleaguesInPool(two.colleagues, "alpha").hear("topic", (data) => heard.push(data));
  two.colleagues.open();
  colleaguesInPool(one.colleagues, "beta").tell("topic", 1);
  colleaguesInPool(one.colleagues, "alpha").tell("topic", 2);
  expect(heard).toEqual([2]);
});
