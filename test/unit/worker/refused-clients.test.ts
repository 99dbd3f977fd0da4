/** Clients that may not stay, over streams that write down what is done to them. */
import { expect, test } from "bun:test";
import type { Stream, StreamEvents } from "../../../src/api/stream.ts";
import { LINGER_MS, LINGERING_CLIENTS_MAX } from "../../../src/base/limits.ts";
import { RefusedClients } from "../../../src/worker/refused-clients.ts";

const WORDS = Buffer.from("full\r\n");

class Line {
  readonly done: string[] = [];
  events: StreamEvents | null = null;

  readonly stream = {
    fd: 3,
    peer: "somebody",
    write: (bytes: Buffer, start: number, length: number) => {
      this.done.push(`write ${JSON.stringify(bytes.toString("latin1", start, start + length))}`);
      return length;
    },
    shutdown: () => this.done.push("shutdown"),
    close: () => {
      this.done.push("close");
      this.events?.onClose("");
      this.events = null;
    },
  } as unknown as Stream;
}

function create(room: () => boolean = () => true) {
  const timers = new Set<() => void>();
  const state = { gone: 0 };
  const refusedClients = new RefusedClients({
    schedule: (delayMs, callback) => {
      expect(delayMs).toBe(LINGER_MS);
      timers.add(callback);
      return () => timers.delete(callback);
    },
    hasRoom: room,
    onGone: () => state.gone++,
  });
  const turnAway = (): Line => {
    const line = new Line();
    line.events = refusedClients.refuse(line.stream, WORDS);
    return line;
  };
  return { refusedClients, timers, state, turnAway };
}

const TOLD = ['write "full\\r\\n"', "shutdown"];

test("is told, may go on talking, and is closed when it ends", () => {
  const { refusedClients, timers, state, turnAway } = create();
  const line = turnAway();
  line.events?.onBytes(Buffer.from("get a\r\n"), 0, 7, true);
  expect(line.done).toEqual(TOLD);
  expect([refusedClients.size, timers.size, state.gone]).toEqual([1, 1, 0]);
  line.events?.onEnd();
  expect(line.done).toEqual([...TOLD, "close"]);
  expect([refusedClients.size, timers.size, state.gone]).toEqual([0, 0, 1]);
});

test("is closed when it does not end in time", () => {
  const { refusedClients, timers, state, turnAway } = create();
  const line = turnAway();
  for (const callback of timers) callback();
  expect(line.done).toEqual([...TOLD, "close"]);
  expect([refusedClients.size, timers.size, state.gone]).toEqual([0, 0, 1]);
});

test("one too many takes the place of the oldest", () => {
  const { refusedClients, timers, turnAway } = create();
  const lines = Array.from({ length: LINGERING_CLIENTS_MAX + 2 }, turnAway);
  expect(lines.map(({ done }) => done.length)).toEqual(lines.map((_, i) => (i < 2 ? 3 : 2)));
  expect(refusedClients.size).toBe(LINGERING_CLIENTS_MAX);
  expect(timers.size).toBe(LINGERING_CLIENTS_MAX);
});

test("without room the oldest makes some, and with nobody there one is told and closed", () => {
  let room = 1;
  const { refusedClients, turnAway } = create(() => refusedClients.size < room);
  const [one, two] = [turnAway(), turnAway()];
  expect(one.done).toEqual([...TOLD, "close"]);
  expect(two.done).toEqual(TOLD);
  room = 0;
  expect(refusedClients.closeOldest()).toBe(true);
  expect(two.done).toEqual([...TOLD, "close"]);
  expect(refusedClients.closeOldest()).toBe(false);
  const three = turnAway();
  expect(three.events).toBeNull();
  expect(three.done).toEqual([TOLD[0]!]);
});
