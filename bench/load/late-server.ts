/**
 * A Redis server of one value, which answers each request a fixed time after it came, and knows how long each really took:
 * `bun bench/load/late-server.ts PORT DELAY_US BYTES`.
 *
 * On each line of its stdin it prints a line of JSON: how long it has held requests since the line before, from the moment that it was
 * told that they are there until the moment before it writes the answer. It ends with its stdin.
 *
 * It sleeps until shortly before an answer is due and looks at the clock for the rest, so that others have the core meanwhile.
 */
import { readSync, writeSync } from "node:fs";
import { LatencyHistogram } from "../latency-histogram.ts";
import {
  accepted,
  fixedBytes,
  fixedText,
  libc,
  listenOn,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SPIN_NS,
  Watch,
  waitExactly,
} from "./libc.ts";

const WAIT_MAX_NS = 1e9;
const RECEIVE_BYTES = 64 * 1024;
const STDIN = 0;
const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;
/** What the proxy asks on its own, whether the server lives and whether replies are in step. It is not told of. */
const OWN_QUESTION = /PING\r\n|ECHO\r\n(\$\d+\r\n.*\r\n)/;
const PONG = "+PONG\r\n";

interface Waiting {
  readonly fd: number;
  readonly cameNs: number;
  readonly reply: Buffer;
}

class LateServer {
  readonly #delayNs: number;
  readonly #value: Buffer;
  readonly #watch = new Watch();
  readonly #listener: number;
  readonly #received = fixedBytes(RECEIVE_BYTES);
  /** In the order in which they came, and so in the order in which they are due. */
  #waiting: Waiting[] = [];
  #held = new LatencyHistogram();

  constructor(port: number, delayUs: number, valueBytes: number) {
    this.#delayNs = delayUs * 1e3;
    this.#value = fixedText(`$${valueBytes}\r\n${"v".repeat(valueBytes)}\r\n`);
    this.#listener = listenOn(port);
    this.#watch.add(this.#listener, this.#listener);
    this.#watch.add(STDIN, STDIN);
  }

  /** Until stdin ends. */
  run(): void {
    for (;;) {
      const ready = this.#watch.wait(this.#sleepNs());
      const now = Bun.nanoseconds();
      for (let n = 0; n < ready; n += 1) {
        const fd = this.#watch.idAt(n);
        if (fd === STDIN) {
          if (!this.#report()) return;
        } else if (fd === this.#listener) {
          const client = accepted(fd);
          this.#watch.add(client, client);
        } else this.#receive(fd, now);
      }
      this.#answerDue();
    }
  }

  #sleepNs(): number {
    const first = this.#waiting[0];
    if (first === undefined) return WAIT_MAX_NS;
    const leftNs = first.cameNs + this.#delayNs - Bun.nanoseconds();
    return Math.min(WAIT_MAX_NS, Math.max(0, Math.round(leftNs - SPIN_NS)));
  }

  #receive(fd: number, now: number): void {
    const count = Number(libc.recv(fd, this.#received, RECEIVE_BYTES, FLAGS));
    if (count <= 0) {
      this.#waiting = this.#waiting.filter((one) => one.fd !== fd);
      libc.close(fd);
      return;
    }
    // No key of the load has an asterisk, and a request comes whole.
    for (const request of this.#received.toString("latin1", 0, count).split("*").slice(1)) {
      const own = OWN_QUESTION.exec(request);
      const reply = own === null ? this.#value : fixedText(own[1] ?? PONG);
      this.#waiting.push({ fd, cameNs: now, reply });
    }
  }

  #answerDue(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const now = Bun.nanoseconds();
      if (now < first.cameNs + this.#delayNs) return;
      this.#waiting.shift();
      if (first.reply === this.#value) this.#held.record(now - first.cameNs);
      libc.send(first.fd, first.reply, first.reply.length, FLAGS);
    }
  }

  #report(): boolean {
    if (readSync(STDIN, this.#received) === 0) return false;
    writeSync(1, `${JSON.stringify(this.#held.toText())}\n`);
    this.#held = new LatencyHistogram();
    return true;
  }
}

const [port = 0, delayUs = 0, valueBytes = 0] = process.argv.slice(2).map(Number);
waitExactly();
new LateServer(port, delayUs, valueBytes).run();
