/** Nodes of `route:` that write several pools, or ask a second one when the first is late, with real servers. */
import { afterEach, expect, test } from "bun:test";
import { startMemcached } from "../support/memcached-server.ts";
import { exchange } from "../support/redis-exchange.ts";
import {
  clientOf,
  counted,
  KEYS,
  keysOf,
  redisServers,
  startPools,
  until,
} from "../support/route-rig.ts";
import { TextClient } from "../support/text-client.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

afterEach(stopAll);

test("all pools are written, reads go to the first, and what cannot be done in all is refused", async () => {
  const [one, ...two] = await redisServers(3);
  const rig = await startPools([one!], two, ["route: { all: [one, two] }"]);
  const client = await clientOf(rig.app);
  const sets = KEYS.flatMap((key) => [key, "1"]);
  expect(await client.ask("MSET", ...sets)).toBe("+OK\r\n");
  expect([await keysOf([one!]), await keysOf(two)]).toEqual([[...KEYS].sort(), [...KEYS].sort()]);
  const script = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
  expect(await client.ask("EVAL", script, "1", "key:1", "4")).toBe(":5\r\n");
  await exchange(one!, [["SET", "key:2", "first"]]);
  expect(await client.ask("GET", "key:2")).toBe("$5\r\nfirst\r\n");
  expect(await client.ask("DEL", ...KEYS.filter((key) => key !== "key:1"))).toBe(":11\r\n");
  expect([await keysOf([one!]), await keysOf(two)]).toEqual([["key:1"], ["key:1"]]);
  // An error of one of them is the reply.
  for (const server of two) await exchange(server, [["SET", "key:1", "text"]]);
  expect(await client.ask("INCR", "key:1")).toContain("not an integer");
  expect(await client.ask("MULTI")).toBe("+OK\r\n");
  expect(await client.ask("SET", "key:1", "2")).toContain("to several pools");
  await client.ask("DISCARD");
  expect(await client.ask("FLUSHALL")).toBe("+OK\r\n");
  expect([await keysOf([one!]), await keysOf(two)]).toEqual([[], []]);
  expect(await counted(rig, "written_to_all")).toBe(4);
});

test("Memcached replicas: writes and deletes go to both, reads to the one that has it", async () => {
  const [here, there] = await Promise.all([startMemcached(), startMemcached()]);
  for (const server of [here!, there!]) stops.push(() => server.stop());
  const lines = [
    "protocol: memcache",
    "route: { read: { main: one, failover: two, on: misses }, write: { all: [one, two] } }",
  ];
  const { app } = await startPools([here!], [there!], lines, [
    "protocol: memcache",
    "timeout: 300ms",
  ]);
  const text = await TextClient.connect(app);
  const [left, right] = await Promise.all(
    [here!, there!].map(({ host, port }) => TextClient.connect({ host, port })),
  );
  stops.push(async () => void [text, left!, right!].map((client) => client.close()));
  expect(await text.ask("set k 7 0 1\r\na\r\n")).toBe("STORED\r\n");
  expect(await text.ask("add k 7 0 1\r\nb\r\n")).toBe("NOT_STORED\r\n");
  for (const client of [left!, right!]) {
    expect(await client.ask("get k\r\n", "END\r\n")).toBe("VALUE k 7 1\r\na\r\nEND\r\n");
  }
  await left!.ask("delete k\r\n");
  expect(await text.ask("get k\r\n", "END\r\n")).toBe("VALUE k 7 1\r\na\r\nEND\r\n");
  expect(await text.ask("delete k\r\n")).toBe("NOT_FOUND\r\n");
  expect(await right!.ask("get k\r\n", "END\r\n")).toBe("END\r\n");
  await text.ask("set k 0 0 1\r\nc\r\n");
  await here!.stop();
  await until(
    async () => (await text.ask("get k\r\n", "END\r\n")) === "VALUE k 0 1\r\nc\r\nEND\r\n",
  );
  // A delete reaches the one that lives, and its client hears that the other has failed.
  expect(await text.ask("delete k\r\n")).toStartWith("SERVER_ERROR");
  expect(await right!.ask("get k\r\n", "END\r\n")).toBe("END\r\n");
});

test("a read that is late is answered by another pool, in the same place of a pipeline", async () => {
  const [main, other] = await redisServers(2);
  const lines = ["route: { main: one, hedge: two, after: 20ms, budget: 100% }"];
  const rig = await startPools([main!], [other!], lines);
  const client = await clientOf(rig.app);
  await client.ask("SET", "k", "main");
  await exchange(other!, [["SET", "k", "other"]]);
  expect(await client.ask("GET", "k")).toBe("$4\r\nmain\r\n");
  process.kill(main!.pid, "SIGSTOP");
  stops.push(async () => void process.kill(main!.pid, "SIGCONT"));
  client.command(["GET", "k"], ["SET", "k", "2"], ["STRLEN", "k"], ["GET", "none"]);
  expect(String(await client.reply())).toBe("$5\r\nother\r\n");
  expect(await counted(rig, "hedge_won")).toBeGreaterThan(0);
  process.kill(main!.pid, "SIGCONT");
  // What the other pool does not have, and writes, `main` answers; reads behind a write may come from the other.
  const rest = (await client.replies(3)).map(String);
  expect([rest[0], rest[2]]).toEqual(["+OK\r\n", "$-1\r\n"]);
  expect([":5\r\n", ":1\r\n"]).toContain(rest[1]!);
  await until(async () => (await client.ask("GET", "k")) === "$1\r\n2\r\n");
});
