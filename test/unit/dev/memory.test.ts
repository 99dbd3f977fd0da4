import { expect, test } from "bun:test";
import fc from "fast-check";
import { randomCommand } from "./random-commands.ts";
import { createRig } from "./shard-rig.ts";

const OOM = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

test("when memory is used up, commands that need more are refused and the others work", () => {
  const { ask } = createRig(100_000);
  let written = 0;
  while (ask("SET", `key:${written}`, "v".repeat(1000)) === "+OK\r\n") written += 1;
  expect(written).toBeGreaterThan(50);
  expect(written).toBeLessThan(100);
  expect(ask("SET", "another", "x")).toBe(OOM);
  for (const command of ["LPUSH", "SADD", "APPEND"]) expect(ask(command, "other", "x")).toBe(OOM);
  expect(ask("HSET", "other", "x", "y")).toBe(OOM);
  expect(ask("ZADD", "other", "1", "y")).toBe(OOM);
  expect(ask("STRLEN", "key:0")).toBe(":1000\r\n");
  expect(ask("DEL", "key:0", "key:1")).toBe(":2\r\n");
  expect(ask("SET", "another", "x")).toBe("+OK\r\n");
});

test("one command cannot make a string that exceeds the limit", () => {
  const { ask, shard } = createRig(100_000);
  expect(ask("SETRANGE", "a", "100000", "x")).toBe(OOM);
  expect(ask("SETBIT", "a", "4294967295", "1")).toBe(OOM);
  expect(shard.meter.used).toBe(0);
});

test("expired keys make room", () => {
  const rig = createRig(10_000);
  rig.ask("SET", "old", "v".repeat(20_000), "PX", "500");
  expect(rig.ask("SET", "new", "x")).toBe(OOM);
  rig.now += 500;
  expect(rig.ask("SET", "new", "x")).toBe("+OK\r\n");
});

test("what was counted is taken off again, whatever the commands", () => {
  const run = fc.property(fc.array(randomCommand, { maxLength: 60, size: "max" }), (commands) => {
    const { ask, shard } = createRig();
    for (const command of commands) ask(...command);
    const keys = shard.databases.reduce((sum, db) => sum + db.size, 0);
    if (keys > 0) expect(shard.meter.used).toBeGreaterThan(0);
    ask("FLUSHALL");
    expect(shard.meter.used).toBe(0);
  });
  fc.assert(run, { numRuns: 1000 });
});

test.each([
  [
    "a string",
    ["SET", "k", "one"],
    [
      ["SET", "k", "other text"],
      ["SET", "k", "two"],
    ],
  ],
  [
    "a field",
    ["HSET", "k", "f", "one"],
    [
      ["HSET", "k", "f", "other"],
      ["HSET", "k", "f", "two"],
    ],
  ],
  [
    "a deleted field",
    ["HSET", "k", "f", "one"],
    [
      ["HSET", "k", "g", "x"],
      ["HDEL", "k", "g"],
    ],
  ],
  [
    "a member",
    ["SADD", "k", "m"],
    [
      ["SADD", "k", "other", "m"],
      ["SREM", "k", "other"],
    ],
  ],
  [
    "a moved member",
    ["SADD", "k", "m"],
    [
      ["SMOVE", "k", "j", "m"],
      ["SMOVE", "j", "k", "m"],
    ],
  ],
  [
    "an element",
    ["RPUSH", "k", "one"],
    [
      ["LPUSH", "k", "x"],
      ["LPOP", "k"],
      ["LSET", "k", "0", "two"],
    ],
  ],
  [
    "a trimmed list",
    ["RPUSH", "k", "one"],
    [
      ["RPUSH", "k", "x", "y"],
      ["LTRIM", "k", "0", "0"],
    ],
  ],
  [
    "an insertion",
    ["RPUSH", "k", "a"],
    [
      ["LINSERT", "k", "BEFORE", "a", "b"],
      ["LREM", "k", "0", "b"],
    ],
  ],
  [
    "a score",
    ["ZADD", "k", "1", "m"],
    [
      ["ZADD", "k", "2", "m"],
      ["ZINCRBY", "k", "3", "m"],
    ],
  ],
  [
    "a lost member",
    ["ZADD", "k", "1", "m"],
    [
      ["ZADD", "k", "2", "n"],
      ["ZPOPMAX", "k"],
    ],
  ],
  [
    "a name",
    ["SET", "k", "one"],
    [
      ["RENAME", "k", "longer name"],
      ["RENAME", "longer name", "k"],
    ],
  ],
  [
    "a deleted key",
    ["SET", "k", "one"],
    [
      ["SET", "j", "x"],
      ["DEL", "j"],
    ],
  ],
])("changing %s there and back leaves the count as it was", (_, first, others) => {
  const { ask, shard } = createRig();
  ask(...first);
  const before = shard.meter.used;
  for (const command of others) expect(ask(...command)).not.toStartWith("-");
  expect(shard.meter.used).toBe(before);
});
