import { expect, test } from "bun:test";
import { describeRequest as describeMemcache } from "../../../src/protocols/memcache/client/describe-request.ts";
import { describeRequest as describeRedis } from "../../../src/protocols/redis/client/describe-request.ts";
import { CommandTable } from "../../../src/protocols/redis/commands/command-table.ts";
import { encodeCommand } from "../../support/redis-exchange.ts";

const commands = new CommandTable({ allowed: new Set(), denied: new Set(), isSharded: false });

/** "command key bytes", of the first `kept` bytes. */
function redis(text: string, index: number, kept = text.length): string | null {
  const bytes = Buffer.from(text, "latin1");
  const found = describeRedis(commands, bytes.subarray(0, kept), bytes.length, index);
  return found === null ? null : `${found.command} ${found.keys[0] ?? null} ${found.bytes}`;
}

function memcache(text: string, index: number, kept = text.length): string | null {
  const bytes = Buffer.from(text, "latin1");
  const found = describeMemcache(bytes.subarray(0, kept), bytes.length, index);
  return found === null ? null : `${found.command} ${found.keys[0] ?? null} ${found.bytes}`;
}

function pipeline(...requests: string[][]): string {
  return Buffer.concat(requests.map((request) => encodeCommand(request))).toString("latin1");
}

test("Redis: the command and first key of a request in a pipeline", () => {
  const text = pipeline(["GET", "a"], ["CONFIG", "GET", "*"], ["XREAD", "STREAMS", "s", "0"]);
  expect(redis(text, 0)).toBe(`GET a ${pipeline(["GET", "a"]).length}`);
  expect(redis(text, 1)).toStartWith("CONFIG GET null");
  expect(redis(text, 2)).toStartWith("XREAD s");
  expect(redis(text, 3)).toBeNull();
  expect(redis(`get b\r\n${text}`, 0)).toBe("GET b 7");
});

test("Redis: a request of which the beginning is known only", () => {
  const text = pipeline(["GET", "a"], ["SET", "key", "x".repeat(5000)]);
  const bytes = pipeline(["SET", "key", "x".repeat(5000)]).length;
  expect(redis(text, 1, 200)).toBe(`SET key ${bytes}`);
  expect(redis(pipeline(["NOSUCH", "x".repeat(500)]), 0, 100)).toStartWith("NOSUCH null");
  for (let kept = 0; kept < 60; kept++) redis(text, 1, kept);
  expect(redis(text, 1, 22)).toBeNull();
});

test("Memcached: text and binary", () => {
  const text = "get a\r\nset key 0 0 5000\r\n";
  expect(memcache(text, 0)).toBe("get a 7");
  expect(memcache(`${text}${"x".repeat(5000)}\r\n`, 1, 100)).toBe(`set key ${5020}`);
  expect(memcache("get a\r\n", 1)).toBeNull();
  const binary = Buffer.alloc(24 + 3);
  binary[0] = 0x80;
  binary.writeUInt16BE(3, 2);
  binary.writeUInt32BE(3, 8);
  binary.write("key", 24);
  expect(memcache(Buffer.concat([binary, binary]).toString("latin1"), 1)).toBe("get key 27");
  expect(memcache("\x80", 0)).toBeNull();
});
