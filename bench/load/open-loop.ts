/**
 * Open loop: sends GETs at a fixed rate whatever the answers do, and measures each from the moment it was due.
 *
 * A process of its own that stays: `bun bench/load/open-loop.ts '{"connections": …}'` reads one order per line from
 * stdin and prints one line of JSON when it begins and one when it is done, so that slices for several targets
 * come from the same warm program. A request that the generator itself sends late still counts from when it was due
 * (no coordinated omission); `lateness` says how much of the figures that explains.
 */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { type HistogramText, LatencyHistogram } from "../latency-histogram.ts";
import {
  connectTo,
  fixedBytes,
  fixedText,
  libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SPIN_NS,
  Watch,
  waitExactly,
} from "./libc.ts";

export interface GeneratorOrder {
  /** To each target. */
  readonly connections: number;
  readonly valueBytes: number;
}

/** Some of the connections, which ask only for some of the keys. */
export interface GroupOrder {
  readonly connections: number;
  readonly keys: readonly number[];
}

export interface SliceOrder {
  /** Connections are spread over them; they are opened at the first slice and kept. */
  readonly ports: readonly number[];
  /** null: closed loop, each connection has one request in flight. */
  readonly requestsPerSecond: number | null;
  /** Not measured. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly windows: number;
  readonly groups: readonly GroupOrder[];
  /** Errors, lost requests and closed connections are counted; otherwise the first of them ends the generator. */
  readonly isBadDay: boolean;
  /**
   * ECHO with as many bytes as a value has, which a proxy answers itself, in place of GET: in a closed loop of one connection, which asks
   * again so long after each answer.
   */
  readonly echoEachNs?: number;
}

export interface WindowReport {
  /** Microseconds, of the requests that were due in this window and have been answered well. */
  readonly latency: HistogramText;
  /** Answered with an error, or with nil. */
  readonly errors: number;
  /** Never answered. */
  readonly lost: number;
}

export interface SliceReport {
  /** All that were sent, warm-up included. */
  readonly sent: number;
  readonly answered: number;
  /** From the first request to the last reply. */
  readonly seconds: number;
  /** How late the generator itself sent. */
  readonly lateness: HistogramText;
  /** Connections that the other side closed. */
  readonly cut: number;
  /** One list of windows per group. */
  readonly groups: readonly (readonly WindowReport[])[];
}

/** The line that says that a slice begins. */
export const BEGUN = "begun";

const KEY_DIGITS = 12;
const DOLLAR = 36;
const MINUS = 45;
const NEWLINE = 10;
const ZERO = 48;
const RECEIVE_BYTES = 256 * 1024;
const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;
/** Requests that one connection may have unanswered before the run is given up. */
const PENDING_MAX = 16_384;
/** How long the last replies may take. */
const PATIENCE_NS = 10e9;
const PATIENCE_BAD_DAY_NS = 1.5e9;
const LEAD_NS = 2e6;
const WAIT_MAX_NS = 100e6;
const RECONNECT_NS = 50e6;
const CONNECT_TIMEOUT_MS = 200;

/** What part of a reply comes next: its first byte, the byte after a dollar, the rest of a value, a line to skip. */
const START = 0;
const SIZE = 1;
const VALUE = 2;
const LINE = 3;

interface Connection {
  readonly port: number;
  /** -1 while there is none. */
  fd: number;
  retryNs: number;
  /** When the requests in flight were due, as a ring: [head, tail). */
  readonly due: Float64Array;
  head: number;
  tail: number;
  part: number;
  restBytes: number;
}

interface Window {
  readonly latency: LatencyHistogram;
  errors: number;
  lost: number;
}

class Target {
  readonly watch = new Watch();
  readonly connections: readonly Connection[];

  constructor(ports: readonly number[], count: number) {
    this.connections = Array.from({ length: count }, (_, index) => ({
      ...{ port: ports[index % ports.length]!, fd: -1, retryNs: 0 },
      ...{ due: new Float64Array(PENDING_MAX), head: 0, tail: 0 },
      ...{ part: START, restBytes: 0 },
    }));
  }
}

class Slice {
  readonly #order: SliceOrder;
  readonly #target: Target;
  readonly #request: Buffer;
  readonly #digitsAt: number;
  readonly #replyBytes: number;
  readonly #received = fixedBytes(RECEIVE_BYTES);
  readonly #groupOf: readonly number[];
  readonly #keys: readonly Float64Array[];
  readonly #windows: readonly (readonly Window[])[];
  readonly #lateness = new LatencyHistogram();
  readonly #gapNs: number;
  readonly #total: number;
  readonly #windowNs: number;
  #startNs = 0;
  #measuredFromNs = 0;
  #endNs = 0;
  #sent = 0;
  #answered = 0;
  #lost = 0;
  #cut = 0;

  constructor(order: SliceOrder, target: Target, valueBytes: number) {
    this.#order = order;
    this.#target = target;
    const head =
      order.echoEachNs !== undefined
        ? `*2\r\n$4\r\nECHO\r\n$${valueBytes}\r\n${"e".repeat(valueBytes - KEY_DIGITS)}`
        : `*2\r\n$3\r\nGET\r\n$${KEY_DIGITS + 4}\r\nkey:`;
    this.#request = fixedText(`${head}${"0".repeat(KEY_DIGITS)}\r\n`);
    this.#digitsAt = head.length;
    this.#replyBytes = `$${valueBytes}\r\n`.length + valueBytes + 2;
    this.#groupOf = order.groups.flatMap(({ connections }, group) =>
      new Array<number>(connections).fill(group),
    );
    this.#keys = order.groups.map(({ keys }) => Float64Array.from(keys));
    this.#windows = order.groups.map(() =>
      Array.from({ length: order.windows }, () => {
        return { latency: new LatencyHistogram(), errors: 0, lost: 0 };
      }),
    );
    const rate = order.requestsPerSecond;
    this.#gapNs = rate === null ? 0 : 1e9 / rate;
    const seconds = order.warmUpSeconds + order.seconds;
    this.#total = rate === null ? Number.POSITIVE_INFINITY : Math.round(rate * seconds);
    this.#windowNs = (order.seconds * 1e9) / order.windows;
  }

  run(): SliceReport {
    const { connections, watch } = this.#target;
    for (const [index, connection] of connections.entries()) this.#open(connection, index);
    this.#startNs = Bun.nanoseconds() + LEAD_NS;
    this.#measuredFromNs = this.#startNs + this.#order.warmUpSeconds * 1e9;
    this.#endNs = this.#measuredFromNs + this.#order.seconds * 1e9;
    const patience = this.#order.isBadDay ? PATIENCE_BAD_DAY_NS : PATIENCE_NS;
    const isClosed = this.#order.requestsPerSecond === null;
    if (isClosed) for (const index of connections.keys()) this.#send(index, Bun.nanoseconds());
    let now = Bun.nanoseconds();
    while (!this.#isDone(now, isClosed)) {
      if (now > this.#endNs + patience) break;
      if (!isClosed) this.#sendDue(now);
      if (this.#order.isBadDay) this.#reconnect(now);
      const next = isClosed ? WAIT_MAX_NS : this.#dueOf(this.#sent) - Bun.nanoseconds();
      const ready = watch.wait(Math.min(WAIT_MAX_NS, Math.max(0, Math.round(next))));
      for (let n = 0; n < ready; n += 1) this.#receive(watch.idAt(n), isClosed);
      now = Bun.nanoseconds();
    }
    return this.#finish(now);
  }

  /** The last requests are due before the end, so no new one follows while the rest is waited for. */
  #isDone(now: number, isClosed: boolean): boolean {
    if (now < this.#endNs) return false;
    if (!isClosed && this.#sent < this.#total) return false;
    return this.#answered + this.#lost >= this.#sent;
  }

  #dueOf(request: number): number {
    if (request >= this.#total) return Number.POSITIVE_INFINITY;
    return this.#startNs + request * this.#gapNs;
  }

  #sendDue(now: number): void {
    const count = this.#target.connections.length;
    for (let due = this.#dueOf(this.#sent); due <= now; due = this.#dueOf(this.#sent)) {
      this.#send(this.#sent % count, due);
    }
  }

  #send(index: number, due: number): void {
    const connection = this.#target.connections[index]!;
    this.#sent += 1;
    if (connection.fd < 0) {
      this.#lose(index, due);
      return;
    }
    if (connection.tail - connection.head >= PENDING_MAX) throw new Error("too many unanswered");
    const keys = this.#keys[this.#groupOf[index]!]!;
    this.#writeKey(keys[Math.floor(Math.random() * keys.length)]!);
    const length = this.#request.length;
    const taken = Number(libc.send(connection.fd, this.#request, length, FLAGS));
    if (due >= this.#measuredFromNs) this.#lateness.record(Bun.nanoseconds() - due);
    connection.due[connection.tail % PENDING_MAX] = due;
    connection.tail += 1;
    if (taken !== length) this.#close(index, "the proxy stopped reading or closed");
  }

  #writeKey(key: number): void {
    let rest = key;
    for (let at = this.#digitsAt + KEY_DIGITS - 1; at >= this.#digitsAt; at -= 1) {
      this.#request[at] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
  }

  #receive(index: number, isClosed: boolean): void {
    const connection = this.#target.connections[index]!;
    if (connection.fd < 0) return;
    const count = Number(libc.recv(connection.fd, this.#received, RECEIVE_BYTES, FLAGS));
    if (count <= 0) {
      this.#close(index, "the proxy closed a connection");
      return;
    }
    const now = Bun.nanoseconds();
    const answered = this.#take(index, connection, count, now);
    if (!isClosed || answered === 0 || now >= this.#endNs) return;
    const { echoEachNs } = this.#order;
    this.#send(index, echoEachNs === undefined ? now : stayUntil(now + echoEachNs));
  }

  /** All values have the same length: counting bytes tells them apart. How many replies ended. */
  #take(index: number, connection: Connection, count: number, now: number): number {
    const received = this.#received;
    let replies = 0;
    let at = 0;
    while (at < count) {
      const byte = received[at]!;
      switch (connection.part) {
        case START:
          if (byte !== DOLLAR && byte !== MINUS) throw this.#wrongReply(at, count);
          connection.part = byte === DOLLAR ? SIZE : LINE;
          connection.restBytes = this.#replyBytes - 1;
          at += 1;
          break;
        case SIZE:
          connection.part = byte === MINUS ? LINE : VALUE;
          break;
        case VALUE: {
          const step = Math.min(count - at, connection.restBytes);
          at += step;
          connection.restBytes -= step;
          if (connection.restBytes > 0) break;
          this.#settle(index, connection, now, true);
          replies += 1;
          break;
        }
        case LINE: {
          if (!this.#order.isBadDay) throw this.#wrongReply(Math.max(0, at - 1), count);
          const end = received.indexOf(NEWLINE, at);
          at = end < 0 || end >= count ? count : end + 1;
          if (at === count && received[count - 1] !== NEWLINE) break;
          this.#settle(index, connection, now, false);
          replies += 1;
          break;
        }
      }
    }
    return replies;
  }

  #wrongReply(at: number, count: number): Error {
    const text = this.#received.toString("latin1", at, Math.min(count, at + 80));
    return new Error(`not a value: ${JSON.stringify(text)}`);
  }

  #settle(index: number, connection: Connection, now: number, isGood: boolean): void {
    if (connection.head === connection.tail) throw new Error("a reply without a request");
    const due = connection.due[connection.head % PENDING_MAX]!;
    connection.head += 1;
    connection.part = START;
    this.#answered += 1;
    const window = this.#windowAt(index, due);
    if (window === null) return;
    if (isGood) window.latency.record(now - due);
    else window.errors += 1;
  }

  #windowAt(index: number, due: number): Window | null {
    if (due < this.#measuredFromNs || due >= this.#endNs) return null;
    const number = Math.floor((due - this.#measuredFromNs) / this.#windowNs);
    return this.#windows[this.#groupOf[index]!]![Math.min(number, this.#order.windows - 1)]!;
  }

  #lose(index: number, due: number): void {
    this.#lost += 1;
    const window = this.#windowAt(index, due);
    if (window !== null) window.lost += 1;
  }

  #open(connection: Connection, index: number): void {
    if (connection.fd >= 0) return;
    connection.fd = connectTo(connection.port, CONNECT_TIMEOUT_MS);
    if (connection.fd >= 0) this.#target.watch.add(connection.fd, index);
    else if (!this.#order.isBadDay) throw new Error(`cannot connect to ${connection.port}`);
  }

  #close(index: number, why: string): void {
    if (!this.#order.isBadDay) throw new Error(why);
    this.#cut += 1;
    this.#forget(index);
  }

  #forget(index: number): void {
    const connection = this.#target.connections[index]!;
    libc.close(connection.fd);
    connection.fd = -1;
    connection.retryNs = Bun.nanoseconds();
    for (; connection.head < connection.tail; connection.head += 1) {
      this.#lose(index, connection.due[connection.head % PENDING_MAX]!);
    }
    connection.part = START;
  }

  #reconnect(now: number): void {
    for (const [index, connection] of this.#target.connections.entries()) {
      if (connection.fd >= 0 || connection.retryNs > now) continue;
      this.#open(connection, index);
      connection.retryNs = now + RECONNECT_NS;
    }
  }

  #finish(now: number): SliceReport {
    for (const [index, connection] of this.#target.connections.entries()) {
      if (connection.head === connection.tail) continue;
      if (!this.#order.isBadDay) throw new Error(`${this.#sent - this.#answered} replies missing`);
      this.#forget(index);
    }
    return {
      sent: this.#sent,
      answered: this.#answered,
      seconds: (now - this.#startNs) / 1e9,
      lateness: this.#lateness.toText(),
      cut: this.#cut,
      groups: this.#windows.map((windows) =>
        windows.map(({ latency, errors, lost }) => ({ latency: latency.toText(), errors, lost })),
      ),
    };
  }
}

/** Keeps the core for the last part, as one that is busy does. @returns the time then */
function stayUntil(endNs: number): number {
  const leftNs = endNs - SPIN_NS - Bun.nanoseconds();
  if (leftNs > 0) Bun.sleepSync(leftNs / 1e6);
  let now = Bun.nanoseconds();
  while (now < endNs) now = Bun.nanoseconds();
  return now;
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function main(): Promise<void> {
  const { connections, valueBytes } = JSON.parse(process.argv[2] ?? "") as GeneratorOrder;
  const targets = new Map<string, Target>();
  waitExactly();
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line) as SliceOrder;
    const name = order.ports.join();
    const target = targets.get(name) ?? new Target(order.ports, connections);
    targets.set(name, target);
    // Written at once: while a slice runs, nothing else in this program does.
    writeSync(1, `${BEGUN}\n`);
    print(new Slice(order, target, valueBytes).run());
  }
}

if (import.meta.main) {
  main().then(
    () => process.exit(0),
    (error: Error) => {
      process.stderr.write(`${error.message}\n`);
      process.exit(1);
    },
  );
}
