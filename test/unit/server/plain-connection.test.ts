/** Connections that carry bytes as they are: being made, in time or not, adopted, counted, left and lost. */
import { expect, test } from "bun:test";
import type { ServerStreamEvents } from "../../../src/api/server-stream.ts";
import { SERVER, SERVER_COUNTERS, type ServerCounter } from "../../../src/api/stats.ts";
import type { Stream, StreamEvents } from "../../../src/api/stream.ts";
import { PlainConnection, type PlainOwner } from "../../../src/server/plain-connection.ts";
import { ManualDeadlines, ManualTurn } from "../../support/manual-deadlines.ts";
import { type Attempt, attemptRecorder, FakeSocket } from "./upstream-rig.ts";

function createRig() {
  const turn = new ManualTurn();
  const deadlines = new ManualDeadlines(turn);
  const attempts: Attempt[] = [];
  const counters = new Float64Array(SERVER_COUNTERS.length);
  const heard: string[] = [];
  let adoption: { onStream: (stream: Stream) => StreamEvents | null; onError: () => void } | null =
    null;
  const record = attemptRecorder(attempts);
  const owner: PlainOwner = {
    ...{
      name: "s",
      turn,
      deadlines,
      connectTimeoutMs: 100,
      counters: { values: counters, base: 0 },
    },
    connectPlain: (events, streamEvents) => record(events, streamEvents, true),
    adoptSocket: (_fd, onStream, onError) => {
      adoption = { onStream, onError };
    },
    onUp: () => heard.push("up"),
    onTrouble: ({ text }) => heard.push(`trouble: ${text}`),
    onPlainGone: () => heard.push("gone"),
  };
  const events: ServerStreamEvents = {
    onOpen: () => heard.push("open"),
    onRefused: ({ kind }) => heard.push(`refused: ${kind}`),
    onBytes: (bytes, start, end) => heard.push(bytes.toString("latin1", start, end)),
    onDrain: () => heard.push("drain"),
    onEnd: () => heard.push("end"),
    onClose: (cause) => heard.push(`close: ${cause}`),
  };
  const connection = new PlainConnection(owner, events);
  return {
    ...{ connection, deadlines, attempts, heard },
    /** The counters that are not 0. */
    get counted(): Partial<Record<ServerCounter, number>> {
      const all = SERVER_COUNTERS.map((name) => [name, counters[SERVER[name]]!] as const);
      return Object.fromEntries(all.filter(([, value]) => value !== 0));
    },
    get adoption() {
      return adoption!;
    },
  };
}

test("it stands, carries bytes, and ends", () => {
  const rig = createRig();
  rig.connection.connect();
  expect(rig.connection.fd).toBe(-1);
  const socket = rig.attempts[0]!.opens();
  expect(rig.connection.write(Buffer.from("hello"), 1, 3)).toBe(3);
  rig.connection.onBytes(Buffer.from("--re--"), 2, 4, true);
  expect(rig.counted).toEqual({
    ...{ server_connections: 1, server_connections_total: 1 },
    ...{ request_bytes: 3, response_bytes: 2 },
  });
  rig.connection.onEnd();
  rig.connection.close();
  rig.connection.close();
  expect(rig.heard).toEqual(["up", "open", "re", "end", "gone"]);
  expect(rig.counted).toMatchObject({ server_connections_total: 1, server_eof: 1 });
  expect([socket.isClosed, rig.counted.server_connections]).toEqual([true, undefined]);
  rig.deadlines.reach(10_000);
  expect(rig.heard.length).toBe(5);
});

test("an attempt that takes too long is given up, and what it still opens is not heard of", () => {
  const rig = createRig();
  rig.connection.connect();
  rig.deadlines.reach(1000 + 99);
  expect(rig.heard).toEqual([]);
  rig.deadlines.reach(1000 + 100);
  expect(rig.attempts[0]!.isAbandoned).toBe(true);
  expect(rig.heard).toEqual([
    "gone",
    "trouble: Connection timed out (server s is not available)",
    "refused: refused",
  ]);
  expect(rig.counted).toEqual({ server_timedout: 1, server_err: 1 });
});

test("an attempt that its client gives up is no trouble", () => {
  const rig = createRig();
  rig.connection.connect();
  rig.connection.abort();
  expect([rig.attempts[0]!.isAbandoned, rig.heard]).toEqual([true, ["gone"]]);
  rig.deadlines.reach(10_000);
  expect([rig.heard, rig.counted]).toEqual([["gone"], {}]);
});

test("one that is adopted counts as one more, and no more in total; how it is lost tells nothing of the server", () => {
  const rig = createRig();
  rig.connection.adopt(9);
  expect(rig.connection.isMovable).toBe(false);
  const socket = new FakeSocket(rig.connection);
  expect(rig.adoption.onStream(socket)).toBe(rig.connection);
  expect(rig.counted).toEqual({ server_connections: 1 });
  rig.connection.onClose("ECONNRESET");
  expect(rig.heard).toEqual(["open", "gone", "close: ECONNRESET"]);
  expect(rig.counted).toEqual({ server_err: 1 });
});

test("one that is lost on the way from another worker is refused, and no trouble", () => {
  const rig = createRig();
  rig.connection.adopt(9);
  rig.adoption.onError();
  expect(rig.heard).toEqual(["gone", "refused: refused"]);
});

test("a client that is gone before its connection is adopted leaves none", () => {
  const rig = createRig();
  rig.connection.adopt(9);
  rig.connection.close();
  expect(rig.adoption.onStream(new FakeSocket(rig.connection))).toBe(null);
  expect(rig.counted).toEqual({});
});

test("one that moves after the server's end leaves that end to be counted there", () => {
  const rig = createRig();
  rig.connection.connect();
  rig.attempts[0]!.opens();
  rig.connection.onEnd();
  rig.connection.leave();
  expect(rig.counted).toEqual({ server_connections_total: 1 });
});
