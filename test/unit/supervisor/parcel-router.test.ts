import { afterEach, expect, test } from "bun:test";
import { closeSync, openSync, readdirSync } from "node:fs";
import { closeFd } from "../../../src/os/fd.ts";
import { createParcelPair, receiveParcel, sendParcel } from "../../../src/os/fd-passing.ts";
import { openProcessLog } from "../../../src/os/log-output.ts";
import { ParcelRouter, type ParcelWorker } from "../../../src/supervisor/parcel-router.ts";

const buffer = Buffer.alloc(70_000);
const log = openProcessLog({ level: "error", file: null, process: "test" });

/** A worker whose end of the hand-over socket is in the test's hands. */
class FakeWorker implements ParcelWorker {
  isServing = true;
  clients = 0;
  adopts = 0;
  readonly name: string;
  readonly pair = createParcelPair();

  constructor(name: string) {
    this.name = name;
    workers.push(this);
  }

  get handoverFd(): number {
    return this.pair.ours;
  }

  send(message: { readonly parcels: number }): void {
    this.adopts += message.parcels;
  }

  /** Puts parcels on its socket, as a worker that hands over does. */
  give(...names: string[]): void {
    for (const name of names) {
      const fd = openSync("/dev/null", "r");
      if (!sendParcel(this.pair.theirs, Buffer.from(name), [fd])) throw new Error("full");
      closeSync(fd);
    }
  }

  /** What it was given and has not taken yet. */
  take(): string[] {
    const names: string[] = [];
    while (true) {
      const parcel = receiveParcel(this.pair.theirs, buffer);
      if (parcel === null) return names;
      for (const fd of parcel.fds) closeFd(fd);
      expect(parcel.fds).toHaveLength(1);
      names.push(buffer.toString("latin1", 0, parcel.length));
    }
  }
}

let workers: FakeWorker[] = [];

afterEach(() => {
  for (const { pair } of workers) for (const fd of [pair.ours, pair.theirs]) closeFd(fd);
  workers = [];
});

function many(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `p${index}`);
}

test("parcels go to the emptiest worker, each once, and nothing stays open here", () => {
  const [from, a, b] = [new FakeWorker("from"), new FakeWorker("a"), new FakeWorker("b")];
  a.clients = 10;
  const router = new ParcelRouter(log, () => [a, b]);
  const files = readdirSync("/proc/self/fd").length;
  for (const batch of [many(100), many(60)]) {
    from.give(...batch);
    router.onMessage(from, { type: "parcels", count: batch.length });
  }
  expect([a.adopts, b.adopts]).toEqual([75, 85]);
  expect(router.isIdle).toBe(false);
  expect([...a.take(), ...b.take()].sort()).toEqual([...many(100), ...many(60)].sort());
  expect(readdirSync("/proc/self/fd")).toHaveLength(files);
  router.onMessage(a, { type: "adopted", adopted: 75, failed: 0 });
  router.onMessage(b, { type: "adopted", adopted: 84, failed: 1 });
  expect(router.isIdle).toBe(true);
  expect(router.lost).toBe(1);
  expect([a.clients, b.clients]).toEqual([85, 84]);
});

test("what a dead worker had not taken goes to another; what it had taken is lost", () => {
  const [from, a, b] = [new FakeWorker("from"), new FakeWorker("a"), new FakeWorker("b")];
  b.isServing = false;
  const router = new ParcelRouter(log, () => [a, b]);
  from.give(...many(20));
  router.onMessage(from, { type: "parcels", count: 20 });
  const taken = receiveParcel(a.pair.theirs, buffer);
  for (const fd of taken!.fds) closeFd(fd);
  b.isServing = true;
  a.isServing = false;
  router.onSocketEnd(a, a.pair.ours, a.pair.theirs);
  expect(b.take().sort()).toEqual(many(20).toSpliced(0, 1).sort());
  expect(router.lost).toBe(1);
  router.onMessage(b, { type: "adopted", adopted: 19, failed: 0 });
  expect(router.isIdle).toBe(true);
});

test("what a worker put on its socket before it died is passed on, though it never said so", () => {
  const [from, a] = [new FakeWorker("from"), new FakeWorker("a")];
  const router = new ParcelRouter(log, () => [a]);
  from.give("x", "y");
  router.onSocketEnd(from, from.pair.ours, from.pair.theirs);
  expect(a.take()).toEqual(["x", "y"]);
});

test("parcels of one group go to one worker, and to another only when that one is gone", () => {
  const [from, a, b] = [new FakeWorker("from"), new FakeWorker("a"), new FakeWorker("b")];
  const router = new ParcelRouter(log, () => [a, b]);
  const inGroup = (group: string, count: number): string[] =>
    many(count).map((name) => `{"group":"${group}","format":2} ${name}`);
  const give = (...names: string[]): void => {
    from.give(...names);
    router.onMessage(from, { type: "parcels", count: names.length });
  };
  give(...inGroup("1", 30));
  give(...inGroup("2", 10), ...many(10));
  expect(a.take()).toEqual(inGroup("1", 30));
  expect(b.take().sort()).toEqual([...inGroup("2", 10), ...many(10)].sort());
  router.onMessage(a, { type: "adopted", adopted: 28, failed: 0, others: 2 });
  router.onMessage(b, { type: "adopted", adopted: 20, failed: 0 });
  expect([router.isIdle, a.clients]).toEqual([true, 28]);
  a.isServing = false;
  give(...inGroup("1", 3));
  expect(b.take()).toEqual(inGroup("1", 3));
});

test("parcels wait in our hands while nobody can take them, and idleness is told", async () => {
  const [from, a] = [new FakeWorker("from"), new FakeWorker("a")];
  a.isServing = false;
  const router = new ParcelRouter(log, () => [a]);
  from.give(...many(300));
  router.onMessage(from, { type: "parcels", count: 300 });
  expect(a.adopts).toBe(0);
  let isIdle = false;
  const idle = router.whenIdle().then(() => {
    isIdle = true;
  });
  a.isServing = true;
  router.pump();
  while (a.adopts < 300) await Bun.sleep(1);
  expect(a.take()).toEqual(many(300));
  expect(isIdle).toBe(false);
  router.onMessage(a, { type: "adopted", adopted: 300, failed: 0 });
  await idle;
});

test("a full socket is tried again", async () => {
  const [from, a] = [new FakeWorker("from"), new FakeWorker("a")];
  const router = new ParcelRouter(log, () => [a]);
  // Until the kernel takes no more.
  let stuffed = 0;
  while (sendParcel(a.pair.ours, Buffer.alloc(60_000), [])) stuffed += 1;
  from.give("late");
  router.onMessage(from, { type: "parcels", count: 1 });
  expect(a.adopts).toBe(0);
  for (let count = 0; count < stuffed; count += 1) receiveParcel(a.pair.theirs, buffer);
  while (a.adopts === 0) await Bun.sleep(1);
  expect(a.take()).toEqual(["late"]);
});

test("rebalancing has parcels go where it wants, as long as that one lives", () => {
  const [from, a, b] = [new FakeWorker("from"), new FakeWorker("a"), new FakeWorker("b")];
  b.clients = 50;
  const router = new ParcelRouter(log, () => [from, a, b]);
  router.direct(from, b);
  from.give("x");
  router.onMessage(from, { type: "parcels", count: 1 });
  expect(b.take()).toEqual(["x"]);
  b.isServing = false;
  from.clients = 5;
  from.give("y");
  router.onMessage(from, { type: "parcels", count: 1 });
  expect(a.take()).toEqual(["y"]);
});

test("a group stays together when its sender leaves before all of it was passed on", async () => {
  const [from, a, b] = [new FakeWorker("from"), new FakeWorker("a"), new FakeWorker("b")];
  b.clients = 1;
  const router = new ParcelRouter(log, () => [a, b]);
  const members = Array.from({ length: 6 }, (_, at) => `{"group":"g","at":${at}}`);
  from.give(...members.filter((_, at) => at < 2));
  router.onMessage(from, { type: "parcels", count: 2 });
  let stuffed = 0;
  while (sendParcel(a.pair.ours, Buffer.alloc(60_000), [])) stuffed += 1;
  from.give(...members.filter((_, at) => at === 2));
  router.onMessage(from, { type: "parcels", count: 1 });
  a.clients = 10;
  from.give(...members.filter((_, at) => at > 2));
  router.onSocketEnd(from, from.pair.ours, from.pair.theirs);
  expect(b.adopts).toBe(0);
  const first = [receiveParcel(a.pair.theirs, buffer), receiveParcel(a.pair.theirs, buffer)];
  for (const parcel of first) for (const fd of parcel!.fds) closeFd(fd);
  for (let count = 0; count < stuffed; count += 1) receiveParcel(a.pair.theirs, buffer);
  while (a.adopts + b.adopts < 6) await Bun.sleep(1);
  expect([a.take(), b.adopts]).toEqual([members.filter((_, at) => at >= 2), 0]);
});
