/** Binary clients of a pool whose servers die, are dead or hang. */
import { afterEach, expect, test } from "bun:test";
import {
  BinaryClient,
  type BinaryRequest,
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

const TEMPORARY_FAILURE = 0x86;
const [keys0 = [], keys1 = [], keys2 = []] = keysByServer(SERVERS, 20);

let fixture: BinaryPool;
let client: BinaryClient;
afterEach(async () => {
  client.close();
  await stopPool(fixture);
});

const dead = keys1[0] ?? "";
const live = keys0[0] ?? "";

async function startWithDeadServer(lines: readonly string[]): Promise<void> {
  fixture = await startPool(lines);
  await fixture.servers[1]?.stop();
  client = await BinaryClient.connect(fixture.endpoint);
}

test("its keys fail, the others do not", async () => {
  await startWithDeadServer([]);
  for (let round = 0; round < 3; round++) {
    const replies = await pipeline(client, [
      set(live, "1", 1),
      set(dead, "1", 2),
      { opcode: 0x09, key: dead, opaque: 3 },
      { opcode: 0x11, key: dead, extras: storageExtras(), opaque: 4 },
      { opcode: 0x0d, key: live, opaque: 5 },
      { opcode: 0x0c, key: dead, opaque: 0xfffffff0 },
    ]);
    expect(replies.map(brief)).toEqual([
      [0x01, 0, 1],
      [0x01, TEMPORARY_FAILURE, 2],
      [0x09, TEMPORARY_FAILURE, 3],
      [0x11, TEMPORARY_FAILURE, 4],
      [0x0d, 0, 5],
      [0x0c, TEMPORARY_FAILURE, 0xfffffff0],
    ]);
    expect(replies[1]?.value).toStartWith("Connection refused");
  }
});

test("reads of its keys are misses, when the pool says so", async () => {
  await startWithDeadServer(["dead_server: miss"]);
  const replies = await pipeline(client, [
    { opcode: 0x00, key: dead, opaque: 1 },
    { opcode: 0x09, key: dead, opaque: 2 },
    { opcode: 0x0d, key: dead, opaque: 3 },
    { opcode: 0x1d, key: dead, extras: timeExtras(0), opaque: 4 },
    { opcode: 0x24, key: dead, extras: timeExtras(0), opaque: 5 },
    { opcode: 0x1c, key: dead, extras: timeExtras(0), opaque: 6 },
    set(dead, "1", 7),
  ]);
  expect(replies.map(brief)).toEqual([
    [0x00, 1, 1],
    [0x1d, 1, 4],
    [0x1c, TEMPORARY_FAILURE, 6],
    [0x01, TEMPORARY_FAILURE, 7],
  ]);
});

test("a flush fails and empties the others; statistics are those of the others", async () => {
  await startWithDeadServer([]);
  const replies = await pipeline(client, [
    ...keys0.map((key) => set(key, "x")),
    ...keys2.map((key) => set(key, "x")),
    { opcode: 0x10, opaque: 1 },
    { opcode: 0x18, opaque: 2 },
    { opcode: 0x0d, key: live, opaque: 3 },
  ]);
  expect(replies.find(({ key }) => key === "curr_items")?.value).toBe("40");
  expect(replies.toSpliced(0, replies.length - 1).map(brief)).toEqual([
    [0x18, TEMPORARY_FAILURE, 2],
  ]);
});

test("the version is told without any server", async () => {
  await startWithDeadServer([]);
  await Promise.all(fixture.servers.map((server) => server.stop()));
  expect((await client.ask({ opcode: 0x0b })).value).toMatch(/^1\.\d+\.\d+$/);
  const list = await pipeline(client, [{ opcode: 0x10, opaque: 1 }]);
  expect(list.map(brief)).toEqual([[0x10, TEMPORARY_FAILURE, 1]]);
});

test("requests on their way when it dies fail one by one, each with its own opaque", async () => {
  fixture = await startPool();
  client = await BinaryClient.connect(fixture.endpoint);
  await client.ask(set(dead, "1"));
  const server = fixture.servers[1] as MemcachedServer;
  await stopProcess(server.pid);
  const requests = keys1.map(
    (key, index): BinaryRequest => ({
      opcode: index % 2 === 0 ? 0x00 : 0x0d,
      key,
      opaque: 100 + index,
    }),
  );
  client.send(
    Buffer.concat([...requests, { opcode: 0x00, key: live, opaque: 1 }].map(encodeRequest)),
  );
  // Another client's request on another server was answered: by then these are on their way.
  const other = await BinaryClient.connect(fixture.endpoint);
  await other.ask(set(live, "2"));
  other.close();
  process.kill(server.pid, "SIGKILL");
  const replies = await client.repliesUpTo(1);
  expect(replies.map(brief)).toEqual([
    ...requests.map(({ opcode, opaque }) => [opcode, TEMPORARY_FAILURE, opaque ?? 0]),
    [0x00, 0, 1],
  ]);
});

test("what takes too long fails with its own opaque, and what comes late reaches nobody", async () => {
  fixture = await startPool(["timeout: 2000"]);
  client = await BinaryClient.connect(fixture.endpoint);
  await client.ask(set(dead, "old"));
  const server = fixture.servers[1] as MemcachedServer;
  await stopProcess(server.pid);
  const late = await pipeline(client, [
    { opcode: 0x00, key: dead, opaque: 1 },
    { opcode: 0x0d, key: dead, opaque: 2 },
    { opcode: 0x00, key: live, opaque: 3 },
  ]);
  expect(late.map(brief)).toEqual([
    [0x00, TEMPORARY_FAILURE, 1],
    [0x0d, TEMPORARY_FAILURE, 2],
    [0x00, 1, 3],
  ]);
  expect(late[0]?.value).toStartWith("Connection timed out");
  process.kill(server.pid, "SIGCONT");
  const replies = await pipeline(client, [
    set(dead, "new", 4),
    { opcode: 0x0d, key: dead, opaque: 5 },
  ]);
  expect(replies.map(({ opaque, value }) => [opaque, value])).toEqual([
    [4, ""],
    [5, "new"],
  ]);
});
