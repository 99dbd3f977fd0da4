/**
 * Closed loop over memcached's text protocol: every connection sends its next requests when the last are answered.
 *
 * A process of its own: `bun bench/load/memcache-loop.ts '{"port": …}'` prints one line of JSON. All requests are
 * made before the clock starts, and the sockets are driven through libc, so that it costs less than the proxies do.
 */
import { dlopen, FFIType as T } from "bun:ffi";
import { keyName, storedValue } from "../key-space.ts";

export interface MemcacheLoopOrder {
  readonly port: number;
  readonly connections: number;
  /** Requests that each connection keeps in flight; they are sent together. */
  readonly depth: number;
  /** A multiple of connections × depth. */
  readonly requests: number;
  readonly command: "get" | "set";
  /** Different keys in one `get`. */
  readonly keysPerRequest: number;
  /** Keys are key:000000000000 … keys - 1, all present, values all of this size. */
  readonly keys: number;
  readonly valueBytes: number;
}

export interface MemcacheLoopReport {
  readonly requestsPerSecond: number;
}

const libc = dlopen("libc.so.6", {
  socket: { args: [T.i32, T.i32, T.i32], returns: T.i32 },
  connect: { args: [T.i32, T.ptr, T.u32], returns: T.i32 },
  setsockopt: { args: [T.i32, T.i32, T.i32, T.ptr, T.u32], returns: T.i32 },
  send: { args: [T.i32, T.ptr, T.u64, T.i32], returns: T.i64_fast },
  recv: { args: [T.i32, T.ptr, T.u64, T.i32], returns: T.i64_fast },
  poll: { args: [T.ptr, T.u64, T.i32], returns: T.i32 },
}).symbols;

const AF_INET = 2;
const SOCK_STREAM = 1;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;
const POLLIN = 1;
const PATIENCE_MS = 10_000;
const RECEIVE_BYTES = 256 * 1024;
/** Batches that are made beforehand; each is sent many times. */
const BATCHES_MAX = 512;
const BATCH_BYTES_MAX = 32 * 1024 * 1024;
/** Between the keys of one request: shares no factor with the number of keys, so that they all differ. */
const KEY_STEP = 7919;

interface Connection {
  readonly fd: number;
  /** Bytes of the batch's replies that have not come. */
  missingBytes: number;
}

/** The first bytes of a reply: what a wrong one does not begin with. */
function replyStart(order: MemcacheLoopOrder): string {
  return order.command === "get" ? "VALUE key:" : "STORED\r\n";
}

function replyBytes(order: MemcacheLoopOrder): number {
  if (order.command === "set") return "STORED\r\n".length;
  const value = `VALUE ${keyName(0)} 0 ${order.valueBytes}\r\n`.length + order.valueBytes + 2;
  return value * order.keysPerRequest + "END\r\n".length;
}

function requestText(order: MemcacheLoopOrder): string {
  const first = Math.floor(Math.random() * order.keys);
  if (order.command === "set") {
    const value = storedValue(first, order.valueBytes);
    return `set ${keyName(first)} 0 0 ${order.valueBytes}\r\n${value}\r\n`;
  }
  const names = Array.from({ length: order.keysPerRequest }, (_, n) =>
    keyName((first + n * KEY_STEP) % order.keys),
  );
  return `get ${names.join(" ")}\r\n`;
}

function makeBatches(order: MemcacheLoopOrder): Buffer[] {
  const text = (): string => Array.from({ length: order.depth }, () => requestText(order)).join("");
  const count = Math.max(1, Math.min(BATCHES_MAX, Math.floor(BATCH_BYTES_MAX / text().length)));
  return Array.from({ length: count }, () => {
    const bytes = text();
    const batch = Buffer.from(new ArrayBuffer(bytes.length));
    batch.write(bytes, "latin1");
    return batch;
  });
}

function runLoop(order: MemcacheLoopOrder): MemcacheLoopReport {
  const batches = makeBatches(order);
  const batchReplyBytes = replyBytes(order) * order.depth;
  const start = Buffer.from(replyStart(order), "latin1");
  const received = Buffer.from(new ArrayBuffer(RECEIVE_BYTES));
  const connections: Connection[] = Array.from({ length: order.connections }, () => ({
    fd: openConnection(order.port),
    missingBytes: 0,
  }));
  const pollSet = pollSetOf(connections);
  let unsent = order.requests / order.depth;
  let unanswered = unsent;
  const sendNext = (connection: Connection): void => {
    if (unsent === 0) return;
    unsent -= 1;
    const batch = batches[unsent % batches.length]!;
    const taken = Number(libc.send(connection.fd, batch, batch.length, MSG_NOSIGNAL));
    if (taken !== batch.length) throw new Error("the proxy stopped reading or closed");
    connection.missingBytes = batchReplyBytes;
  };
  const receive = (connection: Connection): void => {
    const count = Number(libc.recv(connection.fd, received, RECEIVE_BYTES, MSG_DONTWAIT));
    if (count <= 0) throw new Error("the proxy closed a connection");
    const isStart = connection.missingBytes === batchReplyBytes;
    const shown = Math.min(count, start.length);
    const isWrong = isStart && received.compare(start, 0, shown, 0, shown) !== 0;
    if (isWrong || count > connection.missingBytes) {
      throw new Error(`a wrong reply: ${received.toString("latin1", 0, Math.min(count, 80))}`);
    }
    connection.missingBytes -= count;
    if (connection.missingBytes > 0) return;
    unanswered -= 1;
    sendNext(connection);
  };
  const startedNs = Bun.nanoseconds();
  for (const connection of connections) sendNext(connection);
  while (unanswered > 0) {
    if (libc.poll(pollSet, connections.length, PATIENCE_MS) <= 0) {
      throw new Error(`${unanswered} batches were not answered`);
    }
    for (let index = 0; index < connections.length; index += 1) {
      if (pollSet.readUInt16LE(index * 8 + 6) !== 0) receive(connections[index]!);
    }
  }
  const seconds = (Bun.nanoseconds() - startedNs) / 1e9;
  return { requestsPerSecond: order.requests / seconds };
}

function openConnection(port: number): number {
  const fd = libc.socket(AF_INET, SOCK_STREAM, 0);
  const address = Buffer.from(new ArrayBuffer(16)); // struct sockaddr_in
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.writeUInt32BE(0x7f000001, 4);
  if (fd < 0 || libc.connect(fd, address, 16) !== 0) throw new Error(`cannot connect to ${port}`);
  libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, new Int32Array([1]), 4);
  return fd;
}

/** struct pollfd: i32 fd, i16 events, i16 revents. */
function pollSetOf(connections: readonly Connection[]): Buffer {
  const set = Buffer.from(new ArrayBuffer(connections.length * 8));
  for (const [index, { fd }] of connections.entries()) {
    set.writeInt32LE(fd, index * 8);
    set.writeUInt16LE(POLLIN, index * 8 + 4);
  }
  return set;
}

if (import.meta.main) {
  const order = JSON.parse(process.argv[2] ?? "") as MemcacheLoopOrder;
  process.stdout.write(`${JSON.stringify(runLoop(order))}\n`);
}
