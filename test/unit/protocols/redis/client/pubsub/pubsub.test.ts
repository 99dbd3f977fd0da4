/** Subscriptions of single clients, in the cases that the property test does not come by. */

import { describe, expect, test } from "bun:test";
import { KIND } from "../../../../../../src/api/protocol.ts";
import type { Failure } from "../../../../../../src/api/upstream.ts";
import { PUSHED_OUTPUT_MAX_BYTES } from "../../../../../../src/base/limits.ts";
import { RedisFrontend } from "../../../../../../src/protocols/redis/client/redis-frontend.ts";
import { type FakeLine, PubSubRig } from "./rig.ts";

const REFUSED: Failure = { kind: "refused", wasSent: false, text: "Connection refused (s1)" };

/** A rig whose first client has had its first line to each server connected. */
async function connected(servers: number, options = {}): Promise<PubSubRig> {
  const rig = new PubSubRig(servers, options);
  const opener = rig.connect();
  opener.ask("SUBSCRIBE", "opener");
  await rig.settle();
  return rig;
}

describe("a subscription", () => {
  test("that a server denies is none, whatever else it names", async () => {
    const rig = await connected(2);
    rig.line(1).denied.add("b");
    const client = rig.connect();
    client.ask("SUBSCRIBE", "a", "b");
    await rig.settle();
    expect(client.take()).toEqual(["-NOPERM no"]);
    expect([...rig.line(0).topics[""]!]).toEqual(["opener"]);
    expect([...rig.line(1).topics[""]!]).toEqual(["opener"]);
    client.ask("GET", "k1");
    await rig.rig.settle();
    expect(client.take()).toEqual(["<k1>"]);
  });

  test("that begins while the others move to another process is confirmed, over connections of its own", async () => {
    const rig = await connected(2);
    const [leaving] = rig.rig.pool.sharedSubscriptions.all;
    for (const { connection } of leaving!.beginToLeave(true)) connection.leave();
    const left = rig.line(0);
    const client = rig.connect();
    client.ask("SUBSCRIBE", "a");
    await rig.settle();
    expect(client.take()).toEqual(["*3 subscribe a :1"]);
    expect([rig.line(0) === left, [...left.topics[""]!]]).toEqual([false, ["opener"]]);
  });

  test("needs one server that is there, and comes to the others later", async () => {
    const rig = await connected(2);
    const client = rig.connect();
    rig.line(0).lose(REFUSED);
    rig.line(1).lose(REFUSED);
    client.ask("SUBSCRIBE", "a");
    await rig.rig.turn();
    expect(client.take()).toEqual([`-ERR ${REFUSED.text}`]);
    rig.line(1).connect();
    client.ask("SUBSCRIBE", "a");
    await rig.rig.turn();
    while (rig.line(1).requests.length > 0) rig.line(1).process();
    rig.line(1).deliver(10);
    await rig.rig.turn();
    expect(client.take()).toEqual(["*3 subscribe a :1"]);
    await rig.settle();
    expect([...rig.line(0).topics[""]!].sort()).toEqual(["a", "opener"]);
  });

  test("that is not confirmed in time is an error, and is taken back when it is", async () => {
    const rig = await connected(1, { timeoutMs: 100 });
    const { deadlines } = rig.rig;
    const client = rig.connect();
    client.ask("SUBSCRIBE", "a");
    deadlines.reach(1099);
    await rig.rig.turn();
    expect(client.take()).toEqual([]);
    deadlines.reach(1100);
    await rig.rig.turn();
    expect(client.take()).toEqual([
      "-ERR Connection timed out (no confirmation from the servers within 100 ms)",
    ]);
    await rig.settle();
    expect([...rig.line(0).topics[""]!]).toEqual(["opener"]);
    expect(client.take()).toEqual([]);
    expect(rig.line(0).isDistrusted).toBe(false);
  });

  test("ends with its client when the server does not renew it", async () => {
    const rig = await connected(1);
    const [denied, allowed] = [rig.connect(), rig.connect()];
    denied.ask("SUBSCRIBE", "a");
    allowed.ask("SUBSCRIBE", "b");
    await rig.settle();
    rig.line(0).lose();
    rig.line(0).denied.add("a");
    await rig.settle();
    expect([denied.isClosed, allowed.isClosed]).toEqual([true, false]);
    expect([...rig.line(0).topics[""]!].sort()).toEqual(["b", "opener"]);
  });

  test("goes over another connection when what comes makes no sense", async () => {
    const rig = await connected(1);
    for (const nonsense of [
      "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n",
      "+PONG\r\n",
      ":1\r\n",
      "-ERR\r\n",
    ]) {
      rig.line(0).isDistrusted = false;
      rig.line(0).frames.push(nonsense);
      rig.line(0).deliver(1);
      expect(rig.line(0).isDistrusted).toBe(true);
      await rig.settle();
      expect([...rig.line(0).topics[""]!]).toEqual(["opener"]);
    }
  });

  test("of a client that reads nothing ends, and nobody else's", async () => {
    const rig = await connected(1);
    const [lazy, eager] = [rig.connect(), rig.connect()];
    for (const client of [lazy, eager]) client.ask("SUBSCRIBE", "a");
    await rig.settle();
    lazy.stream.room = 0;
    eager.stream.keepsOutput = false;
    const payload = "x".repeat(PUSHED_OUTPUT_MAX_BYTES / 16);
    for (let i = 0; i < 15; i++) {
      rig.line(0).publish("a", payload);
      await rig.settle();
    }
    expect(lazy.isClosed).toBe(false);
    rig.line(0).publish("a", payload);
    await rig.settle();
    expect([lazy.isClosed, eager.isClosed]).toEqual([true, false]);
  });

  test("is confirmed to a client that wants no replies", async () => {
    const rig = await connected(1);
    const client = rig.connect();
    client.ask("CLIENT", "REPLY", "OFF");
    client.ask("SUBSCRIBE", "a");
    await rig.settle();
    client.ask("PING");
    client.ask("UNSUBSCRIBE");
    await rig.settle();
    expect(client.take()).toEqual(["*3 subscribe a :1", "*3 unsubscribe a :0"]);
  });

  test("stays the one user's that the client was", async () => {
    const rig = await connected(1);
    const client = rig.connect(3);
    client.ask("SUBSCRIBE", "a");
    await rig.settle();
    client.take();
    client.frontend.switchTo({ user: "other", password: "secret" });
    client.ask("SUBSCRIBE", "b");
    await rig.settle();
    expect(client.take()[0]).toStartWith("-ERR This client has subscriptions as another user");
    client.ask("UNSUBSCRIBE", "a");
    client.ask("SUBSCRIBE", "b");
    await rig.settle();
    expect(rig.lines[0]).toHaveLength(2);
    expect(client.take()).toEqual([">3 unsubscribe a :0", ">3 subscribe b :1"]);
  });

  test("ends with RESET, which is answered when it has ended", async () => {
    const rig = await connected(1);
    const client = rig.connect();
    client.ask("SUBSCRIBE", "a");
    client.ask("PSUBSCRIBE", "b*");
    await rig.settle();
    client.take();
    client.ask("RESET");
    await rig.rig.turn();
    expect(client.take()).toEqual([]);
    await rig.settle();
    expect(client.take()).toEqual(["+RESET"]);
    expect([...rig.line(0).topics[""]!, ...rig.line(0).topics["p"]!]).toEqual(["opener"]);
  });
});

describe("a client's own message", () => {
  test("comes before the reply, whichever connection is faster", async () => {
    const rig = await connected(1);
    const client = rig.connect(3);
    client.ask("SUBSCRIBE", "a0");
    await rig.settle();
    client.take();
    client.ask("PUBLISH", "a0", "x");
    const [shared] = rig.rig.connections;
    const { sink, token } = shared!.waiting.shift()!;
    rig.line(0).publish("a0", "x");
    sink.onReplies(token, 1, Buffer.from(":1\r\n"), 0, 4, KIND.value);
    await rig.rig.turn();
    expect(client.take()).toEqual([]);
    await rig.settle();
    expect(client.take()).toEqual([">3 message a0 x", ":1"]);
  });
});

describe("in another process", () => {
  /** A client that has come with what was saved, and the line that it came with. */
  async function moved(topics: readonly (readonly ["channel" | "pattern", string])[]): Promise<{
    rig: PubSubRig;
    client: ReturnType<PubSubRig["connect"]>;
  }> {
    const rig = new PubSubRig(1);
    const { pool, upstreams } = rig.rig;
    const left = { fd: 11, unread: Buffer.from("half") };
    const { arrivals } = pool.sharedSubscriptions;
    arrivals.addConnection("7", { upstream: upstreams[0]!, left });
    for (const [kind, name] of topics) {
      arrivals.addList("7", { kind, names: [name], upstreams: [upstreams[0]!] });
    }
    const client = rig.connect();
    const as = { user: null, password: null };
    const subscriptions = { hub: "7", as, channels: ["a", "b"], patterns: ["c*"], shards: [] };
    const state = { ...client.frontend.saveState(), subscriptions };
    client.session.attach(new RedisFrontend(pool, client.session, state));
    expect(rig.lines[0]).toHaveLength(1);
    expect(rig.line(0).adopted).toBeNull();
    arrivals.start("7");
    await rig.rig.settle();
    expect(rig.line(0).adopted).toEqual(left);
    return { rig, client };
  }

  test("what is subscribed stays so, without a word", async () => {
    const { rig, client } = await moved([
      ["channel", "a"],
      ["channel", "b"],
      ["pattern", "c*"],
    ]);
    expect(rig.line(0).requests).toEqual([]);
    rig.line(0).topics[""]!.add("a");
    rig.line(0).publish("a", "x");
    await rig.settle();
    expect(client.take()).toEqual(["*3 message a x"]);
    client.ask("GET", "k");
    client.ask("SUBSCRIBE", "d");
    await rig.settle();
    expect(client.take()[0]).toStartWith("-ERR Can't execute 'get'");
  });

  test("what is missing is subscribed, and what is too much is not", async () => {
    const { rig } = await moved([
      ["channel", "a"],
      ["channel", "stray"],
      ["pattern", "s*"],
    ]);
    expect(rig.line(0).requests).toEqual([
      ["unsubscribe", "stray"],
      ["punsubscribe", "s*"],
      ["subscribe", "b"],
      ["psubscribe", "c*"],
    ]);
  });

  test("clients that come without their connection get a new one", async () => {
    const rig = new PubSubRig(1);
    const client = rig.connect(3);
    const as = { user: null, password: null };
    const subscriptions = { hub: "7", as, channels: ["a"], patterns: [], shards: [] };
    const state = { ...client.frontend.saveState(), subscriptions };
    client.session.attach(new RedisFrontend(rig.rig.pool, client.session, state));
    await rig.settle();
    rig.line(0).publish("a", "x");
    await rig.settle();
    expect(client.take()).toEqual([">3 message a x"]);
  });

  test("the rest of a group that never comes is not waited for", async () => {
    const rig = new PubSubRig(1);
    const { deadlines, pool, upstreams } = rig.rig;
    const left = { fd: 11, unread: Buffer.alloc(0) };
    pool.sharedSubscriptions.arrivals.addConnection("7", { upstream: upstreams[0]!, left });
    const client = rig.connect();
    const as = { user: null, password: null };
    const subscriptions = { hub: "7", as, channels: ["a"], patterns: [], shards: [] };
    const state = { ...client.frontend.saveState(), subscriptions };
    client.session.attach(new RedisFrontend(pool, client.session, state));
    deadlines.reach(5999);
    expect(rig.line(0).adopted).toBeNull();
    deadlines.reach(6000);
    expect(rig.line(0).adopted).toEqual(left);
  });
});

test("a line that stays silent is asked for a sign of life, and then given up", async () => {
  const rig = await connected(1);
  const { deadlines } = rig.rig;
  const line: FakeLine = rig.line(0);
  deadlines.reach(15_999);
  expect(line.requests).toEqual([]);
  deadlines.reach(16_000);
  expect(line.requests).toEqual([["PING"]]);
  await rig.settle();
  deadlines.reach(31_000);
  deadlines.reach(45_999);
  expect(line.isUp).toBe(true);
  deadlines.reach(46_000);
  expect(line.isUp).toBe(false);
});
