/** What random scripts cannot show: what happens at the ends of the range, by the clock, and when memory is full. */
import { expect, test } from "bun:test";
import { createConnection } from "./connection-rig.ts";

test("numbers wrap at 2^64 upwards and stop at 0 downwards", () => {
  const { ask } = createConnection();
  ask("set n 0 0 20\r\n18446744073709551615\r\n");
  expect(ask("incr n 2\r\n")).toBe("1\r\n");
  expect(ask("get n\r\n")).toBe(`VALUE n 0 20\r\n1${" ".repeat(19)}\r\nEND\r\n`);
  expect(ask("decr n 18446744073709551615\r\n")).toBe("0\r\n");
  ask("set n 0 0 20\r\n18446744073709551616\r\n");
  expect(ask("incr n 1\r\n")).toStartWith("CLIENT_ERROR");
});

test("items expire by the clock, relative and absolute", () => {
  const rig = createConnection();
  const seconds = rig.now / 1000;
  rig.ask(`set a 0 10 1\r\n1\r\nset b 0 ${seconds + 20} 1\r\n1\r\nset c 0 0 1\r\n1\r\n`);
  rig.now += 9_999;
  expect(rig.ask("mg a t\r\nmg b t\r\nmg c t\r\n")).toBe("HD t1\r\nHD t11\r\nHD t-1\r\n");
  rig.now += 1;
  expect(rig.ask("touch b 100\r\nget a b\r\n")).toBe("TOUCHED\r\nVALUE b 0 1\r\n1\r\nEND\r\n");
  rig.now += 50_000;
  expect(rig.ask("get a b\r\n")).toBe("VALUE b 0 1\r\n1\r\nEND\r\n");
});

test("flush_all with a delay forgets what was there by then", () => {
  const rig = createConnection();
  rig.ask("set a 0 0 1\r\n1\r\n");
  expect(rig.ask("flush_all 10\r\n")).toBe("OK\r\n");
  rig.now += 9_000;
  expect(rig.ask("set b 0 0 1\r\n1\r\nget a b\r\n")).toContain("VALUE a 0 1");
  rig.now += 1_000;
  expect(rig.ask("get a b\r\nset c 0 0 1\r\n1\r\nget a b c\r\n")).toBe(
    "END\r\nSTORED\r\nVALUE c 0 1\r\n1\r\nEND\r\n",
  );
});

test("the least recently used items make room", () => {
  const { ask, shard } = createConnection(100_000);
  const value = "v".repeat(10_000);
  const set = (key: string): string => `set ${key} 0 0 10000\r\n${value}\r\n`;
  for (let index = 0; index < 9; index += 1) ask(set(`k${index}`));
  expect(ask("get k0\r\n")).toContain("VALUE");
  ask(set("k9"));
  expect(ask("get k1\r\n")).toBe("END\r\n");
  expect(ask("get k0\r\n")).toContain("VALUE");
  expect(shard.store.evictions).toBe(1);
  expect(shard.store.bytes).toBeLessThanOrEqual(100_000);
});

test("an item that is too large is refused in step, however it arrives", () => {
  const rig = createConnection(4 * 1024 * 1024);
  rig.ask("set big 0 0 1\r\n1\r\n");
  expect(rig.ask("set big 0 0 1048576\r\n")).toBe("SERVER_ERROR object too large for cache\r\n");
  for (let sent = 0; sent < 16; sent += 1) expect(rig.ask("x".repeat(65_536))).toBe("");
  expect(rig.ask("\r\nget big\r\n")).toBe("END\r\n");
  expect(rig.isClosed).toBe(false);
  expect(rig.ask("z".repeat(3000))).toBe("");
  expect(rig.isClosed).toBe(true);
});
