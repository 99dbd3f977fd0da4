import { expect, test } from "bun:test";
import fc from "fast-check";
import { ByteQueue } from "../../../../../../src/base/byte-queue.ts";
import { ReplyRing } from "../../../../../../src/client/reply-ring.ts";
import {
  type QuietClient,
  QuietReplies,
} from "../../../../../../src/protocols/memcache/client/binary/quiet-replies.ts";
import { encodeReply } from "../../../../../../src/protocols/memcache/codec/binary/encode.ts";

/** A client whose replies come into `ring`. */
function sinkOf(ring: ReplyRing): QuietClient {
  return {
    takesRuns: true,
    onReplies: (token, count, bytes, start, end) => ring.settle(token, count, bytes, start, end),
    onFailure() {},
    accepts: () => true,
  };
}

const LOUD_OF_QUIET = [
  [0x09, 0x00],
  [0x0d, 0x0c],
  [0x24, 0x23],
  [0x11, 0x01],
  [0x14, 0x04],
] as const;

const reply = fc.record({
  opcodes: fc.constantFrom(...LOUD_OF_QUIET),
  status: fc.constantFrom(0, 0, 1, 1, 2, 0x82),
  text: fc.string({ maxLength: 5 }),
});

test("what is expected is left out, the rest keeps its order and gets its opcode back", () => {
  const groups = fc.array(fc.array(reply, { minLength: 1, maxLength: 8 }), { maxLength: 6 });
  fc.assert(
    fc.property(groups, fc.boolean(), (runs, isReversed) => {
      const out = new ByteQueue();
      const ring = new ReplyRing(out);
      const quietReplies = new QuietReplies(sinkOf(ring));
      const wanted: Buffer[] = [];
      const arrivals: { token: number; count: number; bytes: Buffer }[] = [];
      for (const run of runs) {
        const tokens = run.map(() => ring.open());
        const bytes = run.map(({ opcodes, status, text }, opaque) =>
          encodeReply(opcodes[1], status, opaque, text),
        );
        arrivals.push({ token: tokens[0] ?? 0, count: run.length, bytes: Buffer.concat(bytes) });
        for (const [opaque, { opcodes, status, text }] of run.entries()) {
          const isRead = [0x09, 0x0d, 0x24].includes(opcodes[0]);
          if (status === (isRead ? 1 : 0)) continue;
          wanted.push(encodeReply(opcodes[0], status, opaque, text));
        }
      }
      for (const { token, count, bytes } of isReversed ? arrivals.toReversed() : arrivals) {
        // In the middle of a chunk, as they come.
        const chunk = Buffer.concat([Buffer.alloc(7), bytes, Buffer.alloc(7)]);
        quietReplies.onReplies(token, count, chunk, 7, 7 + bytes.length);
      }
      expect(ring.pending).toBe(0);
      expect(ring.held).toBe(0);
      expect(out.toBuffer()).toEqual(Buffer.concat(wanted));
    }),
  );
});
