/** One client of a pool of plain bytes: getting a server, both directions and their ends, moving, idling. */
import { describe, expect, test } from "bun:test";
import { fstatSync, openSync } from "node:fs";
import { TcpRig, upstreamOf } from "./rig.ts";

describe("getting a server", () => {
  test("what the client says meanwhile waits, and is sent when the connection stands", async () => {
    const rig = new TcpRig([], ["a"]);
    const client = rig.connect();
    client.say("early ");
    expect([client.isWaiting, rig.last.written]).toEqual([true, ""]);
    rig.last.open();
    await rig.endTurn();
    client.say("late");
    expect(rig.last.written).toBe("early late");
  });

  test("a server that refuses is followed by the next; when none is left the client is closed", async () => {
    const rig = new TcpRig([], ["a", "b", "c"]);
    const client = rig.connect();
    for (const count of [1, 2, 3]) {
      expect(rig.streams.length).toBe(count);
      rig.last.refuse();
    }
    await rig.endTurn();
    expect(rig.streams.map(({ server }) => server).toSorted()).toEqual(["a", "b", "c"]);
    expect(client.done).toEqual(["failure 7 1 refused", "finish"]);
    expect(rig.warnings.length).toBe(1);
  });

  test("a client that has ended by then has its end passed on", async () => {
    const rig = new TcpRig([], ["a"]);
    const client = rig.connect();
    expect(client.frontend.onInputEnd()).toBe(true);
    expect(rig.last.done).toEqual([]);
    rig.last.open();
    expect(rig.last.done).toEqual(["shutdown"]);
  });

  test("without a descriptor the client is closed, after its session is made", async () => {
    const rig = new TcpRig([], ["a"]);
    rig.hasDescriptors = false;
    const client = rig.connect();
    expect(client.done).toEqual([]);
    await rig.endTurn();
    expect(client.done).toEqual(["failure 7 1 refused", "finish"]);
  });
});

describe("bytes", () => {
  test("what the server's socket does not take stays in the session until it drains", async () => {
    const rig = new TcpRig([], ["a"]);
    const client = rig.connect();
    rig.last.open();
    rig.last.room = 3;
    client.say("abcdef");
    expect([rig.last.written, `${client.input}`, client.isWaiting]).toEqual(["abc", "def", true]);
    rig.last.drain();
    await rig.endTurn();
    expect([rig.last.written, `${client.input}`, client.isWaiting]).toEqual(["abcdef", "", false]);
  });

  test("a server is not read while its client is full", async () => {
    const rig = new TcpRig([], ["a"]);
    const client = rig.connect();
    rig.last.open();
    rig.last.send("one");
    expect(rig.last.done).toEqual([]);
    client.isFull = true;
    rig.last.send("two");
    expect(rig.last.done).toEqual(["pause"]);
    client.waiter?.wakeUp();
    expect(rig.last.done).toEqual(["pause", "resume"]);
    expect(client.output).toBe("onetwo");
  });
});

describe("ends", () => {
  const CASES = {
    client: ["client", "server"],
    server: ["server", "client"],
  };
  for (const [first, order] of Object.entries(CASES)) {
    test(`the ${first} first: the other direction goes on, and then both are over`, () => {
      const rig = new TcpRig([], ["a"]);
      const client = rig.connect();
      rig.last.open();
      const ends = { client: () => client.frontend.onInputEnd(), server: () => rig.last.end() };
      ends[order[0] as "client" | "server"]();
      expect(rig.last.done).toEqual(first === "client" ? ["shutdown"] : []);
      expect(client.done).toEqual(first === "server" ? ["endOutput"] : []);
      if (first === "server") client.say("more");
      else rig.last.send("more");
      expect(rig.last.written + client.output).toBe("more");
      ends[order[1] as "client" | "server"]();
      expect(rig.last.done).toEqual(["shutdown"]);
      expect(client.done.slice(-2)).toEqual(["reply 7", "finish"]);
      client.frontend.close();
      expect(rig.last.done.at(-1)).toBe("close");
    });
  }

  test("an end of the server that comes as a close, behind the client's", () => {
    const rig = new TcpRig([], ["a"]);
    const client = rig.connect();
    rig.last.open();
    client.frontend.onInputEnd();
    rig.last.lose("");
    expect(client.done).toEqual(["reply 7", "finish"]);
  });

  test("a server that is lost resets the client; what that says afterwards goes nowhere", () => {
    const rig = new TcpRig([], ["a"]);
    const client = rig.connect();
    rig.last.open();
    rig.last.send("last words");
    rig.last.lose("ECONNRESET");
    expect(client.done).toEqual(["reply 7", "finishByReset"]);
    client.say("hello?");
    expect([client.input.length, client.isWaiting]).toEqual([0, false]);
  });

  test("a client that is lost in the middle resets its server", () => {
    const rig = new TcpRig([], ["a"]);
    const client = rig.connect();
    rig.last.open();
    client.frontend.close();
    expect(rig.last.done).toEqual(["abort"]);
  });
});

describe("moving", () => {
  test("the server's connection goes along, and counts for its server there", () => {
    const rig = new TcpRig([], ["a", "b"]);
    const client = rig.connect();
    rig.last.open(61);
    const { frontend } = client;
    expect([frontend.isReadyToMove, frontend.descriptors]).toEqual([true, [61]]);
    const saved = JSON.parse(JSON.stringify(frontend.saveState()));
    frontend.leave();
    frontend.close();
    expect(rig.last.done).toEqual(["leave"]);

    const there = new TcpRig([], ["b", "a"]);
    const moved = there.connect(saved, [61]);
    expect(there.adopted).toEqual([rig.streams[0]!.server]);
    moved.say("on");
    expect(there.last.written).toBe("on");
    expect(moved.frontend.saveState()).toEqual(saved);
  });

  test("an attempt to connect stays; a new one is made there", () => {
    const rig = new TcpRig([], ["a"]);
    const client = rig.connect();
    expect([client.frontend.isReadyToMove, client.frontend.descriptors]).toEqual([true, []]);
    const saved = JSON.parse(JSON.stringify(client.frontend.saveState()));
    client.frontend.leave();
    expect(rig.last.done).toEqual(["leave"]);
    const there = new TcpRig([], ["a"]);
    there.connect(saved);
    expect([there.adopted, there.streams.length]).toEqual([[], 1]);
  });

  test("a server that is not configured there keeps its name for the next move", () => {
    const rig = new TcpRig([], ["a"]);
    const saved = { server: "gone here", idleMs: 0 };
    const client = rig.connect(saved, [61]);
    expect(rig.adopted).toEqual([null]);
    expect(client.frontend.saveState()).toEqual(saved);
  });

  test("of a client of another protocol nothing is kept but the client", () => {
    const rig = new TcpRig([], ["a"]);
    const descriptors = [openSync("/dev/null", "r"), openSync("/dev/null", "r")];
    rig.connect({ name: "x", lease: 1 }, descriptors);
    for (const fd of descriptors) expect(() => fstatSync(fd)).toThrow("EBADF");
    expect([rig.adopted, rig.streams.length]).toEqual([[], 1]);
  });
});

test("idle_timeout counts from the last byte of either side, also over a move", () => {
  const rig = new TcpRig(["idle_timeout: 10s"], ["a"]);
  const client = rig.connect();
  rig.last.open();
  rig.deadlines.reach(8_000);
  client.say("x");
  rig.deadlines.reach(16_000);
  rig.last.send("y");
  rig.deadlines.reach(22_000);
  expect(client.done).toEqual([]);
  const there = new TcpRig(["idle_timeout: 10s"], ["a"]);
  const moved = there.connect(client.frontend.saveState(), [61]);
  there.deadlines.reach(1000 + 3_999);
  expect(moved.done).toEqual([]);
  there.deadlines.reach(1000 + 4_001);
  expect([moved.done, there.last.done]).toEqual([["close"], ["abort"]]);
});

describe("servers", () => {
  test("one that refused is out for longer each time, and one client tries it then", () => {
    const rig = new TcpRig(["balance: round_robin"], ["a", "b"]);
    const refuse = (): void => {
      rig.connect();
      if (rig.last.server === "b") rig.connect();
      expect(rig.last.server).toBe("a");
      rig.last.refuse();
      rig.last.open();
    };
    refuse();
    expect(rig.serversOf(4)).toBe("bbbb");
    rig.turn.atMs += 1_000;
    refuse();
    rig.turn.atMs += 1_999;
    expect(rig.serversOf(4)).toBe("bbbb");
    rig.turn.atMs += 1;
    rig.connect();
    if (rig.last.server === "b") rig.connect();
    const trial = rig.last;
    expect(trial.server).toBe("a");
    expect(rig.serversOf(2)).toBe("bb");
    trial.open();
    expect([...rig.serversOf(4)].toSorted().join("")).toBe("aabb");
  });

  test("with checks a server is in the choice as long as it is well, and clients do not try meanwhile", () => {
    const rig = new TcpRig(["health_check: 5s", "balance: round_robin"], ["a", "b"]);
    const well = (...names: string[]): void => {
      rig.upstreams = rig.upstreams.map((one) => ({ ...one, isWell: names.includes(one.name) }));
    };
    well("b");
    rig.turn.atMs += 4_000;
    expect(rig.serversOf(3)).toBe("bbb");
    well("a", "b");
    expect([...rig.serversOf(4)].toSorted().join("")).toBe("aabb");
    // Clients try all when none is left.
    well();
    const client = rig.connect();
    rig.last.refuse();
    rig.last.open();
    client.say("x");
    expect(rig.last.written).toBe("x");
  });

  test("a server that comes or goes while the pool runs is chosen, or no longer", () => {
    const rig = new TcpRig(["balance: round_robin"], ["a", "b"]);
    rig.serversOf(1);
    rig.upstreams = [rig.upstreams[1]!, upstreamOf("c", 2)];
    expect([...rig.serversOf(4)].toSorted().join("")).toBe("bbcc");
  });
});
