/** What two servers' replies in Memcached's binary protocol have in common. */
import { expect, test } from "bun:test";
import { BinaryReplyScanner } from "../../../../src/protocols/memcache/codec/binary/reply-scanner.ts";
import { encodeRequest } from "../../../support/binary-client.ts";

const scanner = new BinaryReplyScanner();

function digest(...replies: Parameters<typeof encodeRequest>[0][]): number {
  const all = Buffer.concat(replies.map((reply) => encodeRequest({ ...reply, magic: 0x81 })));
  const bytes = Buffer.concat([Buffer.from("before"), all, Buffer.from("behind")]);
  return scanner.digestOf(bytes, 6, 6 + all.length);
}

test("opaque and version are each server's own, all else is compared", () => {
  const reply = { opcode: 0, value: "v", extras: Buffer.alloc(4), opaque: 1, cas: 7n };
  expect(digest(reply)).toBe(digest({ ...reply, opaque: 2, cas: 8n }));
  expect(digest(reply)).not.toBe(digest({ ...reply, value: "w" }));
  expect(digest(reply)).not.toBe(digest({ ...reply, vbucket: 1 }));
  // STAT: several replies.
  const [one, two, end] = [{ key: "a" }, { key: "b" }, {}].map((part) => ({ opcode: 16, ...part }));
  expect(digest(one!, two!, end!)).toBe(digest({ ...one!, opaque: 3 }, two!, end!));
  expect(digest(one!, two!, end!)).not.toBe(digest(one!, { ...two!, key: "c" }, end!));
});
