import { expect, test } from "bun:test";
import { encodeRequest } from "../../../../../src/protocols/redis/codec/encode.ts";
import { RequestScanner } from "../../../../../src/protocols/redis/codec/request-scanner.ts";
import { RequestView } from "../../../../../src/protocols/redis/codec/request-view.ts";
import { CommandTable } from "../../../../../src/protocols/redis/commands/command-table.ts";
import { findKeys } from "../../../../../src/protocols/redis/commands/find-keys.ts";

const table = new CommandTable();

function keysOf(...request: string[]): string[] {
  const view = new RequestView();
  const bytes = encodeRequest(...request);
  new RequestScanner().scan(bytes, 0, bytes.length, view);
  const found: number[] = [];
  findKeys(table.get(request[0]!)!, view, found);
  return found.map((index) => request[index]!);
}

test("of an option that is given twice the last one counts, whatever its value looks like", () => {
  const radius = ["GEORADIUS", "k", "0", "0", "1", "m"];
  expect(keysOf(...radius)).toEqual(["k"]);
  expect(keysOf(...radius, "STORE", "a")).toEqual(["k", "a"]);
  expect(keysOf(...radius, "STORE", "a", "STORE", "b")).toEqual(["k", "b"]);
  expect(keysOf(...radius, "STORE", "STORE")).toEqual(["k", "STORE"]);
  expect(keysOf(...radius, "STORE", "a", "STOREDIST", "b")).toEqual(["k", "b"]);
  expect(keysOf("SORT", "k", "STORE", "a", "STORE", "b")).toEqual(["k", "b"]);
});

test("keys behind a keyword or a count", () => {
  expect(keysOf("XREAD", "COUNT", "1", "STREAMS", "a", "b", "0", "0")).toEqual(["a", "b"]);
  expect(keysOf("ZUNIONSTORE", "d", "2", "a", "b", "WEIGHTS", "1", "2")).toEqual(["d", "a", "b"]);
  expect(keysOf("EVAL", "script", "1", "a", "b")).toEqual(["a"]);
});
