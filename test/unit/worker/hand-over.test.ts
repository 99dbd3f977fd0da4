import { afterEach, describe, expect, test } from "bun:test";
import { readSync } from "node:fs";
import { PACKET_BYTES_MAX, PACKET_FORMATS } from "../../../src/api/control.ts";
import { PACKETS_UNDERWAY_START } from "../../../src/base/limits.ts";
import { type Schedule, schedule } from "../../../src/base/schedule.ts";
import type { Session } from "../../../src/client/session.ts";
import { closeFd } from "../../../src/os/fd.ts";
import { createPacketPair, sendPacket } from "../../../src/os/fd-passing.ts";
import { openProcessLog } from "../../../src/os/log-output.ts";
import { createSocketPair } from "../../../src/os/socket-pair.ts";
import type { SavedPlace } from "../../../src/protocols/redis/client/place.ts";
import type { SharedSubscription } from "../../../src/protocols/redis/client/pubsub/shared-subscription.ts";
import { SubscriptionMove } from "../../../src/protocols/redis/client/pubsub/subscription-move.ts";
import { HandOver } from "../../../src/worker/hand-over.ts";
import {
  PacketError,
  type ReceivedSession,
  readPacket,
  sendSession,
  takePacket,
} from "../../../src/worker/packet.ts";
import { PoolGroup } from "../../../src/worker/pool-group.ts";

const open: number[] = [];

function owned<Pair extends { readonly ours: number; readonly theirs: number }>(pair: Pair): Pair {
  open.push(pair.ours, pair.theirs);
  return pair;
}

afterEach(() => {
  for (const fd of open.splice(0)) closeFd(fd);
});

function receiveSession(socket: number): ReceivedSession | null {
  const packet = takePacket(socket);
  return packet === null ? null : readPacket(packet);
}

const log = openProcessLog({ level: "error", file: null, process: "test" });
/** The clock stands: packets are never taken slowly. */
const line = { underwayMax: 16, log, nowMs: () => 1, schedule };

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("packets", () => {
  test.each([0, 10, 40_000, PACKET_BYTES_MAX, 3_000_000])(
    "a session with %d bytes each way arrives whole",
    (size) => {
      const pair = owned(createPacketPair());
      const client = owned(createSocketPair());
      const input = Buffer.alloc(size, "in\n");
      const output = Buffer.alloc(size + 1, "out\0");
      const own = owned(createSocketPair());
      const descriptors = [own.ours, own.theirs];
      const saved = { client: { name: "ü\n" }, input, output, descriptors };
      expect(sendSession(pair.ours, { pool: "pool", format: 2 }, client.ours, saved)).toBe(true);
      const received = receiveSession(pair.theirs)!;
      open.push(received.connection, ...received.descriptors);
      expect(received.descriptors).toHaveLength(2);
      expect(received.head).toMatchObject({ format: 2, pool: "pool", client: { name: "ü\n" } });
      expect(received.connection).not.toBe(client.ours);
      expect(received.input.equals(input)).toBe(true);
      expect(received.output.equals(output)).toBe(true);
      expect(receiveSession(pair.theirs)).toBeNull();
    },
  );

  test.each([0, 30_000, 100_000])(
    "so does what is known of the client, with %d bytes besides",
    (size) => {
      const pair = owned(createPacketPair());
      const connections = owned(createSocketPair());
      const input = Buffer.alloc(size, "in\n");
      const client = { queue: "é\n".repeat(50_000) };
      const saved = {
        client,
        input,
        output: Buffer.from("out"),
        descriptors: [connections.theirs],
      };
      expect(sendSession(pair.ours, { pool: "pool", format: 2 }, connections.ours, saved)).toBe(
        true,
      );
      const received = receiveSession(pair.theirs)!;
      open.push(received.connection, ...received.descriptors);
      expect(received.head.client).toEqual(client);
      expect(received.input.equals(input)).toBe(true);
      expect([received.output.toString(), received.descriptors.length]).toEqual(["out", 1]);
    },
  );

  test("without all of its descriptors it is none, and those that came stay the packet's", () => {
    const pair = owned(createPacketPair());
    const { ours, theirs } = createSocketPair();
    const head = { ...{ format: 2, pool: "p", client: {}, isInline: true, descriptors: 1 } };
    const bytes = Buffer.from(`${JSON.stringify({ ...head, inputBytes: 0, outputBytes: 0 })}\n`);
    expect(sendPacket(pair.ours, bytes, [ours])).toBe(true);
    closeFd(ours);
    const packet = takePacket(pair.theirs)!;
    expect(() => readPacket(packet)).toThrow(PacketError);
    for (const fd of packet.fds) closeFd(fd);
    // Nobody holds the other end any more.
    expect(readSync(theirs, Buffer.alloc(1))).toBe(0);
    closeFd(theirs);
  });
});

/** A session that settles when it is told to. */
function fakeSession(fd: number): { session: Session; settle: () => void; log: string[] } {
  const log: string[] = [];
  let onSettled = (): void => {};
  const session = {
    fd,
    canMove: true,
    isReadyToMove: false,
    frontend: { needsFormat: 1 },
    drain: () => log.push("drain"),
    move: {
      begin: (callback: () => void) => {
        log.push("begin");
        onSettled = callback;
      },
      cancel: () => log.push("cancel"),
      quiesce() {},
      save: () => ({
        client: {},
        input: Buffer.alloc(0),
        output: Buffer.alloc(0),
        descriptors: [],
      }),
      leave: () => log.push("leave"),
    },
  } as unknown as Session;
  const settle = (): void => {
    (session as { isReadyToMove: boolean }).isReadyToMove = true;
    onSettled();
  };
  return { session, settle, log };
}

describe("HandOver", () => {
  test("sends whoever settles, keeps the rest at the end, and announces each packet once", async () => {
    const pair = owned(createPacketPair());
    const client = owned(createSocketPair());
    const sessions = [0, 1, 2].map(() => fakeSession(client.ours));
    const announced: number[] = [];
    let moved = -1;
    const handOver = new HandOver(
      sessions.map(({ session }) => ({ pool: "p", session })),
      {
        ...line,
        socket: pair.ours,
        format: 1,
        timeoutMs: 60_000,
        onPackets: (count) => announced.push(count),
        onDone: (count) => {
          moved = count;
        },
      },
    );
    await nextTurn();
    sessions[0]!.settle();
    sessions[0]!.settle();
    sessions[1]!.settle();
    await nextTurn();
    expect(announced).toEqual([2]);
    expect(moved).toBe(-1);
    // The last one's client leaves by itself.
    handOver.forget(sessions[2]!.session);
    await nextTurn();
    expect(moved).toBe(2);
    expect(announced).toEqual([2]);
    expect(sessions.map(({ log }) => log)).toEqual([
      ["begin", "leave"],
      ["begin", "leave"],
      ["begin"],
    ]);
    for (let i = 0; i < 2; i++) open.push(receiveSession(pair.theirs)!.connection);
  });

  test("few clients are held back at a time: no more go before the supervisor has taken these", async () => {
    const pair = owned(createPacketPair());
    const client = owned(createSocketPair());
    const sessions = Array.from({ length: 50 }, () => fakeSession(client.ours));
    for (const { session, settle } of sessions) {
      const { begin } = session.move;
      session.move.begin = (onSettled) => {
        begin(onSettled);
        setImmediate(settle);
      };
    }
    const { promise, resolve } = Promise.withResolvers<number>();
    const options = { ...line, socket: pair.ours, format: 1, timeoutMs: 60_000, onPackets() {} };
    new HandOver(
      sessions.map(({ session }) => ({ pool: "p", session })),
      { ...options, onDone: resolve },
    );
    const gone = (): number => sessions.filter(({ log }) => log.includes("leave")).length;
    const asked = (): number => sessions.filter(({ log }) => log.length > 0).length;
    let received = 0;
    while (received < sessions.length) {
      expect(gone() - received).toBeLessThanOrEqual(PACKETS_UNDERWAY_START);
      expect(asked() - gone()).toBeLessThanOrEqual(PACKETS_UNDERWAY_START);
      for (let next = receiveSession(pair.theirs); next !== null; ) {
        open.push(next.connection);
        received += 1;
        next = receiveSession(pair.theirs);
      }
      await Bun.sleep(1);
    }
    expect(await promise).toBe(sessions.length);
  });

  test("the work for a client does not grow with their number, and each is packed up once", async () => {
    /** Looks at whether a client is ready, for each client. */
    const looks = async (clients: number): Promise<number> => {
      const pair = owned(createPacketPair());
      const client = owned(createSocketPair());
      const sessions = Array.from({ length: clients }, () => fakeSession(client.ours));
      let looked = 0;
      let packed = 0;
      for (const { session } of sessions) {
        let isReady = false;
        Object.defineProperty(session, "isReadyToMove", {
          get: () => {
            looked++;
            return isReady;
          },
          set: (value: boolean) => {
            isReady = value;
          },
        });
        Object.defineProperty(session.frontend, "needsFormat", {
          get: () => {
            packed++;
            return 1;
          },
        });
        const { save } = session.move;
        session.move.save = () => {
          packed++;
          return save();
        };
      }
      // What is looked at now and then is looked at in each turn; the end never comes.
      const soon: Schedule = (ms, act) => {
        if (ms > 1_000) return () => {};
        const timer = setImmediate(act);
        return () => clearImmediate(timer);
      };
      const { promise, resolve } = Promise.withResolvers<number>();
      const options = {
        ...line,
        schedule: soon,
        socket: pair.ours,
        timeoutMs: 1e9,
        onPackets() {},
      };
      new HandOver(
        sessions.map(({ session }) => ({ pool: "p", session })),
        { ...options, format: Math.max(...PACKET_FORMATS), onDone: resolve },
      );
      let moved = 0;
      for (const { log, settle } of sessions) {
        while (log.length === 0) {
          await nextTurn();
          for (let next = receiveSession(pair.theirs); next !== null; ) {
            moved++;
            closeFd(next.connection);
            next = receiveSession(pair.theirs);
          }
        }
        settle();
      }
      expect(await promise).toBe(clients);
      expect(moved).toBeGreaterThan(clients / 2);
      expect(packed).toBe(clients);
      return looked / clients;
    };
    expect(await looks(1_200)).toBeLessThan(2 * (await looks(300)));
  });

  test("without the supervisor everybody stays; no empty announcement", async () => {
    const pair = owned(createPacketPair());
    const client = owned(createSocketPair());
    const sessions = [0, 1].map(() => fakeSession(client.ours));
    const announced: number[] = [];
    const done: number[] = [];
    new HandOver(
      sessions.map(({ session }) => ({ pool: "p", session })),
      {
        ...line,
        socket: pair.ours,
        format: 1,
        timeoutMs: 60_000,
        onPackets: (count) => announced.push(count),
        onDone: (count) => done.push(count),
      },
    );
    await nextTurn();
    sessions[0]!.settle();
    closeFd(pair.theirs);
    open.splice(open.indexOf(pair.theirs), 1);
    sessions[1]!.settle();
    await nextTurn();
    await nextTurn();
    expect(sessions.map(({ log }) => log.at(-1))).toEqual(["leave", "cancel"]);
    expect([announced, done]).toEqual([[1], [1]]);
  });

  test("who needs a newer format than the receiver knows stays; who becomes ready unnoticed is found", async () => {
    const pair = owned(createPacketPair());
    const client = owned(createSocketPair());
    const [modern, ready, simple] = [0, 1, 2].map(() => fakeSession(client.ours));
    (modern!.session.frontend as { needsFormat: number }).needsFormat = 2;
    const candidates = [modern!, ready!, simple!].map(({ session }) => ({ pool: "p", session }));
    let moved = -1;
    const options = { ...line, socket: pair.ours, format: 1, timeoutMs: 60_000, onPackets() {} };
    const handOver = new HandOver(candidates, {
      ...options,
      onDone: (count) => {
        moved = count;
      },
    });
    await nextTurn();
    modern!.settle();
    expect(modern!.log).toEqual(["begin", "cancel"]);
    ready!.settle();
    expect(ready!.log).toEqual(["begin", "leave"]);
    // Ready, but it does not hear of that itself.
    (simple!.session as { isReadyToMove: boolean }).isReadyToMove = true;
    while (moved < 0) await Bun.sleep(1);
    expect([moved, simple!.log]).toEqual([2, ["begin", "leave"]]);
    handOver.forget(modern!.session);
    for (let i = 0; i < 2; i++) open.push(receiveSession(pair.theirs)!.connection);
  });

  test("nobody to move: done at once", () => {
    const pair = owned(createPacketPair());
    let moved = -1;
    const onDone = (count: number): void => {
      moved = count;
    };
    const options = { ...line, socket: pair.ours, format: 1, timeoutMs: 60_000, onPackets() {} };
    new HandOver([], { ...options, onDone });
    expect(moved).toBe(0);
  });

  test("who is subscribed goes with all others of the shared subscription, between its connections and the end", async () => {
    const pair = owned(createPacketPair());
    const client = owned(createSocketPair());
    const [one, two, alone] = [0, 1, 2].map(() => fakeSession(client.ours));
    const log: string[] = [];
    const connection = {
      ...{ isUp: true, fd: client.theirs, unread: Buffer.from("half") },
      leave: () => log.push("leave"),
    };
    const topics = { all: () => [{ kind: "channel", name: "news" }] };
    const upstream = { name: "s0", address: "a:1" };
    const link = { connection, upstream, wants: () => true, hasOn: () => true };
    const subscribers = new Set([one!, two!].map(({ session }) => ({ client: { session } })));
    const shared = {
      ...{ id: "7", subscribers, topics, isQuiet: false },
      beginToLeave: () => {
        log.push("pause");
        return [link];
      },
    };
    const candidates = [one!, two!, alone!].map(({ session }) => ({ pool: "p", session }));
    let moved = -1;
    const options = {
      ...{ ...line, socket: pair.ours, format: 2, timeoutMs: 60_000, onPackets() {} },
      onDone: (count: number) => {
        moved = count;
      },
    };
    new HandOver(candidates, options, [
      new PoolGroup("p", new SubscriptionMove(shared as unknown as SharedSubscription, 2)),
    ]);
    await nextTurn();
    const arrived: unknown[] = [];
    const receive = (): unknown[] => {
      for (let next = receiveSession(pair.theirs); next !== null; ) {
        if (next.connection >= 0) open.push(next.connection);
        const { group, link, isLast } = next.head;
        const what =
          isLast === true ? "last" : ((link as SavedPlace | undefined)?.address ?? "client");
        arrived.push([what, group, `${next.input}${next.output}`]);
        next = receiveSession(pair.theirs);
      }
      return arrived.splice(0);
    };
    one!.settle();
    expect(receive()).toEqual([]);
    two!.settle();
    expect([receive(), log]).toEqual([[], []]);
    alone!.settle();
    expect(receive()).toEqual([["client", undefined, ""]]);
    // What is under way with a server has ended: that is found out.
    shared.isQuiet = true;
    const rest: unknown[] = [];
    while (moved < 0) {
      await Bun.sleep(1);
      rest.push(...receive());
    }
    expect([...rest, ...receive()]).toEqual([
      ["a:1", "7", 'half[["channel","news"]]'],
      ["client", "7", ""],
      ["client", "7", ""],
      ["last", "7", ""],
    ]);
    expect([moved, log]).toEqual([3, ["pause", "leave"]]);
  });

  test("who is subscribed and cannot be sent is closed, because what it is subscribed to has gone", async () => {
    const pair = owned(createPacketPair());
    const client = owned(createSocketPair());
    // A descriptor that is none cannot be sent.
    const [one, two] = [fakeSession(client.ours), fakeSession(-1)];
    const shared = {
      ...{ id: "7", topics: { all: () => [] }, isQuiet: true, beginToLeave: () => [] },
      subscribers: new Set([one, two].map(({ session }) => ({ client: { session } }))),
    } as unknown as SharedSubscription;
    const { promise, resolve } = Promise.withResolvers<number>();
    const options = { ...line, socket: pair.ours, format: 2, timeoutMs: 60_000, onPackets() {} };
    new HandOver(
      [one, two].map(({ session }) => ({ pool: "p", session })),
      { ...options, onDone: resolve },
      [new PoolGroup("p", new SubscriptionMove(shared, 2))],
    );
    await nextTurn();
    one.settle();
    two.settle();
    expect(await promise).toBe(1);
    expect([one.log, two.log]).toEqual([
      ["begin", "leave"],
      ["begin", "cancel", "drain"],
    ]);
    for (let next = receiveSession(pair.theirs); next !== null; ) {
      if (next.connection >= 0) open.push(next.connection);
      next = receiveSession(pair.theirs);
    }
  });

  test("who is alone goes before a shared subscription and all its names, also when it is ready only later", async () => {
    const pair = owned(createPacketPair());
    const client = owned(createSocketPair());
    const [member, early, late] = [0, 1, 2].map(() => fakeSession(client.ours));
    const connection = { isUp: true, fd: client.theirs, unread: Buffer.alloc(0), leave() {} };
    const links = Array.from({ length: 100 }, () => ({
      ...{ connection, upstream: { name: "s0", address: "a:1" } },
      ...{ wants: () => true, hasOn: () => true },
    }));
    const shared = {
      ...{ id: "7", isQuiet: true, topics: { all: () => [] }, beginToLeave: () => links },
      subscribers: new Set([{ client: { session: member!.session } }]),
    };
    const candidates = [member!, early!, late!].map(({ session }) => ({ pool: "p", session }));
    const done = Promise.withResolvers<number>();
    const options = {
      ...{ ...line, underwayMax: 4, socket: pair.ours, format: 2, timeoutMs: 60_000 },
      ...{ onPackets() {}, onDone: done.resolve },
    };
    new HandOver(candidates, options, [
      new PoolGroup("p", new SubscriptionMove(shared as unknown as SharedSubscription, 2)),
    ]);
    const arrived: string[] = [];
    const receive = async (count: number): Promise<void> => {
      while (arrived.length < count) {
        const next = receiveSession(pair.theirs);
        if (next === null) {
          await Bun.sleep(1);
          continue;
        }
        if (next.connection >= 0) open.push(next.connection);
        const { group, isLast, link } = next.head;
        arrived.push(
          isLast === true
            ? "last"
            : link !== undefined
              ? "link"
              : group === undefined
                ? "alone"
                : "member",
        );
      }
    };
    member!.settle();
    early!.settle();
    await receive(1);
    expect(arrived).toEqual(["alone"]);
    await receive(20);
    expect(arrived).toEqual(["alone", ...new Array(19).fill("link")]);
    late!.settle();
    await receive(104);
    // Those before it were underway by then.
    expect(arrived.lastIndexOf("alone")).toBeLessThan(30);
    expect(arrived.slice(-2)).toEqual(["member", "last"]);
    expect(await done.promise).toBe(3);
  });
});
