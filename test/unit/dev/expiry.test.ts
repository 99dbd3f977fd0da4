import { expect, test } from "bun:test";
import { createRig } from "./shard-rig.ts";

test("a key is there until its time, and not from then on", () => {
  const rig = createRig();
  rig.ask("SET", "a", "1", "EX", "10");
  rig.now += 9_999;
  expect(rig.ask("GET", "a")).toBe("$1\r\n1\r\n");
  expect(rig.ask("PTTL", "a")).toBe(":1\r\n");
  rig.now += 1;
  for (const command of ["GET", "EXISTS", "TTL", "TYPE"]) {
    expect(rig.ask(command, "a")).toBe(rig.ask(command, "never"));
  }
});

test("TTL rounds to the nearest second", () => {
  const rig = createRig();
  rig.ask("SET", "a", "1", "PX", "1500");
  expect(rig.ask("TTL", "a")).toBe(":2\r\n");
  rig.now += 1;
  expect(rig.ask("TTL", "a")).toBe(":1\r\n");
});

test("expired keys are not counted, listed, scanned or chosen", () => {
  const rig = createRig();
  rig.ask("SET", "a", "1", "PX", "5");
  rig.ask("SET", "b", "1");
  rig.now += 5;
  expect(rig.ask("SCAN", "0")).toBe("*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n");
  expect(rig.ask("KEYS", "*")).toBe("*1\r\n$1\r\nb\r\n");
  expect(rig.ask("RANDOMKEY")).toBe("$1\r\nb\r\n");
  expect(rig.ask("DBSIZE")).toBe(":1\r\n");
});

test("writing a key anew forgets its expiry, changing it keeps it, renaming takes it along", () => {
  const rig = createRig();
  for (const key of ["set", "append", "rename"]) rig.ask("SET", key, "1", "EX", "10");
  rig.ask("SET", "set", "2");
  rig.ask("APPEND", "append", "2");
  rig.ask("RENAME", "rename", "renamed");
  expect(rig.ask("TTL", "set")).toBe(":-1\r\n");
  expect(rig.ask("TTL", "append")).toBe(":10\r\n");
  expect(rig.ask("TTL", "renamed")).toBe(":10\r\n");
});
