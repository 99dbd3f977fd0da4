/**
 * Clients that move very much.
 *
 * A process of its own: `bun bench/load/flood.ts '{"kind": …, "port": …}'`. Prints "flooding", floods until its stdin ends, and then
 * prints a `FloodReport` as one line of JSON.
 */
import type { Socket } from "bun";
import { encode } from "../wire.ts";

export const FLOODS = [
  "pipeline",
  "sets",
  "members",
  "mget-10k",
  "mget-100k",
  "subscribe",
  "silent",
] as const;
/** What does not move much, and takes much all the same. */
export const SIEGES = ["slowloris", "claim", "crowd", "subscribes", "scripts"] as const;
export type FloodKind = (typeof FLOODS)[number] | (typeof SIEGES)[number];

export interface FloodOrder {
  readonly kind: FloodKind;
  readonly port: number;
}

export interface FloodReport {
  readonly requests: number;
  readonly replyBytes: number;
  readonly closed: number;
}

/** What `fillForFloods` puts into the server. */
export const MEMBERS_KEY = "large:members";
export const HUGE_KEY = "large:huge";
export const MEMBERS = 300_000;
export const HUGE_BYTES = 10_000_000;
export const KEYS = 100_000;
/** What the names of all keys begin with. */
export const FLOOD_KEYS = "flood:";
export const keyOf: (index: number) => string = (index) => `${FLOOD_KEYS}${index}`;
export const VALUE: string = "v".repeat(100);

const DEEP = 100_000;
const SET_BYTES = 16_000;
const SETS_BYTES_PER_SECOND = 50_000_000;
const SETS_STEP_MS = 5;
const CHANNELS = 200_000;
const SILENT_CLIENTS = 20;
const SLOW_CLIENTS = 1_000;
const SLOW_BYTES = 10_000;
const SLOW_STEP_MS = 1_000;
const CLAIMS = 20;
const CROWD = 6_000;
const CROWD_STEP = 100;
const CROWD_PAUSE_MS = 500;
const SUBSCRIBERS = 8;
const SUBSCRIPTIONS = 1_000_000;
const SCRIPTS = 100_000;
const SCRIPT_BYTES = 100;
const BATCH = 1_000;
const SILENT_REQUESTS = 20;

/** Of one connection: what is sent again whenever all of the last is answered. */
interface Round {
  readonly bytes: Buffer;
  readonly requests: number;
  /** The replies to it have come whole when so many bytes have come, or so many pieces of this text. */
  readonly replyBytes: number;
}

const total = { requests: 0, replyBytes: 0, closed: 0 };

async function connect(port: number, onData: (socket: Socket, chunk: Buffer) => void) {
  const waiting: { bytes: Buffer; at: number }[] = [];
  let isFlushing = false;
  const flush = (socket: Socket): void => {
    // A write may call `drain` itself.
    if (isFlushing) return;
    isFlushing = true;
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      first.at += Math.max(socket.write(first.bytes.subarray(first.at)), 0);
      if (first.at < first.bytes.length) break;
      waiting.shift();
    }
    isFlushing = false;
  };
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(socket, chunk) {
        total.replyBytes += chunk.length;
        onData(socket, chunk);
      },
      drain: flush,
      close: () => void total.closed++,
      error() {},
    },
  });
  return {
    socket,
    unsent: () => waiting.length,
    send(bytes: Buffer) {
      waiting.push({ bytes, at: 0 });
      flush(socket);
    },
  };
}

/** Sends a round, and the next one as soon as it is answered. */
async function again(port: number, { bytes, requests, replyBytes }: Round): Promise<void> {
  let left = replyBytes;
  const client = await connect(port, (_, chunk) => {
    left -= chunk.length;
    if (left > 0) return;
    left += replyBytes;
    total.requests += requests;
    client.send(bytes);
  });
  client.send(bytes);
}

async function sets(port: number): Promise<void> {
  const set = Buffer.from(encode("SET", "large:set", "s".repeat(SET_BYTES)));
  const client = await connect(port, () => {});
  let dueMs = performance.now();
  setInterval(() => {
    const nowMs = performance.now();
    // What the other end does not take is not made up for.
    if (client.unsent() > 0) dueMs = nowMs;
    for (; dueMs < nowMs; dueMs += (1000 * SET_BYTES) / SETS_BYTES_PER_SECOND) {
      client.send(set);
      total.requests++;
    }
  }, SETS_STEP_MS);
}

/** Subscribes to all channels in one request, and when that is confirmed ends all in one. */
async function subscribe(port: number): Promise<void> {
  const names = Array.from({ length: CHANNELS }, (_, i) => `channel:${i}`);
  const requests = ["SUBSCRIBE", "UNSUBSCRIBE"].map((name) => Buffer.from(encode(name, ...names)));
  let confirmed = 0;
  let at = 0;
  const client = await connect(port, (_, chunk) => {
    for (const byte of chunk) if (byte === ASTERISK) confirmed++;
    if (confirmed < CHANNELS) return;
    confirmed -= CHANNELS;
    total.requests++;
    client.send(requests[++at % 2]!);
  });
  client.send(requests[0]!);
}

const ASTERISK = "*".charCodeAt(0);

/** Asks for much and reads nothing. */
async function silent(port: number): Promise<void> {
  const bytes = Buffer.from(encode("GET", HUGE_KEY).repeat(SILENT_REQUESTS));
  for (let i = 0; i < SILENT_CLIENTS; i++) {
    const { socket, send } = await connect(port, () => {});
    socket.pause();
    send(bytes);
    total.requests += SILENT_REQUESTS;
  }
}

/** Many clients that send one byte of a request now and then. */
async function slowloris(port: number): Promise<void> {
  const request = encode("SET", "large:slow", "s".repeat(SLOW_BYTES));
  const clients = await Promise.all(
    Array.from({ length: SLOW_CLIENTS }, () => connect(port, () => {})),
  );
  let at = 0;
  setInterval(() => {
    const byte = Buffer.from(request[at++ % request.length]!);
    for (const { send } of clients) send(byte);
  }, SLOW_STEP_MS);
}

/** Announces values of gigabytes, and sends a few bytes of each; the one that is too long to be taken, and those that are not. */
async function claim(port: number): Promise<void> {
  for (let i = 0; i < CLAIMS; i++) {
    const bytes = i === 0 ? 10_000_000_000 : 500_000_000;
    const { send } = await connect(port, () => {});
    send(Buffer.from(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${bytes}\r\nvvvv`));
  }
}

/** More clients than may be, which come again whenever they are turned away. */
async function crowd(port: number): Promise<void> {
  const stay = async (): Promise<void> => {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      try {
        await Bun.connect({
          ...{ hostname: "127.0.0.1", port },
          socket: { data() {}, close: () => resolve(), error: () => resolve() },
        });
        await promise;
        total.closed++;
      } catch {
        // Turned away by the kernel.
      }
      await Bun.sleep(CROWD_PAUSE_MS);
    }
  };
  for (let i = 0; i < CROWD; i++) {
    void stay();
    if (i % CROWD_STEP === 0) await Bun.sleep(1);
  }
}

/** A million subscriptions, one request for each, over several clients. */
async function subscribes(port: number): Promise<void> {
  for (let i = 0; i < SUBSCRIBERS; i++) {
    const { send } = await connect(port, () => {});
    for (let at = 0; at < SUBSCRIPTIONS / SUBSCRIBERS; at += BATCH) {
      const names = Array.from({ length: BATCH }, (_, n) => `channel:${i}:${at + n}`);
      send(Buffer.from(names.map((name) => encode("SUBSCRIBE", name)).join("")));
      total.requests += BATCH;
    }
  }
}

async function scripts(port: number): Promise<void> {
  const { send } = await connect(port, () => {});
  for (let at = 0; at < SCRIPTS; at += BATCH) {
    const texts = Array.from({ length: BATCH }, (_, n) =>
      encode("EVAL", `return ${at + n} --${"x".repeat(SCRIPT_BYTES)}`, "0"),
    );
    send(Buffer.from(texts.join("")));
    total.requests += BATCH;
  }
}

function mget(keys: number): Round {
  const names = Array.from({ length: keys }, (_, i) => keyOf(i));
  const element = `$${VALUE.length}\r\n${VALUE}\r\n`.length;
  return {
    ...{ bytes: Buffer.from(encode("MGET", ...names)), requests: 1 },
    replyBytes: `*${keys}\r\n`.length + keys * element,
  };
}

/** The length of its reply is found out first. */
async function members(port: number): Promise<void> {
  const bytes = Buffer.from(encode("SMEMBERS", MEMBERS_KEY));
  // The bytes of all members are the same in any order.
  const digits = Array.from({ length: MEMBERS }, (_, i) => `member:${i}`);
  const elements = digits.reduce(
    (sum, { length }) => sum + `$${length}\r\n\r\n`.length + length,
    0,
  );
  await again(port, { bytes, requests: 1, replyBytes: `*${MEMBERS}\r\n`.length + elements });
}

async function flood({ kind, port }: FloodOrder): Promise<void> {
  const start: Record<FloodKind, (port: number) => Promise<void>> = {
    ...{ pipeline, sets, members, subscribe, silent, slowloris, claim, crowd, subscribes, scripts },
    "mget-10k": () => again(port, mget(10_000)),
    "mget-100k": () => again(port, mget(100_000)),
  };
  await start[kind](port);
}

async function pipeline(port: number): Promise<void> {
  const get = encode("GET", keyOf(0));
  const one = `$${VALUE.length}\r\n${VALUE}\r\n`.length;
  await again(port, {
    ...{ bytes: Buffer.from(get.repeat(DEEP)), requests: DEEP, replyBytes: DEEP * one },
  });
}

if (import.meta.main) {
  await flood(JSON.parse(process.argv[2] ?? "{}") as FloodOrder);
  process.stdout.write("flooding\n");
  for await (const _ of process.stdin) {
    // Until it ends.
  }
  process.stdout.write(`${JSON.stringify(total)}\n`);
  process.exit(0);
}
