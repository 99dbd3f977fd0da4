import { expect, test } from "bun:test";
import fc from "fast-check";
import { createRig, items, type ShardRig } from "./shard-rig.ts";

interface Page {
  readonly cursor: string;
  readonly keys: readonly string[];
}

function scan(rig: ShardRig, cursor: string, ...options: string[]): Page {
  const [, length = "", next = "", ...rest] = rig.ask("SCAN", cursor, ...options).split("\r\n");
  expect(length).toBe(`$${next.length}`);
  return { cursor: next, keys: items(rest.join("\r\n")) };
}

test("a whole scan meets every key that was there all along, whatever comes and goes meanwhile", () => {
  const steps = fc.array(
    fc.record({ add: fc.nat(60), remove: fc.nat(60), count: fc.integer({ min: 1, max: 7 }) }),
  );
  const run = fc.property(fc.nat(40), steps, (size, changes) => {
    const rig = createRig();
    for (let key = 0; key < size; key += 1) rig.ask("SET", `stays:${key}`, "x");
    const found = new Set<string>();
    let cursor = "0";
    let step = 0;
    do {
      const { add = 0, remove = 0, count = 10 } = changes[step] ?? {};
      const page = scan(rig, cursor, "COUNT", String(count));
      for (const key of page.keys) found.add(key);
      rig.ask("SET", `comes:${add}`, "x");
      rig.ask("DEL", `comes:${remove}`);
      cursor = page.cursor;
      step += 1;
    } while (cursor !== "0");
    for (let key = 0; key < size; key += 1) expect(found).toContain(`stays:${key}`);
  });
  fc.assert(run, { numRuns: 300 });
});

test("a cursor can be used again, also when many other scans came in between", () => {
  const rig = createRig();
  for (let key = 0; key < 100; key += 1) rig.ask("SET", `key:${key}`, "x");
  const first = scan(rig, "0", "COUNT", "10");
  const second = scan(rig, first.cursor, "COUNT", "10");
  for (let count = 11; count < 60; count += 1) scan(rig, "0", "COUNT", String(count));
  expect(scan(rig, first.cursor, "COUNT", "10")).toEqual(second);
  expect(second.keys).toHaveLength(10);
});

test("MATCH and TYPE choose", () => {
  const rig = createRig();
  rig.ask("SET", "a1", "x");
  rig.ask("SET", "b1", "x");
  rig.ask("LPUSH", "a2", "x");
  expect(scan(rig, "0", "MATCH", "a*").keys).toEqual(["a1", "a2"]);
  expect(scan(rig, "0", "TYPE", "string").keys).toEqual(["a1", "b1"]);
});

test.each([
  ["x", "-ERR invalid cursor\r\n"],
  ["0 COUNT 0", "-ERR syntax error\r\n"],
  ["0 COUNT", "-ERR syntax error\r\n"],
  ["0 BOGUS 1", "-ERR syntax error\r\n"],
])("SCAN %s is refused", (words, reply) => {
  expect(createRig().ask("SCAN", ...words.split(" "))).toBe(reply);
});
