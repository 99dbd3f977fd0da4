import { afterEach, expect, test } from "bun:test";
import { closeSync, openSync, readdirSync } from "node:fs";
import {
  PACKETS_UNDERWAY_LEAST,
  PACKETS_UNDERWAY_MAX,
  PACKETS_UNDERWAY_PER_CORE,
  SLOW_TARGET_MS,
} from "../../../../src/base/limits.ts";
import { closeFd } from "../../../../src/os/fd.ts";
import { createPacketPair, receivePacket, sendPacket } from "../../../../src/os/fd-passing.ts";
import { openProcessLog } from "../../../../src/os/log-output.ts";
import {
  type HandOverWorker,
  PacketRouter,
} from "../../../../src/supervisor/hand-over/packet-router.ts";
import { packetsUnderwayToAll } from "../../../../src/supervisor/hand-over/packet-targets.ts";

const buffer = Buffer.alloc(70_000);
const log = openProcessLog({ level: "error", file: null, process: "test" });

/** On a clock that stands, so that it never rests between two rounds of packets. */
function routerTo(
  targets: readonly HandOverWorker[],
  underwayMax: number = PACKETS_UNDERWAY_MAX,
  nowMs: () => number = () => 0,
): PacketRouter {
  return new PacketRouter(log, () => targets, underwayMax, nowMs);
}

/** A worker whose end of the hand-over socket is in the test's hands. */
class FakeWorker implements HandOverWorker {
  isServing = true;
  clients = 0;
  adopts = 0;
  isGone = false;
  readonly name: string;
  readonly pair = createPacketPair();

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

  /** Puts packets on its socket, as a worker that hands over does. */
  give(...names: string[]): void {
    for (const name of names) {
      const fd = openSync("/dev/null", "r");
      if (!sendPacket(this.pair.theirs, Buffer.from(name), [fd])) throw new Error("full");
      closeSync(fd);
    }
  }

  /** Its sockets, for a router that closes them. */
  giveAway(): readonly [number, number] {
    this.isGone = true;
    return [this.pair.ours, this.pair.theirs];
  }

  /** What it was given and has not taken yet. */
  take(): string[] {
    const names: string[] = [];
    while (true) {
      const packet = receivePacket(this.pair.theirs, buffer);
      if (packet === null) return names;
      for (const fd of packet.fds) closeFd(fd);
      expect(packet.fds).toHaveLength(1);
      names.push(buffer.toString("latin1", 0, packet.length));
    }
  }
}

/** Has each of `receivers` take and answer for what it is given, until the router is idle. @returns what each took */
async function settle(router: PacketRouter, ...receivers: FakeWorker[]): Promise<string[][]> {
  const taken = receivers.map(() => [] as string[]);
  while (!router.isIdle) {
    for (const [index, receiver] of receivers.entries()) {
      const names = receiver.take();
      taken[index]!.push(...names);
      if (names.length > 0) {
        router.onMessage(receiver, { type: "adopted", adopted: names.length, failed: 0 });
      }
    }
    await Bun.sleep(0);
  }
  return taken;
}

let workers: FakeWorker[] = [];

afterEach(() => {
  for (const { pair, isGone } of workers) {
    if (!isGone) for (const fd of [pair.ours, pair.theirs]) closeFd(fd);
  }
  workers = [];
});

function many(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `p${index}`);
}

test("packets go to the emptiest worker, each once, and nothing stays open here", async () => {
  const [from, a, b] = [new FakeWorker("from"), new FakeWorker("a"), new FakeWorker("b")];
  a.clients = 10;
  const router = routerTo([a, b]);
  const files = readdirSync("/proc/self/fd").length;
  const taken: string[] = [];
  for (const batch of [many(100), many(60)]) {
    from.give(...batch);
    router.onMessage(from, { type: "parcels", count: batch.length });
    expect(router.isIdle).toBe(false);
    taken.push(...(await settle(router, a, b)).flat());
  }
  expect(taken.sort()).toEqual([...many(100), ...many(60)].sort());
  expect(readdirSync("/proc/self/fd")).toHaveLength(files);
  // Even, but for those that were underway at a time.
  expect(Math.abs(a.clients - b.clients)).toBeLessThanOrEqual(2 * PACKETS_UNDERWAY_MAX);
  from.give("one more");
  router.onMessage(from, { type: "parcels", count: 1 });
  const taker = a.clients <= b.clients ? a : b;
  expect(taker.take()).toEqual(["one more"]);
  router.onMessage(taker, { type: "adopted", adopted: 0, failed: 1 });
  expect([router.isIdle, router.lost]).toEqual([true, 1]);
});

test("few packets are underway at a time, to one worker and to all", async () => {
  const [from, a, b] = [new FakeWorker("from"), new FakeWorker("a"), new FakeWorker("b")];
  const router = routerTo([a, b], PACKETS_UNDERWAY_MAX + 5);
  from.give(...many(200));
  b.isServing = false;
  router.onMessage(from, { type: "parcels", count: 200 });
  expect(a.adopts).toBe(PACKETS_UNDERWAY_MAX);
  b.isServing = true;
  router.pump();
  expect([a.adopts, b.adopts]).toEqual([PACKETS_UNDERWAY_MAX, 5]);
  const [byA = [], byB = []] = await settle(router, a, b);
  expect([...byA, ...byB].sort()).toEqual(many(200).sort());
});

test("so few are underway for each core; the others stay with their senders, each of which gets its turn", async () => {
  const [one, two] = [new FakeWorker("one"), new FakeWorker("two")];
  const [a, b] = [new FakeWorker("a"), new FakeWorker("b")];
  const most = packetsUnderwayToAll(20_000, 2);
  expect(most).toBe(2 * PACKETS_UNDERWAY_PER_CORE);
  const router = routerTo([a, b], most);
  const files = readdirSync("/proc/self/fd").length;
  one.give(...many(100).map((name) => `one ${name}`));
  two.give(...many(100).map((name) => `two ${name}`));
  const given = { one: 0, two: 0 };
  let turns = 0;
  let answered = 0;
  for (const source of [one, two]) router.onMessage(source, { type: "parcels", count: 100 });
  while (given.one + given.two < 200) {
    // None is in our hands.
    expect(readdirSync("/proc/self/fd")).toHaveLength(files);
    for (const receiver of [a, b]) {
      expect(a.adopts + b.adopts - answered).toBeLessThanOrEqual(most);
      const names = receiver.take();
      expect(names.length).toBeLessThanOrEqual(Math.max(most / 2, PACKETS_UNDERWAY_LEAST));
      for (const name of names) given[name.startsWith("one") ? "one" : "two"] += 1;
      answered += names.length;
      router.onMessage(receiver, { type: "adopted", adopted: names.length, failed: 0 });
    }
    if (given.one + given.two < 200) {
      expect(Math.abs(given.one - given.two)).toBeLessThanOrEqual(3 * most);
    }
    turns += 1;
  }
  expect(turns).toBeGreaterThanOrEqual(200 / (2 * most));
});

test("a worker that hangs holds only its share of what may be underway", () => {
  const [from, hung, quick] = [new FakeWorker("f"), new FakeWorker("h"), new FakeWorker("q")];
  const router = routerTo([hung, quick], 16);
  from.give(...many(100));
  router.onMessage(from, { type: "parcels", count: 100 });
  let taken = 0;
  for (let names = quick.take(); names.length > 0; names = quick.take()) {
    taken += names.length;
    router.onMessage(quick, { type: "adopted", adopted: names.length, failed: 0 });
  }
  expect([hung.adopts, taken]).toEqual([8, 92]);
  hung.take();
});

test("a worker that hangs with all that may be underway holds the others up for a moment only", () => {
  const [from, hung, quick] = [new FakeWorker("f"), new FakeWorker("h"), new FakeWorker("q")];
  let nowMs = 0;
  const router = routerTo([hung, quick], PACKETS_UNDERWAY_LEAST, () => nowMs);
  // The first ones go in a row to one that has many.
  hung.clients = 100;
  quick.clients = 100;
  from.give(...many(100));
  router.onMessage(from, { type: "parcels", count: 100 });
  expect([hung.adopts, quick.adopts]).toEqual([PACKETS_UNDERWAY_LEAST, 0]);
  nowMs += SLOW_TARGET_MS;
  router.pump();
  expect(quick.adopts).toBe(0);
  nowMs += 1;
  router.pump();
  expect(quick.adopts).toBe(PACKETS_UNDERWAY_LEAST);
  // It answers for one: the three that it still owes are underway again.
  router.onMessage(hung, { type: "adopted", adopted: 1, failed: 0 });
  router.onMessage(quick, { type: "adopted", adopted: 2, failed: 0 });
  expect([hung.adopts, quick.adopts]).toEqual([PACKETS_UNDERWAY_LEAST, PACKETS_UNDERWAY_LEAST]);
});

test("the work for a packet does not grow with their number", async () => {
  const looks = async (packets: number): Promise<number> => {
    const [from, a, b] = [new FakeWorker("from"), new FakeWorker("a"), new FakeWorker("b")];
    let count = 0;
    for (const target of [a, b]) {
      Object.defineProperty(target, "isServing", {
        get() {
          count += 1;
          return true;
        },
      });
    }
    const router = routerTo([a, b]);
    from.give(...many(packets));
    router.onMessage(from, { type: "parcels", count: packets });
    await settle(router, a, b);
    return count / packets;
  };
  expect(await looks(4_000)).toBeLessThan(2 * (await looks(1_000)));
});

test("what a dead worker had not taken goes to another; what it had taken is lost", () => {
  const [from, a, b] = [new FakeWorker("from"), new FakeWorker("a"), new FakeWorker("b")];
  b.isServing = false;
  const router = routerTo([a, b]);
  from.give(...many(15));
  router.onMessage(from, { type: "parcels", count: 15 });
  const taken = receivePacket(a.pair.theirs, buffer);
  for (const fd of taken!.fds) closeFd(fd);
  b.isServing = true;
  a.isServing = false;
  router.onSocketEnd(a, ...a.giveAway());
  expect(b.take().sort()).toEqual(many(15).toSpliced(0, 1).sort());
  expect(router.lost).toBe(1);
  router.onMessage(b, { type: "adopted", adopted: 14, failed: 0 });
  expect(router.isIdle).toBe(true);
});

test("what a worker put on its socket before it died is passed on, though it never said so", () => {
  const [from, a] = [new FakeWorker("from"), new FakeWorker("a")];
  const router = routerTo([a]);
  from.give("x", "y");
  router.onSocketEnd(from, ...from.giveAway());
  expect(a.take()).toEqual(["x", "y"]);
  expect([router.sourceCounts.taken(from), router.sourceCounts.untold(from)]).toEqual([2, 2]);
});

test("packets of one group go to one worker, and to another only when that one is gone", async () => {
  const [from, a, b] = [new FakeWorker("from"), new FakeWorker("a"), new FakeWorker("b")];
  const router = routerTo([a, b]);
  const inGroup = (group: string, count: number): string[] =>
    many(count).map((name) => `{"group":"${group}","format":2} ${name}`);
  const give = (...names: string[]): void => {
    from.give(...names);
    router.onMessage(from, { type: "parcels", count: names.length });
  };
  give(...inGroup("1", 30));
  const first = await settle(router, a, b);
  expect(first).toEqual([inGroup("1", 30), []]);
  give(...inGroup("2", 10), ...many(10));
  const [byA = [], byB = []] = await settle(router, a, b);
  expect(byB.filter((name) => name.startsWith("{"))).toEqual(inGroup("2", 10));
  expect([...byA, ...byB].sort()).toEqual([...inGroup("2", 10), ...many(10)].sort());
  a.isServing = false;
  give(...inGroup("1", 3));
  expect(b.take()).toEqual(inGroup("1", 3));
});

test("packets wait in our hands while nobody can take them, and idleness is told", async () => {
  const [from, a] = [new FakeWorker("from"), new FakeWorker("a")];
  a.isServing = false;
  const router = routerTo([a]);
  from.give(...many(300));
  router.onMessage(from, { type: "parcels", count: 300 });
  expect(a.adopts).toBe(0);
  let isIdle = false;
  const idle = router.whenIdle().then(() => {
    isIdle = true;
  });
  a.isServing = true;
  router.pump();
  expect(isIdle).toBe(false);
  expect(await settle(router, a)).toEqual([many(300)]);
  await idle;
});

test("a full socket is tried again", async () => {
  const [from, a] = [new FakeWorker("from"), new FakeWorker("a")];
  const router = routerTo([a]);
  // Until the kernel takes no more.
  let stuffed = 0;
  while (sendPacket(a.pair.ours, Buffer.alloc(60_000), [])) stuffed += 1;
  from.give("late");
  router.onMessage(from, { type: "parcels", count: 1 });
  expect(a.adopts).toBe(0);
  for (let count = 0; count < stuffed; count += 1) receivePacket(a.pair.theirs, buffer);
  while (a.adopts === 0) await Bun.sleep(1);
  expect(a.take()).toEqual(["late"]);
});

test("rebalancing has packets go where it wants, as long as that one lives", () => {
  const [from, a, b] = [new FakeWorker("from"), new FakeWorker("a"), new FakeWorker("b")];
  b.clients = 50;
  const router = routerTo([from, a, b]);
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
  const router = routerTo([a, b]);
  const members = Array.from({ length: 6 }, (_, at) => `{"group":"g","at":${at}}`);
  from.give(...members.filter((_, at) => at < 2));
  router.onMessage(from, { type: "parcels", count: 2 });
  let stuffed = 0;
  while (sendPacket(a.pair.ours, Buffer.alloc(60_000), [])) stuffed += 1;
  from.give(...members.filter((_, at) => at === 2));
  router.onMessage(from, { type: "parcels", count: 1 });
  a.clients = 10;
  from.give(...members.filter((_, at) => at > 2));
  router.onSocketEnd(from, ...from.giveAway());
  expect(b.adopts).toBe(0);
  const first = [receivePacket(a.pair.theirs, buffer), receivePacket(a.pair.theirs, buffer)];
  for (const packet of first) for (const fd of packet!.fds) closeFd(fd);
  for (let count = 0; count < stuffed; count += 1) receivePacket(a.pair.theirs, buffer);
  while (a.adopts + b.adopts < 6) await Bun.sleep(1);
  expect([a.take(), b.adopts]).toEqual([members.filter((_, at) => at >= 2), 0]);
});
