/** Who is told to go to another proxy, when, in which words, and who is closed afterwards. */
import { expect, test } from "bun:test";
import { startState } from "../../../../../src/protocols/redis/client/client-state.ts";
import {
  type EvacuatedClient,
  Evacuation,
  GRACE_MS,
  QUIET_MS,
} from "../../../../../src/protocols/redis/client/evacuation.ts";
import { ManualDeadlines, ManualTurn } from "../../../../support/manual-deadlines.ts";

const THERE = "10.0.0.2:6379";

class TestClient implements EvacuatedClient {
  readonly state = { ...startState(1, true), version: 3 as 2 | 3 };
  readonly heard: string[] = [];
  isClosed = false;
  prefersToStay = false;
  lastRequestMs = 0;
  readonly session = {
    push: (bytes: Buffer, start: number, end: number): void => {
      this.heard.push(bytes.toString("latin1", start, end));
    },
    drain: (): void => {
      this.isClosed = true;
    },
  };
}

function rig(count: number) {
  const turn = new ManualTurn();
  const deadlines = new ManualDeadlines(turn);
  const clients = Array.from({ length: count }, () => new TestClient());
  let numbers = 40;
  const set = new Set<EvacuatedClient>(clients);
  const evacuation = new Evacuation(set, turn, deadlines, () => ++numbers);
  const pass = (ms: number): void => {
    for (const until = turn.atMs + ms; turn.atMs < until; ) deadlines.reach(turn.atMs + 100);
  };
  // All are idle.
  pass(QUIET_MS);
  const told = (): TestClient[] => clients.filter(({ heard }) => heard.length > 0);
  return { turn, evacuation, clients, pass, told };
}

test("a client hears once where to go, or no place if it wants to hear none", () => {
  const { evacuation, clients, pass } = rig(3);
  clients[1]!.state.movesToSelf = true;
  clients[2]!.state.version = 2;
  pass(1000);
  evacuation.follow(THERE);
  pass(5000);
  expect(clients.map(({ heard }) => heard)).toEqual([
    [">4\r\n$6\r\nMOVING\r\n:41\r\n:10\r\n$13\r\n10.0.0.2:6379\r\n"],
    [">4\r\n$6\r\nMOVING\r\n:42\r\n:10\r\n_\r\n"],
    [],
  ]);
});

test("those that are idle are told first, and of many some at a time", () => {
  const { evacuation, clients, pass, told, turn } = rig(1000);
  for (const client of clients.slice(0, 500)) client.lastRequestMs = turn.atMs + 1e6;
  evacuation.follow(THERE);
  pass(100);
  expect(told().length).toBe(20);
  expect(told().every((client) => clients.indexOf(client) >= 500)).toBe(true);
  pass(2400);
  expect(told()).toEqual(clients.slice(500));
  pass(2500);
  expect(told().length).toBe(1000);
});

test("one with something open is told when it has closed that", () => {
  const { evacuation, clients, pass, told } = rig(2);
  clients[0]!.prefersToStay = true;
  evacuation.follow(THERE);
  pass(1000);
  expect(told()).toEqual([clients[1]!]);
  clients[0]!.prefersToStay = false;
  pass(100);
  expect(told()).toEqual(clients);
});

test("one that is still there when its time is over closes once it is quiet; one that goes on stays, and who was not told", () => {
  const { evacuation, clients, pass, turn } = rig(3);
  evacuation.follow(THERE);
  pass(100);
  clients[2]!.prefersToStay = true;
  for (let waitedMs = 0; waitedMs < GRACE_MS; waitedMs += 100) {
    expect(clients.map(({ isClosed }) => isClosed)).toEqual([false, false, false]);
    clients[1]!.lastRequestMs = turn.atMs;
    pass(100);
  }
  pass(500);
  expect(clients.map(({ isClosed }) => isClosed)).toEqual([true, false, false]);
  pass(QUIET_MS);
  expect(clients.map(({ isClosed }) => isClosed)).toEqual([true, true, false]);
});

test("when it is over, or they shall go elsewhere, what was said does not count", () => {
  const { evacuation, clients, pass } = rig(1);
  evacuation.follow(THERE);
  pass(1000);
  evacuation.follow("10.0.0.3:6379");
  pass(GRACE_MS);
  expect([clients[0]!.heard.length, clients[0]!.isClosed]).toEqual([2, false]);
  evacuation.follow(null);
  pass(2 * GRACE_MS);
  expect([clients[0]!.heard.length, clients[0]!.isClosed]).toEqual([2, false]);
});
