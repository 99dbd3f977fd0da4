/** Clients that move together, because they share subscriptions. */
import { afterEach, describe, expect, test } from "bun:test";
import { createPacketPair } from "../../../src/os/fd-passing.ts";
import { createSocketPair } from "../../../src/os/socket-pair.ts";
import type { SavedPlace } from "../../../src/protocols/redis/client/place.ts";
import type { SharedSubscription } from "../../../src/protocols/redis/client/pubsub/shared-subscription.ts";
import { SubscriptionMove } from "../../../src/protocols/redis/client/pubsub/subscription-move.ts";
import { HandOver } from "../../../src/worker/hand-over.ts";
import { PoolGroup } from "../../../src/worker/pool-group.ts";
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

describe("HandOver of a group", () => {
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
