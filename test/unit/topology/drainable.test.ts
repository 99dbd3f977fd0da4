/** A pool's servers without those that an operator has drained. */
import { describe, expect, test } from "bun:test";
import type { Member, Topology } from "../../../src/api/topology.ts";
import { replicaAt } from "../../../src/api/topology.ts";
import { DrainableTopology } from "../../../src/topology/drainable.ts";
import { PlannedTopology } from "../../../src/topology/planned.ts";
import { memberOf } from "../../../src/topology/static.ts";

function member(number: number): Member {
  const address = { kind: "tcp", host: "10.0.0.1", port: 1000 + number } as const;
  return memberOf({ name: `s${number}`, address, weight: 1 });
}

function replica(number: number): Member {
  return replicaAt(
    { kind: "tcp", host: "10.0.0.2", port: 1000 + number },
    `10.0.0.2:${1000 + number}`,
  );
}

class Driven implements Topology {
  members: readonly Member[] = [0, 1, 2].map(member);
  replicas: readonly (readonly Member[])[] = [[replica(0)], [replica(1)], [replica(2), replica(3)]];
  slots: Int16Array | undefined;
  spares: readonly Member[] | undefined;
  epoch = 0;
  onChange: () => void = () => {};

  watch(onChange: () => void): void {
    this.onChange = onChange;
  }

  become(numbers: readonly number[]): void {
    this.members = numbers.map(member);
    this.replicas = numbers.map((number) => [replica(number)]);
    this.onChange();
  }

  close(): void {}
}

function start(slots?: Int16Array): {
  inner: Driven;
  topology: DrainableTopology;
  changes: () => number;
} {
  const inner = new Driven();
  inner.slots = slots;
  const topology = new DrainableTopology(inner);
  let changes = 0;
  topology.watch(() => changes++);
  return { inner, topology, changes: () => changes };
}

const names = ({ members }: DrainableTopology): string[] =>
  members.map(({ server }) => server.name);
const copies = ({ replicas = [] }: DrainableTopology): string[][] =>
  replicas.map((some) => some.map(({ server }) => server.name));

describe("a drained server", () => {
  test("is not there, nor are its replicas, until it is drained no more", () => {
    const { topology, changes } = start();
    const { members } = topology;
    expect(topology.drain(new Set())).toBe(true);
    expect([changes(), topology.members]).toEqual([0, members]);
    expect(topology.drain(new Set(["s1"]))).toBe(true);
    expect(names(topology)).toEqual(["s0", "s2"]);
    expect(copies(topology)).toEqual([["10.0.0.2:1000"], ["10.0.0.2:1002", "10.0.0.2:1003"]]);
    topology.drain(new Set(["s1"]));
    expect(changes()).toBe(1);
    topology.drain(new Set());
    expect([names(topology), changes(), topology.epoch]).toEqual([["s0", "s1", "s2"], 2, 2]);
    expect(topology.members).toBe(members);
  });

  test("may be named by its address, and may be a replica", () => {
    const { topology } = start();
    expect(topology.addressOf("10.0.0.1:1002")).toBe("10.0.0.1:1002");
    expect(topology.addressOf("s2")).toBe("10.0.0.1:1002");
    expect(topology.addressOf("10.0.0.2:1003")).toBe("10.0.0.2:1003");
    expect(topology.addressOf("s3")).toBeNull();
    expect(topology.hintFor("s3")).toBe('; did you mean "s0"?');
    topology.drain(new Set(["10.0.0.1:1000", "10.0.0.2:1003"]));
    expect(names(topology)).toEqual(["s1", "s2"]);
    expect(copies(topology)).toEqual([["10.0.0.2:1001"], ["10.0.0.2:1002"]]);
  });

  test("stays away when others come and go", () => {
    const { inner, topology } = start();
    topology.drain(new Set(["s1"]));
    inner.become([1, 4]);
    expect([names(topology), copies(topology)]).toEqual([["s4"], [["10.0.0.2:1004"]]]);
    inner.become([4]);
    inner.become([1, 4]);
    expect(names(topology)).toEqual(["s4"]);
  });

  test("is there all the same when none would be left", () => {
    const { inner, topology } = start();
    const all = new Set(["s0", "s1", "s2"]);
    expect(topology.problemOf("s1", new Set(["s1", "s2"]))).toBeNull();
    expect(topology.problemOf("s0", all)).toContain("the last server");
    expect(topology.drain(all)).toBe(false);
    expect(names(topology)).toEqual(["s0", "s1", "s2"]);
    inner.become([0, 1, 2, 3]);
    expect(names(topology)).toEqual(["s3"]);
    inner.become([]);
    expect([names(topology), topology.drain(all)]).toEqual([[], true]);
  });

  test("is none of those whose keys would have to move along", () => {
    const servers = [0, 1].map((number) => member(number).server);
    const inner = new PlannedTopology(servers);
    const topology = new DrainableTopology(inner);
    topology.watch(() => {});
    const drained = new Set(["s1"]);
    expect(topology.problemOf("s1", drained)).toContain("reload, and they do");
    expect(topology.drain(drained)).toBe(true);
    expect(names(topology)).toEqual(["s0", "s1"]);
    inner.set([1, 2].map((number) => member(number).server));
    expect(names(topology)).toEqual(["s1", "s2"]);
  });

  test("is never a spare: it takes requests only while another one is down", () => {
    const { inner, topology } = start();
    inner.spares = [member(9)];
    expect(topology.spares).toBe(inner.spares);
    expect(topology.addressOf("s9")).toBe("10.0.0.1:1009");
    expect(topology.problemOf("s9", new Set(["s9"]))).toContain("it is a spare");
  });

  test("of a cluster may only be a replica: slots have their nodes' numbers", () => {
    const { topology } = start(new Int16Array(16));
    expect(topology.problemOf("s1", new Set(["s1"]))).toContain("fail over to a replica");
    expect(topology.problemOf("10.0.0.2:1002", new Set(["10.0.0.2:1002"]))).toBeNull();
    // It was a replica when it was drained.
    topology.drain(new Set(["s1", "10.0.0.2:1002"]));
    expect(names(topology)).toEqual(["s0", "s1", "s2"]);
    expect(copies(topology)).toEqual([["10.0.0.2:1000"], ["10.0.0.2:1001"], ["10.0.0.2:1003"]]);
    expect(topology.slots).toHaveLength(16);
  });
});
