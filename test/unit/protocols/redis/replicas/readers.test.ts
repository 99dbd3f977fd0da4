/** What one worker's reads go to, as it learns of replicas from these, from other workers and from those before it. */
import { describe, expect, test } from "bun:test";
import { KIND } from "../../../../../src/api/protocol.ts";
import type { PoolHost } from "../../../../../src/api/protocol-module.ts";
import {
  type Failure,
  FIRST_KIND,
  type Link,
  type ReplySink,
  type Route,
  type Upstream,
} from "../../../../../src/api/upstream.ts";
import { REPLICA_FIRST_NEWS_MS, REPLICA_LOOK_MS } from "../../../../../src/base/replica-limits.ts";
import type { Wakeable } from "../../../../../src/base/turn.ts";
import { type IpRange, parseIpRange } from "../../../../../src/os/ip-range.ts";
import type { ReadFrom } from "../../../../../src/protocols/redis/replicas/read-from.ts";
import {
  Readers,
  type ReadingOptions,
} from "../../../../../src/protocols/redis/replicas/readers.ts";
import { FakePeers } from "../../../../support/fake-peers.ts";
import { ManualDeadlines, ManualTurn } from "../../../../support/manual-deadlines.ts";

const LOST: Failure = { kind: "closed", wasSent: false, text: "lost" };
const CLIENTS = Array.from({ length: 60 }, (_, i) => i);

class TestTurn extends ManualTurn {
  /** What answers have taken. */
  tookMs = 0;
  roused: Wakeable[] = [];

  override get freshMs(): number {
    return this.atMs + this.tookMs;
  }

  override wake(waiter: Wakeable): void {
    this.roused.push(waiter);
  }
}

/** A server that says at once how its replication is. */
class Server {
  readonly name: string;
  readonly id: number;
  address: string;
  isSyncing = false;
  offset = 7;
  isSilent = false;
  tookMs = 1;
  asked = 0;
  refusal: Failure | null = null;

  constructor(name: string, id: number) {
    this.name = name;
    this.id = id;
    this.address = `${name}:1`;
  }

  connection(turn: TestTurn): Link {
    const { name, refusal } = this;
    const send = (_b: Buffer, _s: number, _e: number, sink: ReplySink, token: number): void => {
      this.asked++;
      if (this.isSilent) return;
      const lines =
        this.id === 0
          ? ["role:master", "master_repl_offset:7"]
          : [
              ...["role:slave", `slave_repl_offset:${this.offset}`, "master_link_status:up"],
              `master_sync_in_progress:${Number(this.isSyncing)}`,
            ];
      const text = [...lines, "master_replid:abc", ""].join("\r\n");
      const reply = Buffer.from(`$${text.length}\r\n${text}\r\n`);
      turn.tookMs += this.tookMs;
      sink.onReplies(token, 1, reply, 0, reply.length, KIND.value);
    };
    return { name, refusal, isFull: false, send } as unknown as Link;
  }
}

class Rig {
  readonly peers = new FakePeers();
  readonly servers = ["p", "a", "b", "c"].map((name, id) => new Server(name, id));

  server(name: string): Server {
    return this.servers.find((server) => server.name === name)!;
  }

  worker(readFrom: ReadFrom = "prefer_replica", near: readonly IpRange[] | null = []): Worker {
    return new Worker(this, readFrom, near);
  }
}

class Worker {
  readonly turn = new TestTurn();
  readonly deadlines = new ManualDeadlines(this.turn);
  readonly readers: Readers;
  /** As they are now. */
  readonly options: ReadingOptions;
  readonly bus: FakePeers["workers"][number];
  private readonly primary: Upstream;

  constructor({ peers, servers }: Rig, readFrom: ReadFrom, near: readonly IpRange[] | null) {
    const [primary, ...replicas] = servers.map(
      (server) =>
        ({
          ...{ name: server.name, id: server.id, address: server.address },
          connection: () => server.connection(this.turn),
        }) as Partial<Upstream> as Upstream,
    );
    this.primary = primary!;
    this.bus = peers.add();
    const route = { upstreams: [primary!], replicasOf: () => replicas };
    const host: Partial<PoolHost> = {
      ...{ turn: this.turn, deadlines: this.deadlines, bus: this.bus.bus, random: () => 0.5 },
      route: route as Partial<Route> as Route,
      isInOwnZone: (address) => address.startsWith("10.0.1."),
    };
    this.options = { readFrom, maxLagMs: 10_000, ownWritesMs: 0, near };
    this.readers = new Readers(host as PoolHost, this.options);
    this.bus.bus.open();
  }

  look(): void {
    this.deadlines.reach(this.turn.atMs + REPLICA_LOOK_MS);
  }

  /** @param sinceMs how long ago the client wrote */
  link(client = 0, sinceMs = 1e9): Link {
    return this.readers.link(this.primary, client, 0, FIRST_KIND, sinceMs);
  }

  /** By client, the name of the server it reads from. */
  reads(): string[] {
    return CLIENTS.map((client) => (this.link(client) as unknown as Server).name);
  }
}

describe("servers in the proxy's own zone", () => {
  const near = [parseIpRange("10.0.1.0/24")!];
  const rigWith = (): Rig => {
    const rig = new Rig();
    for (const [name, ip] of [
      ["p", "10.0.2.1"],
      ["a", "10.0.1.1"],
      ["b", "10.0.2.2"],
      ["c", "10.0.1.2"],
    ] as const) {
      rig.server(name).address = `${ip}:6379`;
    }
    return rig;
  };

  test("are those that zones name, where near says nothing", () => {
    const worker = rigWith().worker("prefer_replica", null);
    worker.look();
    expect(new Set(worker.reads())).toEqual(new Set(["a", "c"]));
  });

  for (const readFrom of ["prefer_replica", "replica", "any"] as const) {
    test(`are read before others, with ${readFrom}`, () => {
      const rig = rigWith();
      const worker = rig.worker(readFrom, near);
      worker.look();
      expect(new Set(worker.reads())).toEqual(new Set(["a", "c"]));
      rig.server("a").isSyncing = true;
      worker.look();
      expect(new Set(worker.reads())).toEqual(new Set(["c"]));
      // It is lost just now.
      rig.server("c").refusal = LOST;
      const others = readFrom === "any" ? ["b", "p"] : ["b"];
      expect(new Set(worker.reads())).toEqual(new Set(others));
      rig.server("c").isSyncing = true;
      worker.look();
      worker.look();
      expect(new Set(worker.reads())).toEqual(new Set(others));
    });
  }

  test("are nearer than those that answer sooner", () => {
    const rig = rigWith();
    for (const name of ["a", "c"]) rig.server(name).tookMs = 50;
    rig.server("c").tookMs = 20;
    const worker = rig.worker("nearest", near);
    worker.look();
    worker.look();
    expect(new Set(worker.reads())).toEqual(new Set(["c"]));
    for (const name of ["a", "c"]) rig.server(name).isSyncing = true;
    for (let i = 0; i < 3; i++) worker.look();
    expect(worker.reads().some((name) => name === "a" || name === "c")).toBe(false);
  });
});

describe("a client stays with its server", () => {
  for (const readFrom of ["prefer_replica", "replica", "any"] as const) {
    test(`with ${readFrom}: when a replica syncs only its clients move, and they come back`, () => {
      const rig = new Rig();
      const worker = rig.worker(readFrom);
      worker.look();
      const before = worker.reads();
      expect(new Set(before).size).toBe(readFrom === "any" ? 4 : 3);
      for (const name of ["a", "b", "c"]) {
        rig.server(name).isSyncing = true;
        worker.look();
        const after = worker.reads();
        expect(after).not.toContain(name);
        for (const i of CLIENTS) if (before[i] !== name) expect(after[i]).toBe(before[i]!);
        rig.server(name).isSyncing = false;
        worker.look();
        expect(worker.reads()).toEqual(before);
      }
    });
  }

  test("when an answer is late, or its connection is lost for a moment", () => {
    const rig = new Rig();
    const worker = rig.worker();
    worker.look();
    const before = worker.reads();
    rig.server("b").isSilent = true;
    worker.look();
    worker.look();
    expect(worker.reads()).toEqual(before);
    rig.server("b").refusal = LOST;
    const after = worker.reads();
    for (const i of CLIENTS) if (before[i] !== "b") expect(after[i]).toBe(before[i]!);
    for (let i = 0; i < 7; i++) worker.look();
    expect(worker.reads()).toEqual(after);
  });

  test("with nearest: while times vary, and goes where it is much nearer; not back when that is all the same", () => {
    const rig = new Rig();
    const worker = rig.worker("nearest");
    rig.server("b").tookMs = 0.5;
    worker.look();
    expect(new Set(worker.reads())).toEqual(new Set(["b"]));
    for (const times of [
      [2, 1, 0.5],
      [0.2, 1, 2],
      [1, 2, 0.3],
      [1, 1, 1],
    ]) {
      for (const [i, name] of ["a", "b", "c"].entries()) rig.server(name).tookMs = times[i]!;
      worker.look();
      expect(new Set(worker.reads())).toEqual(new Set(["b"]));
    }
    rig.server("b").tookMs = 20;
    rig.server("c").tookMs = 0.1;
    for (let i = 0; i < 9; i++) worker.look();
    expect(new Set(worker.reads())).toEqual(new Set(["c"]));
    rig.server("b").tookMs = 0.1;
    for (let i = 0; i < 40; i++) worker.look();
    expect(new Set(worker.reads())).toEqual(new Set(["c"]));
  });

  test("with nearest: leaves one that does not answer any more, also when it is the primary", () => {
    const rig = new Rig();
    const worker = rig.worker("nearest");
    rig.server("p").tookMs = 0.1;
    worker.look();
    expect(new Set(worker.reads())).toEqual(new Set(["p"]));
    rig.server("p").isSilent = true;
    for (let i = 0; i < 4; i++) worker.look();
    // Replicas are asked behind it: what is known of them is as old.
    rig.server("p").isSilent = false;
    rig.server("p").tookMs = 50;
    for (let i = 0; i < 4; i++) worker.look();
    expect(worker.reads()).not.toContain("p");
  });

  test("in a worker that starts later, which is not to ask first", () => {
    for (const readFrom of ["prefer_replica", "nearest"] as const) {
      const rig = new Rig();
      const worker = rig.worker(readFrom);
      rig.server("b").tookMs = 0.1;
      worker.look();
      const before = worker.reads();
      rig.server("a").tookMs = 0.05;
      worker.look();
      const { asked } = rig.server("a");
      expect(rig.worker(readFrom).reads()).toEqual(before);
      expect(rig.server("a").asked).toBe(asked);
    }
  });
});

describe("a worker that knows nothing", () => {
  test("has reads wait until all replicas have answered", () => {
    const rig = new Rig();
    const worker = rig.worker("replica");
    const waiter = {} as Wakeable;
    const link = worker.link();
    expect(link.refusal).toBeNull();
    expect(link.isFull).toBe(true);
    link.waitForRoom(waiter);
    expect(worker.turn.roused).toEqual([]);
    worker.look();
    expect(worker.turn.roused).toContain(waiter);
    expect(["a", "b", "c"]).toContain(worker.reads()[0]!);
  });

  test("does not have them wait for ever for servers that hang, and not a second time", () => {
    for (const readFrom of ["replica", "prefer_replica"] as const) {
      const rig = new Rig();
      for (const server of rig.servers) server.isSilent = true;
      const worker = rig.worker(readFrom);
      const waiter = {} as Wakeable;
      worker.link().waitForRoom(waiter);
      worker.deadlines.reach(worker.turn.atMs + REPLICA_FIRST_NEWS_MS - 1);
      expect(worker.turn.roused).toEqual([]);
      worker.deadlines.reach(worker.turn.atMs + 1);
      expect(worker.turn.roused).toEqual([waiter]);
      for (let i = 0; i < 3; i++) {
        const link = worker.link();
        if (readFrom === "replica") expect(link.refusal?.text).toContain("no replica of p");
        else expect((link as unknown as Server).name).toBe("p");
        worker.look();
      }
    }
  });

  test("reads from those that answer when one hangs", () => {
    const rig = new Rig();
    rig.server("b").isSilent = true;
    const worker = rig.worker("replica");
    worker.look();
    expect(worker.link().isFull).toBe(true);
    worker.look();
    expect(new Set(worker.reads())).toEqual(new Set(["a", "c"]));
  });
});

test("a worker that starts while a replica hangs does not have reads wait for that one", () => {
  for (const looksBefore of [0, 1]) {
    const rig = new Rig();
    const first = rig.worker("replica");
    for (let i = 0; i < looksBefore; i++) first.look();
    rig.server("b").isSilent = true;
    for (let i = 0; i < 9; i++) first.look();
    const before = first.reads();
    expect(new Set(before)).toEqual(new Set(["a", "c"]));
    const second = rig.worker("replica");
    expect(second.reads()).toEqual(before);
    rig.server("b").isSilent = false;
    for (let i = 0; i < 5; i++) second.look();
    expect(second.reads()).toContain("b");
  }
});

test("a worker that starts while the primary is lost knows its data's history, and goes on with its replicas", () => {
  const rig = new Rig();
  const first = rig.worker("replica");
  first.look();
  const before = first.reads();
  rig.server("p").refusal = LOST;
  first.look();
  expect(first.reads()).toEqual(before);
  const second = rig.worker("replica");
  for (let i = 0; i < 5; i++) second.look();
  expect(second.reads()).toEqual(before);
});

test("what is told is retained, and once for each look", () => {
  const rig = new Rig();
  const worker = rig.worker();
  const heard: unknown[] = [];
  const other = rig.peers.add();
  other.bus.subscribe("replicas", (data, key) => heard.push(key === null ? data : key));
  other.bus.open();
  worker.look();
  worker.look();
  expect(heard).toEqual(["asking", "states", "asking", "states"]);
});

test("max_lag and read_own_writes are what is set then", () => {
  const rig = new Rig();
  const worker = rig.worker();
  worker.look();
  rig.server("a").offset = 3;
  for (let look = 0; look < 5; look++) worker.look();
  expect(worker.reads()).toContain("a");
  worker.options.maxLagMs = 1;
  worker.readers.onChange();
  expect(worker.reads()).not.toContain("a");
  worker.options.maxLagMs = null;
  worker.readers.onChange();
  expect(worker.reads()).toContain("a");
  const afterWrite = (): string => (worker.link(0, 50) as unknown as Server).name;
  expect(afterWrite()).not.toBe("p");
  worker.options.ownWritesMs = 100;
  worker.readers.onChange();
  expect(afterWrite()).toBe("p");
});
