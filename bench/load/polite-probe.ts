/**
 * A client that asks for little at a fixed rate: how long each request takes, from the moment it was due.
 *
 * A process of its own: `bun bench/load/polite-probe.ts '{"port": …}'`. For each line on stdin one line of JSON, a `PoliteReport` of the
 * time since the line before; leaves when its stdin ends. What the probe, the proxy and the server waited for a core meanwhile, because other
 * processes had them, is subtracted.
 */
import { readFileSync, readSync, writeSync } from "node:fs";
import { connectTo, fixedBytes, libc, MSG_DONTWAIT, MSG_NOSIGNAL, Watch } from "./libc.ts";

export interface PoliteOrder {
  readonly port: number;
  readonly connections: number;
  readonly requestsPerSecond: number;
  /** A request, and the whole reply to it. */
  readonly request: string;
  readonly reply: string;
  /** Processes whose waits for a core are not counted, besides its own. */
  readonly processes: readonly number[];
}

export interface PoliteReport {
  readonly requests: number;
  /** Milliseconds, less what was waited for a core. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** Wrong replies, and connections that were closed. */
  readonly faults: number;
  /** The beginning of the last wrong reply; "": there was none. */
  readonly fault: string;
  /** Requests that have no reply yet, and since when the oldest of them is due. */
  readonly waiting: number;
  readonly oldestMs: number;
}

const STDIN = 1_000_000;
const OWN_EVERY_MS = 2;
const FAULT_LENGTH = 80;
const SAMPLES_MAX = 2_000_000;

/** Of the main thread of a process so far. */
const waitMsOf = (pid: number | "self"): number =>
  Number(readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ")[1]) / 1e6;

class Probe {
  readonly #order: PoliteOrder;
  readonly #request: Buffer;
  readonly #fds: number[] = [];
  readonly #watch = new Watch();
  /** By connection: when what is owed was due, with the probe's own wait until then. */
  readonly #due: { readonly atMs: number; readonly ownMs: number }[][] = [];
  readonly #got: string[] = [];
  readonly #chunk = fixedBytes(64 * 1024);
  readonly #samples = new Float64Array(SAMPLES_MAX);
  #count = 0;
  #faults = 0;
  #fault = "";
  #own = { atMs: 0, waitMs: 0 };

  constructor(order: PoliteOrder) {
    this.#order = order;
    this.#request = fixedBytes(order.request.length);
    this.#request.write(order.request, "latin1");
    for (let i = 0; i < order.connections; i++) {
      const fd = connectTo(order.port);
      if (fd < 0) throw new Error("no connection");
      this.#fds.push(fd);
      this.#due.push([]);
      this.#got.push("");
      this.#watch.add(fd, i);
    }
    this.#watch.add(0, STDIN);
  }

  #waitMs(): number {
    return this.#order.processes.reduce((sum, pid) => sum + waitMsOf(pid), waitMsOf("self"));
  }

  run(): void {
    const { connections, requestsPerSecond } = this.#order;
    const stepMs = 1000 / requestsPerSecond;
    let dueMs = performance.now() + stepMs;
    let next = 0;
    for (;;) {
      const nowMs = performance.now();
      if (nowMs - this.#own.atMs >= OWN_EVERY_MS)
        this.#own = { atMs: nowMs, waitMs: this.#waitMs() };
      for (; dueMs <= nowMs; dueMs += stepMs) this.#ask(next++ % connections, dueMs);
      const ready = this.#watch.wait(Math.max(0, dueMs - performance.now()) * 1e6);
      for (let i = 0; i < ready; i++) {
        const id = this.#watch.idAt(i);
        if (id !== STDIN) this.#hear(id);
        else if (readSync(0, this.#chunk) <= 0) return;
        else this.#report();
      }
    }
  }

  #ask(i: number, atMs: number): void {
    if (this.#fds[i]! < 0) return;
    this.#due[i]!.push({ atMs, ownMs: this.#own.waitMs });
    libc.send(this.#fds[i]!, this.#request, this.#request.length, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  #hear(i: number): void {
    const chunk = this.#chunk;
    const length = Number(libc.recv(this.#fds[i]!, chunk, chunk.length, MSG_DONTWAIT));
    if (length <= 0) {
      libc.close(this.#fds[i]!);
      this.#fds[i] = -1;
      this.#faults++;
      return;
    }
    const { reply } = this.#order;
    let got = this.#got[i]! + chunk.toString("latin1", 0, length);
    const nowMs = performance.now();
    const ownMs = this.#waitMs();
    while (got.length >= reply.length || (got !== "" && !reply.startsWith(got))) {
      const due = this.#due[i]!.shift();
      if (due === undefined || !got.startsWith(reply)) {
        // Where the next reply begins is not known: what is owed is not waited for.
        this.#faults++;
        this.#fault = got.substring(0, FAULT_LENGTH);
        this.#due[i] = [];
        got = "";
        break;
      }
      const { atMs, ownMs: before } = due;
      got = got.substring(reply.length);
      const tookMs = nowMs - atMs;
      this.#samples[this.#count++ % SAMPLES_MAX] = tookMs - Math.min(tookMs, ownMs - before);
    }
    this.#got[i] = got;
  }

  #report(): void {
    const sorted = this.#samples.subarray(0, Math.min(this.#count, SAMPLES_MAX)).sort();
    const part = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
    const waiting = this.#due.flat();
    const report: PoliteReport = {
      requests: this.#count,
      ...{
        p50: part(0.5),
        p99: part(0.99),
        p999: part(0.999),
        max: part(1),
        faults: this.#faults,
        fault: this.#fault,
      },
      waiting: waiting.length,
      oldestMs: performance.now() - Math.min(performance.now(), ...waiting.map(({ atMs }) => atMs)),
    };
    writeSync(1, `${JSON.stringify(report)}\n`);
    this.#count = 0;
    this.#faults = 0;
    this.#fault = "";
  }
}

if (import.meta.main) new Probe(JSON.parse(process.argv[2] ?? "{}") as PoliteOrder).run();
