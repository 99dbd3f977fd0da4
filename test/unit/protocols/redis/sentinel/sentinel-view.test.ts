/** What of several sentinels is believed. */
import { expect, test } from "bun:test";
import { decodeReply } from "../../../../../src/protocols/redis/codec/decode.ts";
import {
  agree,
  readMaster,
  type SentinelView,
} from "../../../../../src/protocols/redis/sentinel/sentinel-view.ts";

const at = (address: string, epoch: number): SentinelView => [{ name: "m", address, epoch }];

test("the newest configuration is believed, and of equal ones what most say", () => {
  expect(agree(["m"], [at("a:1", 1), at("a:1", 1), at("b:1", 2)], [], 3)).toEqual(at("b:1", 2));
  expect(agree(["m"], [at("b:1", 1), at("a:1", 1), at("a:1", 1)], [], 3)).toEqual(at("a:1", 1));
});

test("a sentinel that is behind changes nothing, unless most are", () => {
  const known = at("b:1", 5);
  expect(agree(["m"], [at("a:1", 4)], known, 3)).toEqual(known);
  expect(agree(["m"], [at("a:1", 0), at("a:1", 0)], known, 3)).toEqual(at("a:1", 0));
});

test("of a master that no sentinel knows, what was known stays", () => {
  expect(agree(["m"], [[], []], at("a:1", 1), 2)).toEqual(at("a:1", 1));
  expect(agree(["m", "n"], [at("a:1", 1)], [], 1)).toEqual(at("a:1", 1));
});

test("a sentinel's replies are read, whatever they are", () => {
  const decode = (text: string) => decodeReply(Buffer.from(text), 0);
  const place = decode("*2\r\n$3\r\n::1\r\n$4\r\n6379\r\n");
  const facts = decode("*4\r\n$4\r\nname\r\n$1\r\nm\r\n$12\r\nconfig-epoch\r\n$2\r\n12\r\n");
  expect(readMaster("m", place, facts)).toEqual({ name: "m", address: "[::1]:6379", epoch: 12 });
  for (const bad of ["*-1\r\n", "*0\r\n", "*2\r\n$0\r\n\r\n$1\r\n1\r\n", "-ERR no\r\n", ":1\r\n"]) {
    expect(readMaster("m", decode(bad), facts)).toBeNull();
    expect(readMaster("m", place, decode(bad))).toBeNull();
  }
  expect(readMaster("m", decode("*2\r\n$1\r\na\r\n$5\r\n65536\r\n"), facts)).toBeNull();
});
