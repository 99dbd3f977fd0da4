/** Replies that are errors are counted, by their first word. */
import { expect, test } from "bun:test";
import type { ReplyScanner } from "../../../src/api/protocol.ts";
import { SERVER, SERVER_COUNTERS } from "../../../src/api/stats.ts";
import { InputBuffer } from "../../../src/base/input-buffer.ts";
import { ReceivedMemory } from "../../../src/base/received-memory.ts";
import { BinaryReplyScanner } from "../../../src/protocols/memcache/codec/binary/reply-scanner.ts";
import { TextReplyScanner } from "../../../src/protocols/memcache/codec/text/reply-scanner.ts";
import { MEMCACHE_ERRORS } from "../../../src/protocols/memcache/metrics.ts";
import { RedisReplyScanner } from "../../../src/protocols/redis/codec/reply-scanner.ts";
import { REDIS_ERRORS } from "../../../src/protocols/redis/metrics.ts";
import { ConnectionStatistics } from "../../../src/server/connection-statistics.ts";
import { deliverReplies } from "../../../src/server/deliver-replies.ts";
import { PendingFifo } from "../../../src/server/pending-fifo.ts";

/** Delivers the replies, all questions at the places of `questions`. @returns what was counted, by name */
function counted(
  scanner: ReplyScanner,
  names: readonly string[],
  replies: readonly (string | Buffer)[],
  questions: readonly number[] = [],
): Record<string, number> {
  const counters = { values: new Float64Array(SERVER_COUNTERS.length), base: 0 };
  const errors = { values: new Float64Array(names.length), base: 0 };
  const input = new InputBuffer(new ReceivedMemory());
  const bytes = Buffer.concat(replies.map((reply) => Buffer.from(reply as string, "latin1")));
  input.receive(bytes, 0, bytes.length, true, 0, false);
  const pending = new PendingFifo(() => {});
  const sink = { takesRuns: true, onReplies() {}, onFailure() {}, accepts: () => true };
  for (const at of replies.keys()) {
    if (questions.includes(at)) pending.pushQuestion(0, at);
    else pending.push(sink, at, 1, 0, at);
  }
  const statistics = new ConnectionStatistics(counters, errors);
  deliverReplies(input, scanner, pending, replies.length, statistics, null);
  const found = names.map((name, row): [string, number] => [name, errors.values[row]!]);
  const all: [string, number] = ["all", counters.values[SERVER.error_replies]!];
  return Object.fromEntries([...found, all].filter(([, count]) => count > 0));
}

test("Redis: by the first word, in both versions of the protocol, and nothing else", () => {
  const replies = [
    ...["+OK\r\n", ":-1\r\n", "$3\r\n-ER\r\n", "*1\r\n-ERR in an array\r\n", "$-1\r\n"],
    ...["-ERR unknown\r\n", "-ERR\r\n", "-WRONGTYPE Operation\r\n", "-MOVED 1 h:1\r\n"],
    ...["-NOSUCHWORD x\r\n", "-ERRX\r\n", "!11\r\nNOPERM none\r\n", "-EXECABORT x\r\n"],
  ];
  expect(counted(new RedisReplyScanner(3), REDIS_ERRORS.valueNames, replies)).toEqual({
    ...{ ERR: 2, WRONGTYPE: 1, MOVED: 1, NOPERM: 1, EXECABORT: 1, other: 2, all: 8 },
  });
});

test("the proxy's own questions are no errors", () => {
  const replies = ["-ERR unknown command\r\n", "-ERR x\r\n"];
  const found = counted(new RedisReplyScanner(2), REDIS_ERRORS.valueNames, replies, [0]);
  expect(found).toEqual({ ERR: 1, all: 1 });
});

test("Memcached: text", () => {
  const replies = [
    ...["STORED\r\n", "END\r\n", "EXISTS\r\n", "EN\r\n", "NOT_FOUND\r\n", "ERROR\r\n"],
    ...["CLIENT_ERROR bad\r\n", "SERVER_ERROR out of memory\r\n", "VALUE a 0 1\r\nE\r\nEND\r\n"],
  ];
  expect(counted(new TextReplyScanner(), MEMCACHE_ERRORS.valueNames, replies)).toEqual({
    ...{ ERROR: 1, CLIENT_ERROR: 1, SERVER_ERROR: 1, all: 3 },
  });
});

test("Memcached: binary", () => {
  const replies = [0, 1, 2, 3, 5, 6, 0x20, 0x81, 0x82, 0x85].map((status) => {
    const reply = Buffer.alloc(24);
    reply[0] = 0x81;
    reply.writeUInt16BE(status, 6);
    return reply;
  });
  expect(counted(new BinaryReplyScanner(), MEMCACHE_ERRORS.valueNames, replies)).toEqual({
    ...{ ERROR: 1, CLIENT_ERROR: 3, SERVER_ERROR: 2, all: 6 },
  });
});
