/** Sinks that take no runs hear of each reply alone, and what it is; the others cost nothing more. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { KIND, type ReplyKind, type ReplyScanner } from "../../../src/api/protocol.ts";
import type { ReplySink } from "../../../src/api/upstream.ts";
import { encodeReply } from "../../../src/protocols/memcache/codec/binary/encode.ts";
import { BinaryReplyScanner } from "../../../src/protocols/memcache/codec/binary/reply-scanner.ts";
import { TextReplyScanner } from "../../../src/protocols/memcache/codec/text/reply-scanner.ts";
import { RedisReplyScanner } from "../../../src/protocols/redis/codec/reply-scanner.ts";
import { createConnectionRig, GET } from "./upstream-rig.ts";

const REPLIES: readonly (readonly [reply: string, kind: ReplyKind])[] = [
  ["$1\r\nv\r\n", KIND.value],
  ["+OK\r\n", KIND.value],
  [":-1\r\n", KIND.value],
  ["*1\r\n$-1\r\n", KIND.value],
  ["$-1\r\n", KIND.miss],
  ["*-1\r\n", KIND.miss],
  ["-ERR no\r\n", KIND.error],
  ["-MOVEDX is no redirection\r\n", KIND.error],
  ["-MOVED 3999 127.0.0.1:6381\r\n", KIND.redirect],
  ["-ASK 3999 127.0.0.1:6381\r\n", KIND.redirect],
];

class Recorder implements ReplySink {
  readonly takesRuns: boolean;
  readonly heard: [token: number, reply: string, kind: ReplyKind][] = [];

  constructor(takesRuns: boolean) {
    this.takesRuns = takesRuns;
  }

  onReplies(
    token: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
    kind: ReplyKind,
  ): void {
    if (!this.takesRuns) expect(count).toBe(1);
    this.heard.push([token, bytes.toString("latin1", start, end), kind]);
  }

  onFailure(): void {
    throw new Error("nothing fails here");
  }
}

test("whatever runs the requests came in, and however the replies are cut into chunks", async () => {
  const run = fc.record({
    takesRuns: fc.boolean(),
    replies: fc.array(fc.constantFrom(...REPLIES), { minLength: 1, maxLength: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(run, { minLength: 1, maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 60 })),
      async (runs, sizes) => {
        const rig = createConnectionRig();
        const sinks = { alone: new Recorder(false), inRuns: new Recorder(true) };
        const wanted: [number, string, ReplyKind][] = [];
        const bytesInRuns: string[] = [];
        let token = 0;
        for (const { takesRuns, replies } of runs) {
          const requests = Buffer.concat(replies.map(() => GET));
          const sink = takesRuns ? sinks.inRuns : sinks.alone;
          rig.connection.send(requests, 0, requests.length, sink, token, replies.length);
          for (const [reply, kind] of replies) {
            if (takesRuns) bytesInRuns.push(reply);
            else wanted.push([token, reply, kind]);
            token++;
          }
        }
        const socket = await rig.opened();
        const said = runs.flatMap(({ replies }) => replies.map(([reply]) => reply)).join("");
        for (let at = 0; at < said.length; ) {
          const size = sizes.next().value;
          socket.says(said.substring(at, at + size));
          at += size;
        }
        expect(sinks.alone.heard).toEqual(wanted);
        expect(sinks.inRuns.heard.map(([, reply]) => reply).join("")).toBe(bytesInRuns.join(""));
        expect(sinks.inRuns.heard.every(([, , kind]) => kind === KIND.mixed)).toBe(true);
      },
    ),
    { numRuns: 200 },
  );
});

function kindIn(scanner: ReplyScanner, reply: Buffer): ReplyKind {
  const bytes = Buffer.concat([Buffer.from("before"), reply, Buffer.from("END\r\n")]);
  return scanner.kindOf(bytes, 6, 6 + reply.length);
}

test.each([
  ["_\r\n", KIND.miss],
  ["!9\r\nERR wrong\r\n", KIND.error],
  ["%1\r\n+a\r\n+b\r\n", KIND.value],
  ["#f\r\n", KIND.value],
] as const)("RESP3: %j", (reply, kind) => {
  expect(kindIn(new RedisReplyScanner(3), Buffer.from(reply))).toBe(kind);
});

test.each([
  ["END\r\n", KIND.miss],
  ["EN\r\n", KIND.miss],
  ["NF c1\r\n", KIND.miss],
  ["NOT_FOUND\r\n", KIND.miss],
  ["VALUE a 0 1\r\nx\r\nEND\r\n", KIND.value],
  ["STORED\r\n", KIND.value],
  ["NOT_STORED\r\n", KIND.value],
  ["ERROR\r\n", KIND.error],
  ["SERVER_ERROR out of memory\r\n", KIND.error],
  ["CLIENT_ERROR bad data chunk\r\n", KIND.error],
] as const)("memcached text: %j", (reply, kind) => {
  expect(kindIn(new TextReplyScanner(), Buffer.from(reply))).toBe(kind);
});

test.each([
  [0, KIND.value],
  [1, KIND.miss],
  [2, KIND.error],
  [0x81, KIND.error],
] as const)("memcached binary: status %i", (status, kind) => {
  expect(kindIn(new BinaryReplyScanner(), encodeReply(0, status, 7, ""))).toBe(kind);
});
