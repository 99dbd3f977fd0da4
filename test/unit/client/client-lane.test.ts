import { describe, expect, test } from "bun:test";
import { HEAVY_LANES, heavyLane } from "../../../src/api/lane.ts";
import {
  HEAVY_BYTES,
  HEAVY_NEWCOMER_REPLIES,
  HEAVY_NEWCOMERS_MS,
  HEAVY_REST_MS,
  KNOWN_REPLIES,
  NEW_CLIENT_MS,
  UNKNOWN_REPLIES_MAX,
} from "../../../src/base/fairness-limits.ts";
import { REPLY_WINDOW_START, SESSION_WINDOW_BYTES } from "../../../src/base/limits.ts";
import { type ClientLane, PoolLanes } from "../../../src/client/client-lane.ts";
import type { ManualTurn } from "../../support/manual-deadlines.ts";
import { createRig, multibulk, type Rig } from "./session-rig.ts";

const LARGE = `+${"L".repeat(HEAVY_BYTES)}\r\n`;

function rigWithLarge(): Rig {
  return createRig({
    servers: 1,
    answerOf: ([, key = ""]) => (key.startsWith("large") ? LARGE : `+${key}\r\n`),
  });
}

/** The keys that were asked for over plain connections, and over those for heavy clients. */
function asked({ connections, heavyConnections }: Rig): [string[], string[]] {
  const keysOf = (all: Rig["connections"]): string[] =>
    all.flatMap(({ requests }) => requests.map((request) => request[1]!));
  return [keysOf(connections), keysOf(heavyConnections)];
}

describe("the lane of a client", () => {
  test("is another once it was owed much, and the same again when it has moved little for long", async () => {
    const rig = rigWithLarge();
    rig.ask("GET", "large0");
    await rig.settle();
    rig.ask("GET", "a0");
    await rig.settle();
    expect(asked(rig)).toEqual([["large0"], ["a0"]]);
    const turn = rig.session.turn as ManualTurn;
    turn.atMs += HEAVY_REST_MS;
    rig.ask("GET", "b0");
    await rig.settle();
    rig.ask("GET", "c0");
    await rig.settle();
    expect(asked(rig)).toEqual([
      ["large0", "c0"],
      ["a0", "b0"],
    ]);
  });

  test("changes only while nothing is owed: until then no request is taken", async () => {
    const rig = rigWithLarge();
    const [plain] = rig.connections;
    const [heavy] = rig.heavyConnections;
    rig.input(["large0", "a0"].map((key) => multibulk(["GET", key])).join(""));
    plain!.answer(1);
    rig.input(["c0", "d0"].map((key) => multibulk(["GET", key])).join(""));
    await rig.turn();
    expect([plain!.waiting.length, heavy!.waiting.length]).toEqual([1, 0]);
    plain!.answer();
    await rig.turn();
    await rig.turn();
    expect([plain!.waiting.length, heavy!.waiting.length]).toEqual([0, 2]);
    heavy!.answer();
    await rig.settle();
    expect(rig.stream.output).toBe(`${LARGE}+a0\r\n+c0\r\n+d0\r\n`);
  });

  test("is that of heavy clients after many middling replies at once, too, and after a request that is large", async () => {
    const middling = `+${"m".repeat(40_000)}\r\n`;
    const rig = createRig({ servers: 1, answerOf: () => middling });
    // One after the other they hold up nothing.
    for (let i = 0; i < 20; i++) {
      rig.ask("GET", "m0");
      await rig.settle();
    }
    expect(rig.session.lane).toBe(0);
    rig.input(multibulk(["GET", "m0"]).repeat(40));
    await rig.settle();
    expect(rig.session.lane).toBe(heavyLane(0));

    const sender = createRig({ servers: 1 });
    sender.ask("SET", "v0", "v".repeat(HEAVY_BYTES));
    await sender.settle();
    sender.ask("GET", "v0");
    expect(sender.heavyConnections[0]!.requests.map(([name]) => name)).toEqual(["GET"]);
    await sender.settle();
  });

  test("does not change with failures, and a client that is closed meanwhile is told nothing", async () => {
    const rig = rigWithLarge();
    rig.input(multibulk(["GET", "large0"]).repeat(2));
    rig.connections[0]!.answer(1);
    rig.session.close();
    rig.connections[0]!.answer();
    await rig.settle();
    expect(rig.closed()).toBe(true);
  });

  test("of a reader of nothing: of replies that it cannot take few are fetched", async () => {
    const rig = rigWithLarge();
    rig.stream.room = 0;
    rig.input(multibulk(["GET", "large0"]).repeat(200));
    await rig.settle();
    const fetched = asked(rig).flat().length;
    expect(fetched * HEAVY_BYTES).toBeLessThanOrEqual(SESSION_WINDOW_BYTES);
    rig.stream.room = Number.POSITIVE_INFINITY;
    rig.session.onDrain();
    await rig.settle();
    expect(asked(rig).flat().length).toBe(200);
  });

  test("of newcomers is that of heavy clients for a while after one was, and then by what they are", () => {
    const lanes = new PoolLanes();
    expect([lanes.add(0), lanes.add(0)]).toEqual([0, 1]);
    lanes.noteHeavyNewcomer(1000);
    expect(lanes.add(1000 + HEAVY_NEWCOMERS_MS - 1)).toBe(heavyLane(2));
    expect(lanes.add(1000 + HEAVY_NEWCOMERS_MS)).toBe(3);
  });

  test("of a newcomer that is not heavy changes after some replies", async () => {
    const rig = rigWithLarge();
    const { lanes } = rig.session.host;
    const turn = rig.session.turn as ManualTurn;
    rig.ask("GET", "large0");
    await rig.settle();
    expect(lanes.add(turn.nowMs)).toBeGreaterThanOrEqual(HEAVY_LANES);

    const old = rigWithLarge();
    (old.session.turn as ManualTurn).atMs += NEW_CLIENT_MS;
    old.ask("GET", "large0");
    await old.settle();
    expect(old.session.host.lanes.add(turn.nowMs)).toBeLessThan(HEAVY_LANES);

    const newcomer = createRig({ servers: 1, lane: heavyLane(5) });
    for (let i = 0; i < HEAVY_NEWCOMER_REPLIES; i++) {
      newcomer.ask("GET", "v0");
      await newcomer.settle();
    }
    newcomer.ask("GET", "v0");
    await newcomer.settle();
    const way: ClientLane = newcomer.session.way;
    expect([way.number, way.isWatched]).toEqual([5, false]);
    expect(newcomer.heavyConnections[0]!.requests.length).toBe(HEAVY_NEWCOMER_REPLIES);
  });
});

/** So many clients that have come at once, and that nothing is known of. */
function newcomers(count: number, lanes: PoolLanes = new PoolLanes()): Rig[] {
  return Array.from({ length: count }, () =>
    createRig({ servers: 1, lanes, answerOf: ([, key = ""]) => `+${key}\r\n` }),
  );
}

const waitingOf = (rigs: readonly Rig[]): number =>
  rigs.reduce((sum, { connections }) => sum + connections[0]!.waiting.length, 0);

describe("what is asked before anything is known of a client", () => {
  test("is bounded over all new clients: those beyond it begin as heavy ones, until they are known", async () => {
    const rigs = newcomers(20);
    for (const rig of rigs) rig.input(multibulk(["GET", "v0"]).repeat(20));
    expect(waitingOf(rigs)).toBe(UNKNOWN_REPLIES_MAX);
    const elsewhere = rigs.filter(({ session }) => session.lane >= HEAVY_LANES);
    const direct = UNKNOWN_REPLIES_MAX / REPLY_WINDOW_START;
    expect(elsewhere.length).toBe(rigs.length - direct);
    for (const { heavyConnections } of elsewhere) {
      expect(heavyConnections[0]!.waiting.length).toBe(1);
    }
    for (const rig of rigs) {
      await rig.settle();
      expect(rig.stream.output).toBe("+v0\r\n".repeat(20));
      rig.ask("GET", "w0");
      await rig.settle();
    }
    expect(rigs.map(({ session }) => session.lane)).toEqual(rigs.map(() => 0));
    expect(rigs[0]!.session.host.lanes.unknown).toBe(0);
  });

  test("is what is on its way at the time, whatever a client has asked for one after the other", async () => {
    const rigs = newcomers(UNKNOWN_REPLIES_MAX);
    const lanes = rigs[0]!.session.host.lanes;
    // Answered by the proxy itself, which tells nothing.
    for (const rig of rigs) rig.ask("SELECT", "0");
    expect(lanes.unknown).toBe(0);
    for (const rig of rigs) rig.ask("GET", "v0");
    expect(lanes.unknown).toBe(UNKNOWN_REPLIES_MAX);
    // They have begun, so they stay, but get no more before they have replies.
    for (const rig of rigs) rig.input(multibulk(["GET", "w0"]).repeat(2));
    expect([waitingOf(rigs), lanes.unknown]).toEqual([UNKNOWN_REPLIES_MAX, UNKNOWN_REPLIES_MAX]);
    expect(newcomers(1, lanes)[0]!.session.way.isUnknown).toBe(true);
    for (const rig of rigs) await rig.settle();
    expect(rigs.map(({ stream }) => stream.output)).toEqual(
      rigs.map(() => "+OK\r\n+v0\r\n+w0\r\n+w0\r\n"),
    );
    expect([lanes.unknown, rigs.every(({ session }) => session.lane === 0)]).toEqual([0, true]);
  });

  test("counts until a client is known, is heavy and nothing is owed to it, or is gone", async () => {
    const [known, gone] = newcomers(2) as [Rig, Rig];
    const lanes = known.session.host.lanes;
    for (let i = 0; i < KNOWN_REPLIES; i++) {
      expect(known.session.way.isUnknown).toBe(true);
      known.ask("GET", "v0");
      expect(lanes.unknown).toBe(1);
      await known.settle();
    }
    known.ask("GET", "v0");
    expect([known.session.way.isUnknown, known.session.way.isWatched]).toEqual([false, false]);
    gone.ask("GET", "v0");
    expect(lanes.unknown).toBe(1);
    gone.session.close();
    expect(lanes.unknown).toBe(0);

    const heavy = createRig({ servers: 1, lanes, answerOf: () => LARGE });
    heavy.input(multibulk(["GET", "large0"]).repeat(3));
    expect(lanes.unknown).toBe(3);
    heavy.connections[0]!.answer(1);
    await heavy.turn();
    expect([lanes.unknown, heavy.session.way.isChanging]).toEqual([2, true]);
    await heavy.settle();
    expect([lanes.unknown, heavy.session.way.isUnknown]).toEqual([0, false]);
  });
});
