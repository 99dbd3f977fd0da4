/** A connection for subscriptions without sockets: the test plays the server, the kernel and the clock. */
import type { Stream, StreamEvents } from "../../../src/api/stream.ts";
import type { SubscriberEvents } from "../../../src/api/upstream.ts";
import { createRedisUpstream } from "../../../src/protocols/redis/codec/upstream-protocol.ts";
import { PartialReplies } from "../../../src/server/partial-replies.ts";
import { SubscribedConnection } from "../../../src/server/subscribed-connection.ts";
import { ManualDeadlines } from "../../support/manual-deadlines.ts";
import {
  type Attempt,
  attemptRecorder,
  FakeSocket,
  ManualTurn,
  type Timer,
  timerRecorder,
} from "./upstream-rig.ts";

export const MESSAGE = "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$3\r\nxyz\r\n";

/** A connection, and what is heard of it; `onMessage` hears of each message first. */
export function create(
  options: { password?: Buffer; isChoice?: boolean; onMessage?: () => void } = {},
): {
  connection: SubscribedConnection;
  attempts: Attempt[];
  timers: Timer[];
  counters: Float64Array;
  heard: string[];
  adopted: () => FakeSocket;
  turn: ManualTurn;
  deadlines: ManualDeadlines;
} {
  const { password = null, isChoice = false } = options;
  const attempts: Attempt[] = [];
  const timers: Timer[] = [];
  const heard: string[] = [];
  const counters = new Float64Array(64);
  let onStream = (_stream: Stream): StreamEvents | null => events0();
  const events0 = (): never => {
    throw new Error("nothing was adopted");
  };
  const events: SubscriberEvents = {
    onUp: () => heard.push("up"),
    onMessage: (bytes, start, end) => {
      options.onMessage?.();
      heard.push(bytes.toString("latin1", start, end));
    },
    onDown: ({ kind }) => heard.push(`down: ${kind}`),
  };
  const turn = new ManualTurn();
  const deadlines = new ManualDeadlines(turn);
  const host = {
    onDescriptor: () => {},
    ...{ name: "s", turn, deadlines, timeoutMs: 100, connectTimeoutMs: 50, isEager: false },
    ...{
      counters: { values: counters, base: 0 },
      times: null,
      errors: null,
      connect: attemptRecorder(attempts),
    },
    onSignal: () => {},
    firstByteMs: null,
    queueMs: null,
    pendingMax: Number.POSITIVE_INFINITY,
    ...{ onUp() {}, onLost() {}, onTrouble() {}, onOutOfStep() {}, onReply() {} },
    partialReplies: new PartialReplies(),
    retryDelayMs: (failedAttempts: number) => 10 * failedAttempts,
    schedule: timerRecorder(timers),
    adoptSocket: (_fd: number, callback: (stream: Stream) => StreamEvents | null) => {
      onStream = callback;
    },
    onSubscriberGone: () => heard.push("gone"),
  };
  const protocol = createRedisUpstream({ version: 2, database: 0, user: null, password }, isChoice);
  const connection = new SubscribedConnection(host, protocol, events);
  const adopted = (): FakeSocket => {
    let events: StreamEvents | null = null;
    const socket = new FakeSocket({
      onBytes: (...received) => events?.onBytes(...received),
      onDrain() {},
      onEnd() {},
      onClose: (cause) => events?.onClose(cause),
    });
    events = onStream(socket);
    return socket;
  };
  return { connection, attempts, timers, counters, heard, adopted, turn, deadlines };
}
