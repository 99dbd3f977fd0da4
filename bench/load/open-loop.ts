/**
 * Open loop: sends GETs at a fixed rate whatever the answers do, and measures each from the moment it was due.
 *
 * A process of its own: `bun bench/load/open-loop.ts '{"port": …}'` prints one line of JSON. It drives its sockets
 * through libc in one loop, because timers of the event loop are only good to a millisecond and `ppoll` to some µs.
 * A request that the generator itself sends late still counts from when it was due (no coordinated omission);
 * `lateP99` says how much of the figures that explains.
 */
import { dlopen, FFIType as T } from "bun:ffi";
import { percentile } from "../statistics.ts";

export interface OpenLoopOrder {
  readonly port: number;
  readonly connections: number;
  readonly requestsPerSecond: number;
  /** Not measured. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Keys are key:000000000000 … keys - 1, all present, values all of this size. */
  readonly keys: number;
  readonly valueBytes: number;
}

/** Microseconds. */
export interface OpenLoopReport {
  readonly requests: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly lateP99: number;
}

const libc = dlopen("libc.so.6", {
  socket: { args: [T.i32, T.i32, T.i32], returns: T.i32 },
  connect: { args: [T.i32, T.ptr, T.u32], returns: T.i32 },
  setsockopt: { args: [T.i32, T.i32, T.i32, T.ptr, T.u32], returns: T.i32 },
  send: { args: [T.i32, T.ptr, T.u64, T.i32], returns: T.i64_fast },
  recv: { args: [T.i32, T.ptr, T.u64, T.i32], returns: T.i64_fast },
  ppoll: { args: [T.ptr, T.u64, T.ptr, T.ptr], returns: T.i32 },
  prctl: { args: [T.i32, T.u64, T.u64, T.u64, T.u64], returns: T.i32 },
}).symbols;

const AF_INET = 2;
const SOCK_STREAM = 1;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
const PR_SET_TIMERSLACK = 29;
const POLLIN = 1;
const KEY_DIGITS = 12;
const DOLLAR = 36;
const ZERO = 48;
const RECEIVE_BYTES = 256 * 1024;
/** Requests that one connection may have unanswered before the run is given up. */
const PENDING_MAX = 8192;
/** How long the last replies may take. */
const PATIENCE_NS = 10e9;

interface Connection {
  readonly fd: number;
  /** When the requests in flight were due, as a ring: [head, tail). */
  readonly due: Float64Array;
  head: number;
  tail: number;
  /** Bytes of the reply that is arriving. */
  partBytes: number;
}

class OpenLoop {
  readonly #order: OpenLoopOrder;
  readonly #connections: Connection[] = [];
  readonly #request: Buffer;
  readonly #digitsAt: number;
  readonly #replyBytes: number;
  readonly #received = Buffer.from(new ArrayBuffer(RECEIVE_BYTES));
  readonly #pollSet: Buffer;
  readonly #total: number;
  readonly #unmeasured: number;
  readonly #gapNs: number;
  readonly #latencies: Float64Array;
  readonly #lateness: Float64Array;
  #startNs = 0;
  #sent = 0;
  #answered = 0;
  #measured = 0;

  constructor(order: OpenLoopOrder) {
    this.#order = order;
    const head = `*2\r\n$3\r\nGET\r\n$${KEY_DIGITS + 4}\r\nkey:`;
    this.#request = Buffer.from(new ArrayBuffer(head.length + KEY_DIGITS + 2));
    this.#request.write(`${head}${"0".repeat(KEY_DIGITS)}\r\n`, "latin1");
    this.#digitsAt = head.length;
    this.#replyBytes = `$${order.valueBytes}\r\n`.length + order.valueBytes + 2;
    this.#total = Math.round(order.requestsPerSecond * (order.warmUpSeconds + order.seconds));
    this.#unmeasured = Math.round(order.requestsPerSecond * order.warmUpSeconds);
    this.#gapNs = 1e9 / order.requestsPerSecond;
    this.#latencies = new Float64Array(this.#total - this.#unmeasured);
    this.#lateness = new Float64Array(this.#total - this.#unmeasured);
    for (let index = 0; index < order.connections; index += 1) {
      this.#connections.push(openConnection(order.port));
    }
    this.#pollSet = pollSetOf(this.#connections);
  }

  run(): OpenLoopReport {
    const wait = new BigInt64Array(new ArrayBuffer(16)); // struct timespec
    this.#startNs = Bun.nanoseconds() + 5e6;
    const deadline = this.#startNs + this.#total * this.#gapNs + PATIENCE_NS;
    while (this.#answered < this.#total) {
      const now = Bun.nanoseconds();
      if (now > deadline) throw new Error(`${this.#total - this.#answered} replies did not come`);
      this.#sendDue(now);
      const next = this.#sent < this.#total ? this.#dueOf(this.#sent) - Bun.nanoseconds() : 100e6;
      wait[1] = BigInt(Math.min(999_999_999, Math.max(0, Math.round(next))));
      if (libc.ppoll(this.#pollSet, this.#connections.length, wait, null) > 0) this.#receiveReady();
    }
    return this.#report();
  }

  #dueOf(request: number): number {
    return this.#startNs + request * this.#gapNs;
  }

  #sendDue(now: number): void {
    while (this.#sent < this.#total && this.#dueOf(this.#sent) <= now) {
      const due = this.#dueOf(this.#sent);
      const connection = this.#connections[this.#sent % this.#connections.length]!;
      if (connection.tail - connection.head >= PENDING_MAX) throw new Error("too many unanswered");
      this.#writeKey(Math.floor(Math.random() * this.#order.keys));
      if (this.#sent >= this.#unmeasured) {
        this.#lateness[this.#sent - this.#unmeasured] = (Bun.nanoseconds() - due) / 1e3;
      }
      const length = this.#request.length;
      const taken = libc.send(connection.fd, this.#request, length, MSG_DONTWAIT_NOSIGNAL);
      if (Number(taken) !== length) throw new Error("the proxy stopped reading or closed");
      connection.due[connection.tail % PENDING_MAX] = due;
      connection.tail += 1;
      this.#sent += 1;
    }
  }

  #writeKey(key: number): void {
    let rest = key;
    for (let at = this.#digitsAt + KEY_DIGITS - 1; at >= this.#digitsAt; at -= 1) {
      this.#request[at] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
  }

  #receiveReady(): void {
    for (let index = 0; index < this.#connections.length; index += 1) {
      if (this.#pollSet.readUInt16LE(index * 8 + 6) === 0) continue;
      const connection = this.#connections[index]!;
      const buffer = this.#received;
      const count = Number(libc.recv(connection.fd, buffer, RECEIVE_BYTES, MSG_DONTWAIT_NOSIGNAL));
      if (count <= 0) throw new Error("the proxy closed a connection");
      this.#take(connection, count, Bun.nanoseconds());
    }
  }

  /** All replies have the same length, so counting bytes is enough to tell them apart. */
  #take(connection: Connection, count: number, now: number): void {
    let at = 0;
    while (at < count) {
      if (connection.partBytes === 0 && this.#received[at] !== DOLLAR) {
        throw new Error(
          `not a value: ${this.#received.toString("latin1", at, Math.min(count, at + 80))}`,
        );
      }
      const step = Math.min(count - at, this.#replyBytes - connection.partBytes);
      at += step;
      connection.partBytes += step;
      if (connection.partBytes < this.#replyBytes) return;
      connection.partBytes = 0;
      this.#settle(connection, now);
    }
  }

  #settle(connection: Connection, now: number): void {
    if (connection.head === connection.tail) throw new Error("a reply that nobody asked for");
    const due = connection.due[connection.head % PENDING_MAX]!;
    connection.head += 1;
    this.#answered += 1;
    if (due < this.#dueOf(this.#unmeasured) || this.#measured === this.#latencies.length) return;
    this.#latencies[this.#measured] = (now - due) / 1e3;
    this.#measured += 1;
  }

  #report(): OpenLoopReport {
    const latencies = this.#latencies.subarray(0, this.#measured).sort();
    return {
      requests: this.#total,
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      p999: percentile(latencies, 0.999),
      max: percentile(latencies, 1),
      lateP99: percentile(this.#lateness.sort(), 0.99),
    };
  }
}

function openConnection(port: number): Connection {
  const fd = libc.socket(AF_INET, SOCK_STREAM, 0);
  const address = Buffer.from(new ArrayBuffer(16)); // struct sockaddr_in
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.writeUInt32BE(0x7f000001, 4);
  if (fd < 0 || libc.connect(fd, address, 16) !== 0) throw new Error(`cannot connect to ${port}`);
  libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, new Int32Array([1]), 4);
  return { fd, due: new Float64Array(PENDING_MAX), head: 0, tail: 0, partBytes: 0 };
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
  libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  const order = JSON.parse(process.argv[2] ?? "") as OpenLoopOrder;
  process.stdout.write(`${JSON.stringify(new OpenLoop(order).run())}\n`);
}
