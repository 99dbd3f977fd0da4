/** What no comparison with a single memcached shows: binary clients of several servers. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  BinaryClient,
  type BinaryReply,
  type BinaryRequest,
  deltaExtras,
  encodeRequest,
  storageExtras,
  timeExtras,
} from "../support/binary-client.ts";
import {
  type BinaryPool,
  brief,
  pipeline,
  SERVERS,
  set,
  startPool,
  stopPool,
} from "../support/binary-pool.ts";
import type { MemcachedServer } from "../support/memcached-server.ts";
import { keysByServer } from "../support/proxy-process.ts";
import { stopProcess } from "../support/stop-process.ts";

const [keys0 = [], keys1 = [], keys2 = [], keys3 = []] = keysByServer(SERVERS, 20);
const ALL_KEYS = [keys0, keys1, keys2, keys3].flat().sort();

describe("over four servers", () => {
  let fixture: BinaryPool;
  let client: BinaryClient;
  beforeAll(async () => {
    fixture = await startPool();
  });
  afterAll(() => stopPool(fixture));
  afterEach(() => client.close());

  async function connect(): Promise<BinaryClient> {
    client = await BinaryClient.connect(fixture.endpoint);
    return client;
  }

  test("keys lie where the ring says", async () => {
    await pipeline(
      await connect(),
      ALL_KEYS.map((key) => set(key, `value of ${key}`)),
    );
    for (const [index, keys] of [keys0, keys1, keys2, keys3].entries()) {
      const { host, port } = fixture.servers[index] as MemcachedServer;
      const direct = await BinaryClient.connect({ host, port });
      const found = await pipeline(
        direct,
        ALL_KEYS.map((key) => ({ opcode: 0x0d, key })),
      );
      direct.close();
      expect(found.map(({ key }) => key)).toEqual(ALL_KEYS.filter((key) => keys.includes(key)));
      expect(found.every(({ key, value }) => value === `value of ${key}`)).toBe(true);
    }
  });

  test("a CAS value comes through as it is, and is compared by the server", async () => {
    const key = keys2[0] ?? "";
    await connect();
    const stored = await client.ask({ ...set(key, "1"), extras: storageExtras(0xdeadbeef) });
    const { host, port } = fixture.servers[2] as MemcachedServer;
    const direct = await BinaryClient.connect({ host, port });
    const [wanted, got] = [
      await direct.ask({ opcode: 0, key }),
      await client.ask({ opcode: 0, key }),
    ];
    direct.close();
    expect(got.bytes).toEqual(wanted.bytes);
    expect(got.cas).toBe(stored.cas);
    expect(got.extras.toString("hex")).toBe("deadbeef");
    const changed = await client.ask({ ...set(key, "2"), cas: stored.cas });
    expect([changed.status, changed.cas > stored.cas]).toEqual([0, true]);
    const [stale] = await pipeline(client, [
      { ...set(key, "3", 9), opcode: 0x11, cas: stored.cas },
    ]);
    expect([stale?.opcode, stale?.status, stale?.opaque]).toEqual([0x11, 2, 9]);
    expect((await client.ask({ opcode: 0, key })).value).toBe("2");
  });

  test("statistics of all servers are one set", async () => {
    await connect();
    await pipeline(client, [{ opcode: 0x08 }, ...ALL_KEYS.map((key) => set(key, "x"))]);
    const list = await pipeline(client, [{ opcode: 0x10, opaque: 5 }]);
    const end = list.pop();
    expect([end?.key, end?.value, ...brief(end as BinaryReply)]).toEqual(["", "", 0x10, 0, 5]);
    const statistics = new Map(list.map(({ key, value }) => [key, value]));
    expect(statistics.size).toBe(list.length);
    expect(list.every(({ opaque, status, opcode }) => opaque === 5 && status + opcode === 16)).toBe(
      true,
    );
    expect(statistics.get("curr_items")).toBe(`${ALL_KEYS.length}`);
    expect(statistics.get("limit_maxbytes")).toBe(`${SERVERS * 16 * 1024 * 1024}`);
    expect(statistics.get("pid")).toBe(`${fixture.servers[0]?.pid}`);
    expect(statistics.get("version")).toStartWith("1.");
    expect(statistics.get("rusage_user")).toMatch(/^\d+\.\d{6}$/);
    expect(Math.abs(Number(statistics.get("time")) - Date.now() / 1000)).toBeLessThan(60);
    const settings = await pipeline(client, [{ opcode: 0x10, key: "settings" }]);
    const maxbytes = settings.find(({ key }) => key === "maxbytes");
    expect(maxbytes?.value).toBe(`${SERVERS * 16 * 1024 * 1024}`);
    const slabs = await pipeline(client, [{ opcode: 0x10, key: "slabs" }]);
    expect(slabs.find(({ key }) => key === "1:chunk_size")?.value).toBe("96");
    expect(slabs.find(({ key }) => key === "active_slabs")?.value).toBe(`${SERVERS}`);
  });

  test("statistics that servers do not answer in full are refused, and all stays in step", async () => {
    await connect();
    const names = ["sizes_enable", "sizes_disable", "detail dump", "cachedump 1 1", "conns"];
    for (const name of names) {
      const [reply] = await pipeline(client, [{ opcode: 0x10, key: name, opaque: 3 }]);
      expect([reply?.value, ...brief(reply as BinaryReply)]).toEqual(["Not found", 0x10, 1, 3]);
    }
    expect((await client.ask({ opcode: 0, key: "none" })).status).toBe(1);
  });

  test("a flush reaches all servers, the quiet one without a word", async () => {
    await connect();
    for (const opcode of [0x08, 0x18]) {
      await pipeline(
        client,
        ALL_KEYS.map((key) => set(key, "x")),
      );
      const replies = await pipeline(client, [
        { opcode, opaque: 4, extras: timeExtras(0) },
        ...ALL_KEYS.map((key) => ({ opcode: 0x0d, key })),
      ]);
      expect(replies.map(brief)).toEqual(opcode === 0x08 ? [[8, 0, 4]] : []);
    }
  });

  test("an unknown request with extras and a key is answered, and the next one too", async () => {
    await connect();
    // memcached skips key and extras twice.
    const verbosity = { opcode: 0x1b, extras: timeExtras(1), key: "k", value: "v", opaque: 1 };
    const replies = await pipeline(client, [verbosity, { opcode: 0x0b, opaque: 2 }]);
    expect(replies.map(brief)).toEqual([
      [0x1b, 0x81, 1],
      [0x0b, 0, 2],
    ]);
  });

  test.each([
    ["a TOUCH with a value", { opcode: 0x1c, extras: timeExtras(0), key: "k", value: "vvv" }],
    ["a STAT with a value", { opcode: 0x10, key: "settings", value: "v" }],
    ["a STAT with extras", { opcode: 0x10, extras: timeExtras(0) }],
  ])("%s ends the connection with an error", async (_, request) => {
    await connect();
    client.send(encodeRequest({ ...request, opaque: 7 }));
    const replies = await client.repliesUntilClosed();
    expect(replies.map(brief)).toEqual([[request.opcode, 4, 7]]);
  });

  test("behind a wrong magic number nothing is answered, before it all is", async () => {
    await connect();
    const requests = [...ALL_KEYS.map((key, index) => set(key, "x", index)), { opcode: 0x0a }];
    const text = Buffer.from("get a very long key\r\nget a very long key\r\n");
    client.send(Buffer.concat([...requests.map(encodeRequest), text]));
    expect((await client.repliesUntilClosed()).length).toBe(requests.length);
  });

  test("what no server could store is refused before it comes, and skipped", async () => {
    await connect();
    const key = keys0[0] ?? "";
    const bodyLength = 0xfffffff0;
    client.send(encodeRequest({ ...set(key, "begin", 6), bodyLength }));
    const reply = await client.reply();
    expect([reply.value, ...brief(reply)]).toEqual(["Too large.", 0x01, 3, 6]);
    client.send(encodeRequest({ opcode: 0x0b }));
    client.close();
  });

  test("a value of a megabyte", async () => {
    await connect();
    const value = Buffer.alloc(1024 * 1024 - 200, "0123456789").toString("latin1");
    const replies = await pipeline(
      client,
      keys0.flatMap((key, index) => [set(key, value, index), { opcode: 0x0c, key, opaque: index }]),
    );
    expect(replies.length).toBe(2 * keys0.length);
    for (const [index, reply] of replies.entries()) {
      expect([reply.status, reply.opaque]).toEqual([0, index >> 1]);
      if (index % 2 === 1) expect(reply.value === value).toBe(true);
    }
  });

  test("counters", async () => {
    await connect();
    const key = keys3[0] ?? "";
    await client.ask({ opcode: 0x04, key });
    const increment = { opcode: 0x05, key, extras: deltaExtras(5n, 7n, 0) };
    const replies = await pipeline(client, [increment, increment, { ...increment, opcode: 0x15 }]);
    const values = replies.map(({ value }) => Buffer.from(value, "latin1").readBigUInt64BE());
    expect(values).toEqual([7n, 12n]);
    expect((await client.ask({ opcode: 0x00, key })).value).toBe("17");
  });

  test("many clients at once, each with its own", async () => {
    await connect();
    await Promise.all(
      Array.from({ length: 30 }, async (_, number) => {
        const mine = await BinaryClient.connect(fixture.endpoint);
        const keys = Array.from({ length: 40 }, (_, index) => `client ${number}, key ${index}`);
        for (let round = 0; round < 5; round++) {
          const requests = keys.flatMap((key, index): BinaryRequest[] => [
            { ...set(key, `${key} ${round}`), opcode: index % 2 === 0 ? 0x01 : 0x11, opaque: 1 },
            { opcode: index % 3 === 0 ? 0x0c : 0x0d, key, opaque: index },
            { opcode: 0x0d, key: `${key} none`, opaque: 2 },
          ]);
          const values = (await pipeline(mine, requests)).filter(({ opcode }) => opcode >= 0x0c);
          expect(values.map(({ value }) => value)).toEqual(keys.map((key) => `${key} ${round}`));
          expect(values.map(({ opaque }) => opaque)).toEqual(keys.map((_, index) => index));
        }
        mine.close();
      }),
    );
  });

  test("quiet requests that had to wait for room are still quiet", async () => {
    await connect();
    const [key = ""] = keys2;
    const server = fixture.servers[2] as MemcachedServer;
    const value = "v".repeat(500_000);
    // A client that has had many replies may send much ahead.
    await pipeline(
      client,
      ALL_KEYS.map((any) => set(any, "x")),
    );
    // More than a connection to a server queues, and than sockets hold.
    const requests = Array.from(
      { length: 120 },
      (_, opaque): BinaryRequest => ({ ...set(key, value, opaque), opcode: 0x11 }),
    );
    await stopProcess(server.pid);
    const replies = pipeline(client, [...requests, { opcode: 0x0d, key, opaque: 200 }]);
    const other = await BinaryClient.connect(fixture.endpoint);
    // The proxy goes on for others, and takes no more of this.
    let unsent = client.unsentBytes;
    for (let same = 0; same < 50; same++) {
      await other.ask({ opcode: 0x00, key: keys0[0] ?? "" });
      if (client.unsentBytes !== unsent) same = 0;
      unsent = client.unsentBytes;
    }
    expect(unsent).toBeGreaterThan(0);
    other.close();
    process.kill(server.pid, "SIGCONT");
    expect((await replies).map(brief)).toEqual([[0x0d, 0, 200]]);
  });

  test("malformed neighbours harm nobody", async () => {
    await connect();
    let isOver = false;
    const neighbours = Array.from({ length: 8 }, async (_, number) => {
      for (let round = 0; !isOver; round++) {
        const neighbour = await BinaryClient.connect(fixture.endpoint);
        const garbage = Buffer.alloc(300, ALL_KEYS[number]);
        // A sound request, then a header of which every byte but the first is anything.
        const header = Buffer.from(Bun.hash(`${number} ${round}`).toString(16).repeat(4), "hex");
        header[0] = 0x80;
        header.fill(0, 2, round % 2 === 0 ? 11 : 2);
        header[11] = round % 3 === 0 ? 20 : (header[11] ?? 0);
        neighbour.send(Buffer.concat([encodeRequest(set("neighbour", "n")), header, garbage]));
        await neighbour.reply();
        neighbour.close();
      }
    });
    for (let round = 0; round < 100; round++) {
      const value = `round ${round}`;
      const replies = await pipeline(client, [
        ...ALL_KEYS.map((key, opaque) => ({
          ...set(key, `${key} ${value}`, opaque),
          opcode: 0x11,
        })),
        ...ALL_KEYS.map((key, opaque) => ({ opcode: 0x0d, key, opaque })),
      ]);
      const found = replies.map(({ key, value: have }) => [key, have]);
      // A neighbour's chance FLUSH may empty the cache; nothing else may happen.
      for (const [key, have] of found) expect(have).toBe(`${key} ${value}`);
      expect(replies.every(({ opcode, status }) => opcode === 0x0d && status === 0)).toBe(true);
    }
    isOver = true;
    await Promise.all(neighbours);
  });
});
