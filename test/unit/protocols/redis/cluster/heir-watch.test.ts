/** Replicas of a primary that is lost are asked what they are, until one is a primary or it is too late. */
import { expect, test } from "bun:test";
import type { PoolHost } from "../../../../../src/api/protocol-module.ts";
import type { ServerStreamEvents } from "../../../../../src/api/server-stream.ts";
import {
  CLUSTER_HEIR_CLAIMS,
  CLUSTER_HEIR_LOOK_MS,
  CLUSTER_HEIR_WATCH_MS,
} from "../../../../../src/base/limits.ts";
import { ClusterTopology } from "../../../../../src/protocols/redis/cluster/cluster-topology.ts";
import { HeirWatch } from "../../../../../src/protocols/redis/cluster/heir-watch.ts";
import { ManualDeadlines, ManualTurn } from "../../../../support/manual-deadlines.ts";

const SLAVE = "*5\r\n$5\r\nslave\r\n$1\r\na\r\n:2\r\n$9\r\nconnected\r\n:9\r\n";
const MASTER = "*3\r\n$6\r\nmaster\r\n:9\r\n*0\r\n";

function rig(password: string | null = null) {
  const turn = new ManualTurn();
  const deadlines = new ManualDeadlines(turn);
  const state = { lost: [] as string[], claims: 0, role: SLAVE, closed: 0 };
  const asked: string[] = [];
  const openAside = ({ port }: { readonly port: number }, events: ServerStreamEvents) => {
    asked.push(`connects to ${port}`);
    const reply = (text: string): void => events.onBytes(Buffer.from(text), 0, text.length, true);
    const stream = {
      write(bytes: Buffer, start: number, length: number) {
        const text = bytes.toString("latin1", start, start + length);
        asked.push(
          text
            .split("\r\n")
            .filter((word) => /^[A-Z]/.test(word))
            .join(" "),
        );
        queueMicrotask(() => reply(text.includes("AUTH") ? "+OK\r\n" : state.role));
        return length;
      },
      close: () => state.closed++,
    };
    queueMicrotask(() => events.onOpen());
    return stream;
  };
  const topology = new ClusterTopology(["a:1"]);
  topology.apply({
    ranges: [
      [0, 8191, "a:1"],
      [8192, 16_383, "b:2"],
    ],
    nodes: ["a:1", "b:2", "c:3", "d:4"],
    replicas: [
      ["a:1", ["c:3"]],
      ["b:2", ["d:4"]],
    ],
  });
  const watch = new HeirWatch(
    { turn, deadlines, openAside } as unknown as PoolHost,
    topology,
    password,
    () => state.lost,
    () => state.claims++,
  );
  const pass = async (ms: number): Promise<void> => {
    deadlines.reach(turn.atMs + ms);
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { watch, state, asked, pass };
}

test("only the replicas of what is lost are asked, over one connection, and only while it is lost", async () => {
  const { watch, state, asked, pass } = rig("secret");
  watch.start();
  await pass(0);
  expect(asked).toEqual([]);
  state.lost = ["a:1"];
  watch.start();
  await pass(0);
  for (let i = 0; i < 3; i++) await pass(CLUSTER_HEIR_LOOK_MS);
  expect(asked).toEqual(["connects to 3", "AUTH", "ROLE", "ROLE", "ROLE", "ROLE"]);
  expect(state.claims).toBe(0);
  state.role = MASTER;
  await pass(CLUSTER_HEIR_LOOK_MS);
  expect(state.claims).toBe(1);
  state.lost = [];
  await pass(CLUSTER_HEIR_LOOK_MS);
  expect(state.closed).toBe(1);
  const { length } = asked;
  await pass(10 * CLUSTER_HEIR_LOOK_MS);
  expect(asked).toHaveLength(length);
});

test("one that says it is a primary, and of which the others know nothing, is believed a few times only", async () => {
  const { watch, state, pass } = rig();
  state.lost = ["b:2"];
  state.role = MASTER;
  watch.start();
  for (let i = 0; i < 20; i++) await pass(CLUSTER_HEIR_LOOK_MS);
  expect(state.claims).toBe(CLUSTER_HEIR_CLAIMS);
});

test("what stays lost is not asked for ever, and nothing is when another worker does it", async () => {
  const { watch, state, asked, pass } = rig();
  state.lost = ["a:1"];
  watch.start();
  await pass(0);
  await pass(CLUSTER_HEIR_WATCH_MS);
  const { length } = asked;
  for (let i = 0; i < 5; i++) await pass(CLUSTER_HEIR_LOOK_MS);
  watch.start();
  await pass(CLUSTER_HEIR_LOOK_MS);
  expect(asked).toHaveLength(length);
  expect(state.closed).toBe(1);
  // Another one is.
  state.lost = ["a:1", "b:2"];
  watch.start();
  await pass(0);
  expect(asked.at(-2)).toBe("connects to 4");
  watch.stop();
  expect(state.closed).toBe(2);
  await pass(CLUSTER_HEIR_LOOK_MS);
  expect(asked).toHaveLength(length + 2);
});
