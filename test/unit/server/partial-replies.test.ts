/** Long replies that come over many connections at once. */
import { expect, test } from "bun:test";
import { PartialReplies } from "../../../src/server/partial-replies.ts";
import { createConnectionRig } from "./upstream-rig.ts";

const KIB = 1024;

async function connect(count: number, partialReplies: PartialReplies) {
  const made = [];
  for (let i = 0; i < count; i++) {
    const rig = createConnectionRig({ partialReplies });
    rig.get(0);
    made.push({ rig, socket: await rig.opened() });
  }
  return made;
}

test("of long replies that together take too much memory, the longest part is given up, with a word to its client", async () => {
  const all = await connect(9, new PartialReplies(() => 1024 * KIB));
  const [large] = all;
  large!.socket.says(`$${500 * KIB}\r\n${"x".repeat(300 * KIB)}`);
  for (const { socket } of all.slice(1)) socket.says(`$${500 * KIB}\r\n${"x".repeat(100 * KIB)}`);
  expect(all.map(({ socket }) => socket.isClosed)).toEqual(all.map((each) => each === large));
  const failure = large!.rig.sink.failures.get(0)!;
  expect([failure.kind, failure.wasSent]).toEqual(["garbage", true]);
  expect(failure.text).toStartWith("Message too long");
});

test("what has come whole or is gone with its connection does not count", async () => {
  const replies = new PartialReplies(() => 1024 * KIB);
  const rest = `${"x".repeat(200 * KIB)}\r\n`;
  for (let round = 0; round < 20; round++) {
    const [one, other] = await connect(2, replies);
    for (const { socket } of [one!, other!]) {
      socket.says(`$${400 * KIB}\r\n${"x".repeat(200 * KIB)}`);
    }
    one!.socket.says(rest);
    expect(one!.rig.sink.settled.get(0)).toHaveLength(400 * KIB + "$409600\r\n\r\n".length);
    other!.socket.hangsUp();
    expect(other!.rig.sink.settled.get(0)).toBe("closed sent");
  }
});

test("one that reads on after it made room for itself keeps its connection; a single one that is too long does not", async () => {
  const all = await connect(2, new PartialReplies(() => 256 * KIB));
  all[0]!.socket.says(`$${400 * KIB}\r\n${"x".repeat(150 * KIB)}`);
  all[1]!.socket.says(`$${400 * KIB}\r\n${"x".repeat(120 * KIB)}`);
  expect(all.map(({ socket }) => socket.isClosed)).toEqual([true, false]);
  all[1]!.socket.says("x".repeat(200 * KIB));
  expect(all[1]!.socket.isClosed).toBe(true);
});
