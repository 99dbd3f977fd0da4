/** Who has which slot, from before a node has told. */
import { expect, test } from "bun:test";
import { ClusterTopology } from "../../../../../src/protocols/redis/cluster/cluster-topology.ts";

const VIEW = {
  ranges: [
    [0, 8191, "a:2"],
    [8192, 16_383, "b:1"],
  ] as const,
  nodes: ["a:2", "b:1", "c:3"],
  replicas: [["a:2", ["c:3"]]] as const,
};

test("every slot has a place where requests wait until a node has told", () => {
  const topology = new ClusterTopology(["a:1", "b:1"]);
  expect(topology.isKnown).toBe(false);
  expect(Math.min(...topology.slots)).toBeGreaterThanOrEqual(0);
  expect(topology.apply(VIEW)).toBe(true);
  expect(topology.isKnown).toBe(true);
  expect([topology.slots[0], topology.slots[8192]]).toEqual([0, 1]);
  expect(topology.members.map(({ server }) => server.name)).toEqual(["a:2", "b:1"]);
});

test("replicas follow their primaries, and a change of them alone is one", () => {
  const topology = new ClusterTopology(["a:1"]);
  let changes = 0;
  topology.watch(() => changes++);
  topology.apply(VIEW);
  const names = () => topology.replicas.map((some) => some.map(({ server }) => server.name));
  expect(names()).toEqual([["c:3"], []]);
  expect(topology.apply(VIEW)).toBe(false);
  expect(topology.apply({ ...VIEW, replicas: [] })).toBe(true);
  expect(names()).toEqual([[], []]);
  expect(changes).toBe(2);
});

test("what has taken all slots of a member that left is in its place", () => {
  const topology = new ClusterTopology(["a:1"]);
  topology.apply(VIEW);
  const [first, second] = VIEW.ranges;
  topology.apply({ ...VIEW, ranges: [[first[0], first[1], "c:3"], second], replicas: [] });
  expect(topology.inPlaceOf("a:2")).toBe("c:3");
  expect(topology.inPlaceOf("b:1")).toBe("b:1");
  // Its slots went to one that is there for itself.
  topology.apply({ ...VIEW, ranges: [[0, 16_383, "b:1"]], replicas: [] });
  expect(topology.inPlaceOf("c:3")).toBe("c:3");
});
