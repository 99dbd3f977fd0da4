/** Which requests a lever refuses. */
import { expect, test } from "bun:test";
import type { RequestReader } from "../../../src/api/filter.ts";
import { createRedisFiltering } from "../../../src/protocols/redis/client/filtering.ts";
import { encodeRequest } from "../../../src/protocols/redis/codec/encode.ts";
import { CommandTable } from "../../../src/protocols/redis/commands/command-table.ts";
import { LeverChain, matches } from "../../../src/worker/lever-chain.ts";

const filtering = createRedisFiltering(new CommandTable());

function read(words: string): RequestReader {
  const reader = filtering.createReader(undefined);
  const bytes = encodeRequest(...words.split(" "));
  reader.scan(bytes, 0, bytes.length);
  return reader;
}

function isRefused(chain: LeverChain, words: string): boolean {
  return chain.judge(read(words)) !== null;
}

test("patterns of keys", () => {
  const isMatch = (pattern: string, key: string): boolean =>
    matches(Buffer.from(pattern), Buffer.from(key));
  for (const [pattern, key] of [
    ["user:*", "user:1"],
    ["*", ""],
    ["u?er:*:x", "user:1:2:x"],
    ["**a*", "bab"],
    ["", ""],
  ]) {
    expect(isMatch(pattern!, key!), `${pattern} ${key}`).toBe(true);
  }
  for (const [pattern, key] of [
    ["user:*", "use"],
    ["?", ""],
    ["a*b", "abc"],
    ["", "a"],
  ]) {
    expect(isMatch(pattern!, key!), `${pattern} ${key}`).toBe(false);
  }
  // Backtracking of the usual kind would take for ever.
  expect(isMatch(`${"*a".repeat(50)}b`, "a".repeat(5000))).toBe(false);
});

test("a command, on some keys, on any key", () => {
  const block = (text: string): LeverChain => new LeverChain([{ kind: "block", pool: null, text }]);
  const onKeys = block("del user:*");
  expect(isRefused(onKeys, "DEL user:1")).toBe(true);
  expect(isRefused(onKeys, "del a user:1")).toBe(true);
  expect(isRefused(onKeys, "DEL a")).toBe(false);
  expect(isRefused(onKeys, "UNLINK user:1")).toBe(false);
  expect(isRefused(block("FLUSHALL"), "flushall")).toBe(true);
  expect(isRefused(block("config set"), "CONFIG SET a 1")).toBe(true);
  expect(isRefused(block("config set"), "CONFIG GET a")).toBe(false);
  expect(isRefused(block("config"), "CONFIG GET a")).toBe(true);
  expect(isRefused(block("* user:*"), "GET user:1")).toBe(true);
  expect(isRefused(block("* user:*"), "GET a")).toBe(false);
  expect(isRefused(block("* user:*"), "PING")).toBe(false);
  expect(isRefused(block("OBJECT ENCODING user:*"), "OBJECT ENCODING user:1")).toBe(true);
  expect(isRefused(block("OBJECT ENCODING user:*"), "OBJECT ENCODING a")).toBe(false);
});

test("what may write, where nothing is to be written", () => {
  const chain = new LeverChain([{ kind: "readonly", pool: "p", text: "" }]);
  for (const words of ["SET a 1", "EVAL x 0", "FLUSHALL", "UNHEARD a"]) {
    expect(isRefused(chain, words), words).toBe(true);
  }
  for (const words of ["GET a", "EVAL_RO x 0", "PING", "MULTI"]) {
    expect(isRefused(chain, words), words).toBe(false);
  }
});

test("a request whose keys are not known is refused as if they matched", () => {
  const chain = new LeverChain([{ kind: "block", pool: null, text: "UNHEARD user:*" }]);
  expect(isRefused(chain, "UNHEARD a")).toBe(true);
  expect(`${chain.judge(read("UNHEARD a"))}`).toStartWith("-ERR refused for a while");
});
