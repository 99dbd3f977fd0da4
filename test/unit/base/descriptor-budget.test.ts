import { describe, expect, test } from "bun:test";
import {
  DescriptorBudget,
  planDescriptors,
  shortageOf,
} from "../../../src/base/descriptor-budget.ts";

describe("planDescriptors", () => {
  test("what is configured, where there is room for it", () => {
    const plan = planDescriptors(10_000, [
      { servers: 3, serverConnections: 2 },
      { servers: 10, serverConnections: 1 },
    ]);
    expect(plan).toMatchObject({ reserved: 64, serversWanted: 16, servers: 16, perServer: [2, 1] });
    expect(plan.reserved + plan.servers + plan.lent + plan.clients).toBe(10_000);
    expect(shortageOf(plan)).toBe(null);
  });

  test("clients that have server connections of their own share none, and take two each", () => {
    const own = { servers: 3, serverConnections: 0 };
    const plan = planDescriptors(1024, [own]);
    expect(plan).toMatchObject({ serversWanted: 0, servers: 0, perServer: [0], perClient: 2 });
    expect(plan.reserved + plan.lent + 2 * plan.clients).toBe(1024);
    const mixed = planDescriptors(1024, [own, { servers: 4, serverConnections: 1 }]);
    expect(mixed).toMatchObject({ servers: 4, perServer: [0, 1], perClient: 1, isMixed: true });
  });

  test("half for servers at most, and the operator is told what to do", () => {
    const plan = planDescriptors(1024, [{ servers: 2, serverConnections: 500 }]);
    expect(plan).toMatchObject({ serversWanted: 1000, servers: 480, perServer: [240] });
    expect(plan.clients).toBeGreaterThan(400);
    expect(shortageOf(plan)).toBe(
      "the limit of open files, 1024, has no room for 1000 connections to servers in each worker: there will be 480; raise it to 2064 or more (LimitNOFILE=, ulimit -n) or lower server_connections",
    );
    const raised = planDescriptors(2064, [{ servers: 2, serverConnections: 500 }]);
    expect(shortageOf(raised)).toBe(null);
    expect(raised.perServer).toEqual([500]);
  });

  test("one to each server even where that is more than half, and clients at any rate", () => {
    const plan = planDescriptors(256, [{ servers: 300, serverConnections: 4 }]);
    expect(plan.perServer).toEqual([1]);
    expect(plan.clients).toBeGreaterThan(80);
    expect(planDescriptors(64, []).clients).toBeGreaterThan(16);
  });
});

describe("DescriptorBudget", () => {
  function budget(openFiles: number) {
    let clients = 0;
    const made = new DescriptorBudget(planDescriptors(openFiles, []), () => clients);
    return {
      made,
      fill: (): number => {
        while (made.hasRoomForClient(1)) clients++;
        return clients;
      },
    };
  }

  test("clients have what servers do not need", () => {
    const { made, fill } = budget(1024);
    expect(made.plan(2, 100)).toBe(100);
    expect(fill()).toBe(960 - 200 - 60);
  });

  test("connections that are more than half count when they stand", () => {
    const { made, fill } = budget(1024);
    for (let i = 0; i < 600; i++) made.plan(1, 1);
    expect(fill()).toBe(960 - 480 - 60);
    made.shared = 500;
    expect(made.free).toBe(40);
  });

  test("further kinds of connections are fewer, and are given back", () => {
    const { made } = budget(1024);
    expect(made.plan(2, 200)).toBe(200);
    expect(made.plan(2, 200)).toBe(40);
    expect(made.plan(2, 200)).toBe(1);
    made.giveUp(2, 200);
    expect(made.plan(2, 200)).toBe(199);
  });

  test("a client that needs a connection to a server of its own comes in when there is room for both", () => {
    const { made, fill } = budget(1024);
    const clients = fill();
    made.perClient = -1;
    expect([made.hasRoomForClient(1), made.hasRoomForClient(2)]).toEqual([true, false]);
    made.perClient = -2;
    expect(made.hasRoomForClient(2)).toBe(true);
    expect(fill()).toBe(clients + 2);
  });

  test("clients leave something for transactions and blocked clients", () => {
    const { made, fill } = budget(1024);
    const clients = fill();
    expect([made.hasRoom, made.free]).toEqual([true, 60]);
    made.lent = 60;
    expect(made.hasRoom).toBe(false);
    expect(fill()).toBe(clients);
  });
});
