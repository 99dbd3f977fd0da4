/** What a server says unasked: RESP3 has pushes for that, which are skipped; everything else ends the connection. */
import { describe, expect, test } from "bun:test";
import { SERVER } from "../../../src/api/stats.ts";
import { HANDSHAKE_REPLY_BYTES_MAX } from "../../../src/base/limits.ts";
import { createRedisUpstream } from "../../../src/protocols/redis/codec/upstream-protocol.ts";
import {
  type ConnectionRig,
  createConnectionRig,
  type FakeSocket,
  stepAnswer,
} from "./upstream-rig.ts";

const NOBODY = { database: 0, user: null, password: null };
const HELLO = "%1\r\n+proto\r\n:3\r\n";
const PUSH = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n";
/** Bytes at a time in which the server's words arrive; 0: all at once. */
const SIZES = [0, 1, 3, 7];

function say(socket: FakeSocket, text: string, size: number): void {
  const step = size === 0 ? text.length : size;
  for (let at = 0; at < text.length; at += step) socket.says(text.substring(at, at + step));
}

/** A connection of this version that stands. */
async function opened(version: 2 | 3): Promise<{ rig: ConnectionRig; socket: FakeSocket }> {
  const protocol = createRedisUpstream({ ...NOBODY, version });
  const rig = createConnectionRig({ protocol });
  rig.connection.open();
  const socket = await rig.opened();
  if (version === 3) socket.says(HELLO);
  await rig.endTurn();
  return { rig, socket };
}

describe.each(SIZES)("in pieces of %d bytes", (size) => {
  test("a push is no reply, wherever it comes", async () => {
    const { rig, socket } = await opened(3);
    say(socket, PUSH, size);
    expect(socket.isClosed).toBe(false);
    rig.get(0, 3);
    rig.get(3);
    await rig.endTurn();
    say(socket, `${PUSH}+a\r\n+b\r\n${PUSH}${PUSH}+c\r\n${PUSH}+d\r\n${PUSH}`, size);
    expect([...rig.sink.settled]).toEqual([
      [0, "+a\r\n"],
      [1, "+b\r\n"],
      [2, "+c\r\n"],
      [3, "+d\r\n"],
    ]);
    expect(rig.counters[SERVER.server_pushes]).toBe(6);
    expect(rig.counters[SERVER.responses]).toBe(4);
    expect(socket.isClosed).toBe(false);
  });

  test("a push is none for a request that timed out either", async () => {
    const { rig, socket } = await opened(3);
    rig.get(0);
    rig.get(1);
    await rig.endTurn();
    rig.deadlines.reach(rig.turn.atMs + 101);
    rig.get(2);
    await rig.endTurn();
    const late = `${PUSH}+late\r\n`;
    say(socket, `${late}${late}${PUSH}${stepAnswer(socket)}+c\r\n`, size);
    expect(rig.sink.settled.get(2)).toBe("+c\r\n");
  });

  test("an attribute belongs to the reply behind it", async () => {
    const { rig, socket } = await opened(3);
    rig.get(0, 2);
    await rig.endTurn();
    const attribute = "|1\r\n+ttl\r\n:9\r\n";
    say(socket, `${attribute}+a\r\n${PUSH}+b\r\n`, size);
    expect([...rig.sink.settled]).toEqual([
      [0, `${attribute}+a\r\n`],
      [1, "+b\r\n"],
    ]);
  });

  test("in RESP2 nothing is a push", async () => {
    for (const before of ["", "+a\r\n"]) {
      const { rig, socket } = await opened(2);
      rig.get(0);
      rig.get(1);
      await rig.endTurn();
      say(socket, `${before}${PUSH}+b\r\n`, size);
      expect(rig.sink.settled.get(1)).toBe("garbage sent");
      expect(socket.isClosed).toBe(true);
    }
  });

  test("a reply that nobody asked for is no push", async () => {
    const { rig, socket } = await opened(3);
    say(socket, `${PUSH}+a\r\n`, size);
    expect(socket.isClosed).toBe(true);
    rig.get(0);
    expect(rig.attempts.length).toBe(2);
  });

  test("pushes before and in the handshake are skipped", async () => {
    const rig = createConnectionRig({
      protocol: createRedisUpstream({ ...NOBODY, version: 3, database: 2 }),
    });
    rig.get(0);
    const socket = await rig.opened();
    say(socket, `${PUSH}${HELLO}${PUSH}+OK\r\n${PUSH}`, size);
    await rig.endTurn();
    say(socket, "+a\r\n", size);
    expect(rig.sink.settled.get(0)).toBe("+a\r\n");
  });

  test.each<[what: string, version: 2 | 3, says: string]>([
    ["a HELLO that is no map", 3, "*2\r\n+proto\r\n:3\r\n"],
    ["a HELLO that is OK", 3, "+OK\r\n"],
    ["a SELECT that is a number", 2, ":1\r\n"],
    ["a greeting in another protocol", 2, "220 ready\r\n"],
    ["a reply too long for it", 2, `$${HANDSHAKE_REPLY_BYTES_MAX}\r\n`],
    ["a line too long for it", 2, `+${"O".repeat(HANDSHAKE_REPLY_BYTES_MAX)}`],
    ["a push in RESP2", 2, PUSH],
  ])("%s is no handshake", async (_what, version, says) => {
    const rig = createConnectionRig({
      protocol: createRedisUpstream({ ...NOBODY, version, database: 2 }, true),
    });
    rig.get(0);
    const socket = await rig.opened();
    say(socket, says, says.length > 1000 ? 0 : size);
    if (says.startsWith("$")) say(socket, "x".repeat(HANDSHAKE_REPLY_BYTES_MAX), 0);
    expect(rig.sink.settled.get(0)).toBe("handshake");
    expect(rig.sink.failures.get(0)!.reply).toBeUndefined();
    expect(socket.received).not.toContain("GET");
  });
});
