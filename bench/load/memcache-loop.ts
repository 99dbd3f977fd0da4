/**
 * Closed loop over memcached's protocols: every connection sends its next requests when the last are answered.
 *
 * A process of its own: `bun bench/load/memcache-loop.ts '{"port": …}'` prints one line of JSON. All requests are
 * made before the clock starts, and the sockets are driven through libc, so that it costs less than the proxies do.
 */
import { keyName, storedValue } from "../key-space.ts";
import { BINARY_VALUE_START, binaryGet, binaryValue } from "../memcache-binary.ts";
import {
  connectTo,
  fixedBytes,
  fixedText,
  libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  Watch,
} from "./libc.ts";

/** `get`, `set`: text; `mg`: meta; `binary-get`: the binary protocol. */
export type MemcacheCommand = "get" | "set" | "mg" | "binary-get";

export interface MemcacheLoopOrder {
  readonly port: number;
  readonly connections: number;
  /** Requests that each connection keeps in flight; they are sent together. */
  readonly depth: number;
  /** A multiple of connections × depth. */
  readonly requests: number;
  readonly command: MemcacheCommand;
  /** Different keys in one `get`; 1 for the others. */
  readonly keysPerRequest: number;
  /** Keys are key:000000000000 … keys - 1, all present, values all of this size. */
  readonly keys: number;
  readonly valueBytes: number;
}

export interface MemcacheLoopReport {
  readonly requestsPerSecond: number;
}

const PATIENCE_NS = 10e9;
/** After this, what the kernel did not take at once is offered again. */
const BEHIND_NS = 1e6;
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
  /** What is being asked, and how much of it the kernel has taken. */
  batch: Buffer;
  sentBytes: number;
}

/** The first bytes of a reply (what a wrong one does not begin with), and how long one is. */
function replyOf(order: MemcacheLoopOrder): { start: string; bytes: number } {
  const { command, valueBytes } = order;
  if (command === "set") return { start: "STORED\r\n", bytes: "STORED\r\n".length };
  if (command === "mg") {
    const start = `VA ${valueBytes}\r\n`;
    return { start, bytes: start.length + valueBytes + 2 };
  }
  if (command === "binary-get") {
    return { start: BINARY_VALUE_START, bytes: binaryValue("").length + valueBytes };
  }
  const value = `VALUE ${keyName(0)} 0 ${valueBytes}\r\n`.length + valueBytes + 2;
  return { start: "VALUE key:", bytes: value * order.keysPerRequest + "END\r\n".length };
}

function requestText(order: MemcacheLoopOrder): string {
  const first = Math.floor(Math.random() * order.keys);
  if (order.command === "set") {
    const value = storedValue(first, order.valueBytes);
    return `set ${keyName(first)} 0 0 ${order.valueBytes}\r\n${value}\r\n`;
  }
  if (order.command === "mg") return `mg ${keyName(first)} v\r\n`;
  if (order.command === "binary-get") return binaryGet(keyName(first));
  const names = Array.from({ length: order.keysPerRequest }, (_, n) =>
    keyName((first + n * KEY_STEP) % order.keys),
  );
  return `get ${names.join(" ")}\r\n`;
}

function makeBatches(order: MemcacheLoopOrder): Buffer[] {
  const text = (): string => Array.from({ length: order.depth }, () => requestText(order)).join("");
  const count = Math.max(1, Math.min(BATCHES_MAX, Math.floor(BATCH_BYTES_MAX / text().length)));
  return Array.from({ length: count }, () => fixedText(text()));
}

class MemcacheLoop {
  readonly #order: MemcacheLoopOrder;
  readonly #batches: readonly Buffer[];
  readonly #batchReplyBytes: number;
  readonly #start: Buffer;
  readonly #received = fixedBytes(RECEIVE_BYTES);
  readonly #watch = new Watch();
  readonly #connections: readonly Connection[];
  /** Those whose batch did not go at once. */
  readonly #behind = new Set<Connection>();
  #unsent: number;
  #unanswered: number;

  constructor(order: MemcacheLoopOrder) {
    this.#order = order;
    this.#batches = makeBatches(order);
    const reply = replyOf(order);
    this.#batchReplyBytes = reply.bytes * order.depth;
    this.#start = Buffer.from(reply.start, "latin1");
    this.#unsent = order.requests / order.depth;
    this.#unanswered = this.#unsent;
    this.#connections = Array.from({ length: order.connections }, (_, index) => {
      const fd = connectTo(order.port);
      if (fd < 0) throw new Error(`cannot connect to ${order.port}`);
      this.#watch.add(fd, index);
      return { fd, missingBytes: 0, batch: this.#batches[0]!, sentBytes: 0 };
    });
  }

  run(): MemcacheLoopReport {
    const startedNs = Bun.nanoseconds();
    for (const connection of this.#connections) this.#sendNext(connection);
    while (this.#unanswered > 0) {
      const isBehind = this.#behind.size > 0;
      const ready = this.#watch.wait(isBehind ? BEHIND_NS : PATIENCE_NS);
      if (ready <= 0 && !isBehind) throw new Error(`${this.#unanswered} batches were not answered`);
      for (let n = 0; n < ready; n += 1) this.#receive(this.#connections[this.#watch.idAt(n)]!);
      if (isBehind) for (const connection of this.#behind) this.#sendRest(connection);
    }
    const seconds = (Bun.nanoseconds() - startedNs) / 1e9;
    return { requestsPerSecond: this.#order.requests / seconds };
  }

  #sendNext(connection: Connection): void {
    if (this.#unsent === 0) return;
    this.#unsent -= 1;
    connection.batch = this.#batches[this.#unsent % this.#batches.length]!;
    connection.sentBytes = 0;
    connection.missingBytes = this.#batchReplyBytes;
    this.#sendRest(connection);
  }

  #sendRest(connection: Connection): void {
    const { batch } = connection;
    const rest = connection.sentBytes === 0 ? batch : batch.subarray(connection.sentBytes);
    const taken = Number(libc.send(connection.fd, rest, rest.length, MSG_NOSIGNAL | MSG_DONTWAIT));
    if (taken > 0) connection.sentBytes += taken;
    if (connection.sentBytes < batch.length) this.#behind.add(connection);
    else this.#behind.delete(connection);
  }

  #receive(connection: Connection): void {
    const received = this.#received;
    const count = Number(libc.recv(connection.fd, received, RECEIVE_BYTES, MSG_DONTWAIT));
    if (count <= 0) throw new Error("the proxy closed a connection");
    const isStart = connection.missingBytes === this.#batchReplyBytes;
    const shown = Math.min(count, this.#start.length);
    const isWrong = isStart && received.compare(this.#start, 0, shown, 0, shown) !== 0;
    if (isWrong || count > connection.missingBytes) {
      throw new Error(`a wrong reply: ${received.toString("latin1", 0, Math.min(count, 80))}`);
    }
    connection.missingBytes -= count;
    if (connection.missingBytes > 0) return;
    this.#unanswered -= 1;
    this.#sendNext(connection);
  }
}

if (import.meta.main) {
  const order = JSON.parse(process.argv[2] ?? "") as MemcacheLoopOrder;
  process.stdout.write(`${JSON.stringify(new MemcacheLoop(order).run())}\n`);
}
