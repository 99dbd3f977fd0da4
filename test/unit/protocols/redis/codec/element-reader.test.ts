import { expect, test } from "bun:test";
import { ElementReader } from "../../../../../src/protocols/redis/codec/element-reader.ts";

function read(reply: string): [number, (string | number)[]] {
  const reader = new ElementReader(Buffer.from(reply, "latin1"));
  const found: (string | number)[] = [];
  while (reader.next()) found.push(reply[reader.start] === ":" ? reader.integer : reader.text);
  return [reader.count, found];
}

test.each([
  ["*0\r\n", [0, []]],
  ["*-1\r\n", [0, []]],
  ["*3\r\n$1\r\na\r\n:12\r\n$0\r\n\r\n", [3, ["a", 12, ""]]],
  ["*1\r\n$4\r\n\r\n\xff\x00\r\n", [1, ["\r\n\xff\x00"]]],
  [":7\r\n", [1, [7]]],
] as const)("%j", (reply, found) => {
  expect(read(reply)).toEqual(found as unknown as [number, (string | number)[]]);
});

test("a single integer", () => {
  expect(new ElementReader(Buffer.from(":7\r\n")).single).toBe(7);
  expect(new ElementReader(Buffer.from("*0\r\n")).single).toBe(0);
});
