/** The requests that servers get whose keys are called without a prefix. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { RedisKeyCut } from "../../../../../src/protocols/redis/client/key-cut.ts";
import { encodeRequest } from "../../../../../src/protocols/redis/codec/encode.ts";
import { CommandTable } from "../../../../../src/protocols/redis/commands/command-table.ts";

const commands = new CommandTable();

function cut(prefix: Buffer, request: Buffer): string {
  const bytes = Buffer.concat([Buffer.from("before"), request, Buffer.from("*1\r\nbehind")]);
  const made = new RedisKeyCut(commands, prefix).cut(bytes, 6, 6 + request.length);
  return Buffer.isBuffer(made) ? made.toString("latin1") : made.text;
}

test("keys lose it wherever they stand, and all other arguments stay", () => {
  const binary = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes));
  const prefixes = fc.uint8Array({ minLength: 1, maxLength: 8 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(
      prefixes,
      fc.array(binary, { minLength: 1, maxLength: 5 }),
      binary,
      (prefix, tails, value) => {
        const keys = tails.map((tail) => Buffer.concat([prefix, tail]));
        const latin1 = (request: Buffer): string => request.toString("latin1");
        for (const shape of [
          (given: readonly Buffer[]) =>
            encodeRequest("MSET", ...given.flatMap((key) => [key, value])),
          (given: readonly Buffer[]) =>
            encodeRequest("EVAL", value, `${given.length}`, ...given, value),
          (given: readonly Buffer[]) =>
            encodeRequest("ZUNIONSTORE", given[0]!, `${given.length}`, ...given, "WEIGHTS", value),
          (given: readonly Buffer[]) => encodeRequest("OBJECT", "ENCODING", given[0]!),
          (given: readonly Buffer[]) => encodeRequest("SORT", given[0]!, "STORE", given.at(-1)!),
        ]) {
          expect(cut(prefix, shape(keys))).toBe(latin1(shape(tails)));
        }
      },
    ),
  );
});

test("without keys a request stays as it is, and channels are none", () => {
  for (const words of [["DBSIZE"], ["SPUBLISH", "s:c", "s:m"], ["EVAL", "return 1", "0", "s:x"]]) {
    const [name = "", ...rest] = words;
    const request = encodeRequest(name, ...rest);
    expect(cut(Buffer.from("s:"), request)).toBe(request.toString());
  }
});

test("what the client would not understand, and keys of others, are refused", () => {
  const prefix = Buffer.from("s:");
  expect(cut(prefix, encodeRequest("XREAD", "STREAMS", "s:x", "0"))).toContain("name keys");
  expect(cut(prefix, encodeRequest("SORT", "s:x", "GET", "s:*"))).toContain("name keys");
  expect(cut(prefix, encodeRequest("RENAME", "s:x", "t:x"))).toContain("stands beside one with it");
  expect(cut(prefix, encodeRequest("RENAME", "s:x", "s"))).toContain("stands beside one with it");
});
