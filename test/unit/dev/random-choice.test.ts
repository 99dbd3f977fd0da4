/** Commands that choose at random: what they choose is there, and as often as asked for. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { createRig, items, type ShardRig } from "./shard-rig.ts";

const MEMBERS = ["a", "b", "c", "d", "e"];

function filled(): ShardRig {
  const rig = createRig();
  rig.ask("SADD", "set", ...MEMBERS);
  rig.ask("HSET", "hash", ...MEMBERS.flatMap((field) => [field, `value of ${field}`]));
  return rig;
}

test.each([
  ["SRANDMEMBER", "set"],
  ["HRANDFIELD", "hash"],
])("%s: a positive count gives different items, a negative one may repeat", (command, key) => {
  const run = fc.property(fc.integer({ min: -12, max: 12 }), (count) => {
    const chosen = items(filled().ask(command, key, String(count)));
    for (const item of chosen) expect(MEMBERS).toContain(item);
    expect(chosen).toHaveLength(count < 0 ? -count : Math.min(count, MEMBERS.length));
    if (count > 0) expect(new Set(chosen).size).toBe(chosen.length);
  });
  fc.assert(run);
});

test("HRANDFIELD WITHVALUES gives each field its value", () => {
  const [field, value] = items(filled().ask("HRANDFIELD", "hash", "1", "WITHVALUES"));
  expect(value).toBe(`value of ${field}`);
});

test("SPOP takes away what it answers", () => {
  const rig = filled();
  const taken = items(rig.ask("SPOP", "set", "3"));
  expect(taken).toHaveLength(3);
  expect([...taken, ...items(rig.ask("SMEMBERS", "set"))].sort()).toEqual(MEMBERS);
  rig.ask("SPOP", "set", "9");
  expect(rig.ask("EXISTS", "set")).toBe(":0\r\n");
});

test("every item is chosen some time", () => {
  const rig = filled();
  const chosen = new Set(items(rig.ask("SRANDMEMBER", "set", "-1000")));
  expect([...chosen].sort()).toEqual(MEMBERS);
});
