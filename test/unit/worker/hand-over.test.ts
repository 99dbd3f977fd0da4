import { afterEach, describe, expect, test } from "bun:test";
import { readSync } from "node:fs";
import { PACKET_BYTES_MAX, PACKET_FORMATS } from "../../../src/api/control.ts";
import { PACKETS_UNDERWAY_START } from "../../../src/base/limits.ts";
import type { Schedule } from "../../../src/base/schedule.ts";
import { closeFd } from "../../../src/os/fd.ts";
import { createPacketPair, sendPacket } from "../../../src/os/fd-passing.ts";
import { createSocketPair } from "../../../src/os/socket-pair.ts";
import { HandOver } from "../../../src/worker/hand-over.ts";
import { PacketError, readPacket, sendSession, takePacket } from "../../../src/worker/packet.ts";
import {
  closeAll,
  fakeSession,
  line,
  nextTurn,
  open,
  owned,
  receiveSession,
} from "./hand-over-rig.ts";

afterEach(closeAll);

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
});
