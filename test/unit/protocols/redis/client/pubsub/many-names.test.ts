/** Clients with more channels than is good for anybody: bounds, and work in slices. */

import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import * as limits from "../../../../../../src/base/limits.ts";
import type { Reach } from "../../../../../../src/protocols/redis/client/pubsub/census.ts";
import { refusalFor } from "../../../../../../src/protocols/redis/client/pubsub/client-allowance.ts";
import { subscribersOf } from "../../../../../../src/protocols/redis/client/pubsub/reach.ts";
import type { SharedSubscription } from "../../../../../../src/protocols/redis/client/pubsub/shared-subscription.ts";
import { Subscriber } from "../../../../../../src/protocols/redis/client/pubsub/subscriber.ts";
import { TopicTable } from "../../../../../../src/protocols/redis/client/pubsub/topic-table.ts";
import { RedisFrontend } from "../../../../../../src/protocols/redis/client/redis-frontend.ts";
import { type FakeClient, PubSubRig } from "./rig.ts";

const MANY = 10 * limits.SUBSCRIBE_NAMES_MAX;

function names(count: number, prefix = "c"): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

async function connected(): Promise<PubSubRig> {
  const rig = new PubSubRig(1);
  rig.connect().ask("SUBSCRIBE", "opener");
  await rig.settle();
  return rig;
}

async function subscribed(rig: PubSubRig, list: readonly string[]): Promise<FakeClient> {
  const client = rig.connect(3);
  client.ask("SUBSCRIBE", ...list);
  await answered(rig, client);
  return client;
}

/** Until the client is owed nothing. */
async function answered(rig: PubSubRig, client: FakeClient): Promise<string[]> {
  do await rig.settle();
  while (!client.isIdle);
  return client.take();
}

/** The server answers, and turns pass, until nothing moves; counts the names of each turn's requests. */
async function namesPerTurn(rig: PubSubRig): Promise<number[]> {
  const line = rig.line(0);
  const counts: number[] = [];
  for (let idle = 0; idle < 3; ) {
    const asked = line.requests.reduce((sum, request) => sum + request.length - 1, 0);
    if (asked > 0) counts.push(asked);
    idle = line.requests.length + line.frames.length === 0 ? idle + 1 : 0;
    while (line.requests.length > 0) line.process();
    line.deliver(line.frames.length);
    await rig.rig.turn();
  }
  return counts;
}

describe("work for many names is done in slices", () => {
  test("when a client subscribes to them in one request, and leaves them in one", async () => {
    const rig = await connected();
    const client = rig.connect();
    const list = names(MANY);
    client.ask("SUBSCRIBE", ...list);
    expect(Math.max(...(await namesPerTurn(rig)))).toBeLessThanOrEqual(limits.SUBSCRIBE_NAMES_MAX);
    expect(await answered(rig, client)).toEqual(
      list.map((name, i) => `*3 subscribe ${name} :${i + 1}`),
    );
    expect(rig.line(0).topics[""]!.size).toBe(MANY + 1);
    client.ask("UNSUBSCRIBE");
    expect(Math.max(...(await namesPerTurn(rig)))).toBeLessThanOrEqual(limits.SUBSCRIBE_NAMES_MAX);
    expect(await answered(rig, client)).toEqual(
      list.map((name, i) => `*3 unsubscribe ${name} :${MANY - 1 - i}`),
    );
    expect([...rig.line(0).topics[""]!]).toEqual(["opener"]);
  });

  test("when it has closed", async () => {
    const rig = await connected();
    const client = await subscribed(rig, names(MANY));
    client.stream.close();
    const counts = await namesPerTurn(rig);
    expect(Math.max(...counts)).toBeLessThanOrEqual(limits.SUBSCRIBE_NAMES_MAX);
    expect([...rig.line(0).topics[""]!]).toEqual(["opener"]);
  });

  test("when a connection is made anew", async () => {
    const rig = await connected();
    await subscribed(rig, names(MANY));
    rig.line(0).lose();
    rig.line(0).connect();
    const counts = await namesPerTurn(rig);
    const most = limits.RENEWALS_AT_ONCE * limits.SUBSCRIBE_NAMES_MAX;
    expect(Math.max(...counts)).toBeLessThanOrEqual(most);
    expect(rig.line(0).topics[""]!.size).toBe(MANY + 1);
  });

  test("when the client that leaves them is subscribed to nothing", async () => {
    const rig = await connected();
    const client = rig.connect();
    client.ask("UNSUBSCRIBE", ...names(MANY));
    await rig.rig.turn();
    expect(client.take().length).toBeLessThan(MANY);
    await rig.settle();
    client.ask("PING");
    await rig.rig.settle();
    expect(client.take().at(-1)).toBe("+PONG");
  });

  test("a client that closes in the middle leaves nothing behind", async () => {
    const rig = await connected();
    const client = rig.connect();
    client.ask("SUBSCRIBE", ...names(MANY));
    for (let i = 0; i < 3; i++) {
      await rig.rig.turn();
      while (rig.line(0).requests.length > 0) rig.line(0).process();
      rig.line(0).deliver(rig.line(0).frames.length);
    }
    client.stream.close();
    await namesPerTurn(rig);
    expect([...rig.line(0).topics[""]!]).toEqual(["opener"]);
    const [shared] = rig.rig.pool.sharedSubscriptions.all;
    expect([...shared!.topics.all()].map(({ name }) => name)).toEqual(["opener"]);
  });

  test("what a server denies among them is none of it", async () => {
    const rig = await connected();
    rig.line(0).denied.add(`c${MANY - 1}`);
    const client = rig.connect();
    client.ask("SUBSCRIBE", ...names(MANY));
    await rig.settle();
    expect(client.take()).toEqual(["-NOPERM no"]);
    await namesPerTurn(rig);
    expect([...rig.line(0).topics[""]!]).toEqual(["opener"]);
  });
});

describe("bounds", () => {
  test.each([2, 3] as const)(
    "of one client, RESP%p: the error says which and what to do",
    async (version) => {
      const rig = await connected();
      const client = rig.connect(version);
      client.ask("SUBSCRIBE", "a");
      await rig.settle();
      client.take();
      const long = "x".repeat(limits.SUBSCRIBED_BYTES_PER_CLIENT_MAX);
      client.ask("SUBSCRIBE", long);
      client.ask("PSUBSCRIBE", ...names(limits.PATTERNS_PER_CLIENT_MAX + 1));
      await rig.settle();
      const hint = "unsubscribe from some, or use more connections";
      expect(client.take()).toEqual([
        `-ERR the proxy's limit of 16777216 bytes of channel names of one client is reached; ${hint}`,
        `-ERR the proxy's limit of 8192 patterns of one client is reached; ${hint}`,
      ]);
      // What it had, it has, and it may go on.
      client.ask("SUBSCRIBE", "a", "b");
      await rig.settle();
      rig.line(0).publish("a", "text");
      await rig.settle();
      const push = version === 3 ? ">" : "*";
      expect(client.take()).toEqual([
        `${push}3 subscribe a :1`,
        `${push}3 subscribe b :2`,
        `${push}3 message a text`,
      ]);
    },
  );

  test("a client that is at its bound may name what it is subscribed to", async () => {
    const rig = await connected();
    const list = names(limits.PATTERNS_PER_CLIENT_MAX, "p");
    const client = rig.connect();
    client.ask("PSUBSCRIBE", ...list);
    await answered(rig, client);
    client.ask("PSUBSCRIBE", "p0", "p1");
    client.ask("PSUBSCRIBE", "one more");
    const [first, second, third] = await answered(rig, client);
    expect([first, second]).toEqual(["*3 psubscribe p0 :8192", "*3 psubscribe p1 :8192"]);
    expect(third).toStartWith("-ERR the proxy's limit of 8192 patterns of one client");
  });

  test("a client may have so many and no more, of whatever kind", () => {
    const most = limits.SUBSCRIPTIONS_PER_CLIENT_MAX;
    const subscriber = (total: number): Subscriber =>
      ({ total, bytes: 0, topics: { pattern: new Set() }, knows: () => false }) as never;
    const two = {
      count: 2,
      bytes: 2,
      *[Symbol.iterator]() {
        yield* ["a", "b"];
      },
    };
    expect(refusalFor(subscriber(most - 2), "channel", two)).toBe(null);
    expect(`${refusalFor(subscriber(most - 1), "channel", two)}`).toStartWith(
      `-ERR the proxy's limit of ${most} subscriptions of one client`,
    );
  });

  test("of all clients: a request is done whole or not at all, and room comes back", async () => {
    const rig = await connected();
    const half = limits.PATTERNS_PER_CLIENT_MAX;
    const clients: FakeClient[] = [];
    for (let i = 0; i < limits.PATTERNS_MAX / half; i++) {
      const client = rig.connect();
      client.ask("PSUBSCRIBE", ...names(half - 1, `p${i}.`));
      expect(await answered(rig, client)).toHaveLength(half - 1);
      clients.push(client);
    }
    const late = rig.connect();
    const more = names(limits.SUBSCRIBE_NAMES_MAX + 10, "more");
    late.ask("PSUBSCRIBE", ...more);
    expect(await answered(rig, late)).toEqual([
      "-ERR the proxy's limit of 32768 patterns of all clients is reached; unsubscribe from some, or run the proxy with more workers",
    ]);
    expect(rig.line(0).topics["p"]!.has("more0")).toBe(false);
    clients[0]!.stream.close();
    await namesPerTurn(rig);
    late.ask("PSUBSCRIBE", ...more);
    expect(await answered(rig, late)).toHaveLength(more.length);
  });
});

describe("a client that comes from another process in parts", () => {
  const as = { user: null, password: null };

  function arrived(rig: PubSubRig, toCome: number): FakeClient {
    const { pool, upstreams } = rig.rig;
    const left = { fd: 11, unread: Buffer.alloc(0) };
    const { arrivals } = pool.sharedSubscriptions;
    arrivals.addConnection("7", { upstream: upstreams[0]!, left });
    arrivals.addList("7", { kind: "channel", names: ["a", "b"], upstreams: [upstreams[0]!] });
    const client = rig.connect();
    const subscriptions = { hub: "7", as, channels: [], patterns: [], shards: [], toCome };
    const state = { ...client.frontend.saveState(), subscriptions };
    client.session.attach(new RedisFrontend(pool, client.session, state));
    return client;
  }

  test("asks for nothing before they have all come", async () => {
    const rig = new PubSubRig(1);
    const client = arrived(rig, 2);
    const { arrivals } = rig.rig.pool.sharedSubscriptions;
    const id = client.frontend.state.id;
    arrivals.addNames("7", id, "channel", ["a"]);
    client.ask("UNSUBSCRIBE");
    await rig.rig.turn();
    expect([client.take(), client.session.isReadyToMove]).toEqual([[], false]);
    arrivals.addNames("7", id, "channel", ["b"]);
    arrivals.start("7");
    await rig.settle();
    expect(client.take()).toEqual(["*3 unsubscribe a :1", "*3 unsubscribe b :0"]);
  });

  test("is closed when they do not: it would miss messages without a word", async () => {
    const rig = new PubSubRig(1);
    const client = arrived(rig, 2);
    const { sharedSubscriptions } = rig.rig.pool;
    sharedSubscriptions.arrivals.addNames("7", client.frontend.state.id, "channel", ["a"]);
    rig.rig.deadlines.reach(1000 + limits.PUBSUB_ARRIVAL_MS);
    await rig.settle();
    expect(client.isClosed).toBe(true);
    expect([...sharedSubscriptions.all]).toEqual([]);
  });

  test("may have names that came before it", async () => {
    const rig = new PubSubRig(1);
    rig.rig.pool.sharedSubscriptions.arrivals.addNames("7", 2, "channel", ["a", "b"]);
    const client = arrived(rig, 2);
    expect(client.frontend.state.id).toBe(2);
    rig.rig.pool.sharedSubscriptions.arrivals.start("7");
    await rig.settle();
    const [shared] = rig.rig.pool.sharedSubscriptions.all;
    const reach: Reach = subscribersOf(
      shared!.topics.find("channel", "b"),
      shared!.subscriptions.all,
    );
    expect(reach).toEqual({ copies: 1, clients: 1 });
  });
});

test("a subscription costs about as much memory as in Redis", () => {
  const count = 50_000;
  const keep: unknown[] = [];
  const before = heapSize();
  const topics = new TopicTable();
  const shared = { topics } as unknown as SharedSubscription;
  const subscriber = new Subscriber(null as unknown as RedisFrontend, shared);
  for (let i = 0; i < count; i++) {
    const topic = topics.create("channel", Buffer.from(`user:${i}:news`).toString("latin1"));
    topic.add(subscriber);
    subscriber.add(topic);
  }
  keep.push(topics, subscriber);
  // A Set for each would be 200 bytes more.
  expect((heapSize() - before) / count).toBeLessThan(250);
  expect(keep).toHaveLength(2);
});

function heapSize(): number {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  return heapSize + extraMemorySize;
}
