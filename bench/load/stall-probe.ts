/**
 * Clients that ask again and again whether they are served: how long each waits, and how much of that is the probe's own wait for a
 * core.
 *
 * A process of its own: `bun bench/load/stall-probe.ts PORT`. For each line on stdin one line of JSON, a `StallReport` of the time since
 * the line before; leaves when its stdin ends.
 */
import { readFileSync, readSync, writeSync } from "node:fs";
import { setPriority } from "node:os";
import {
  connectTo,
  fixedBytes,
  fixedText,
  libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  Watch,
} from "./libc.ts";

export interface Stall {
  /** Milliseconds since the epoch. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Of it, what the probe itself waited for a core. */
  readonly ownMs: number;
  /** Of it, how long the host of this virtual machine kept a core to itself: of the core that it kept longest, to 10 ms. */
  readonly stolenMs: number;
}

export interface StallReport {
  readonly requests: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** The longest, and those over 20 ms, less the probe's own wait for a core. */
  readonly maxLessOwn: number;
  readonly over20LessOwn: number;
  /** Those of them that were over 20 ms without what the host took, too. */
  readonly over20LessStolen: number;
  /** Connections that were closed. */
  readonly closed: number;
  /** The longest of them. */
  readonly stalls: readonly Stall[];
}

const CONNECTIONS = 8;
const PAUSE_MS = 1;
const LONG_MS = 10;
const STALLS_MAX = 20;
const SAMPLES_MAX = 4_000_000;
/** The probe's own wait, and what the host took, are looked at so often. */
const OWN_EVERY_MS = 5;
/** Of /proc/stat, which counts in hundredths of a second. */
const TICK_MS = 10;
const STEAL_FIELD = 8;
const STDIN = 1_000;

const request = fixedText("PING\r\n");
const reply = fixedBytes(512);
const samples = new Float64Array(SAMPLES_MAX);

const epochMs = (): number => performance.timeOrigin + performance.now();
const ownWaitMs = (): number =>
  Number(readFileSync("/proc/thread-self/schedstat", "latin1").split(" ")[1]) / 1e6;

/** How long the host kept each core to itself since it started. */
function stolenMs(): number[] {
  const lines = readFileSync("/proc/stat", "latin1").split("\n");
  return lines
    .filter((line) => /^cpu\d/.test(line))
    .map((line) => Number(line.split(" ")[STEAL_FIELD]) * TICK_MS);
}

/** What was read at a moment. */
interface Sample {
  readonly atMs: number;
  readonly waitMs: number;
  /** By core. */
  readonly stolenMs: readonly number[];
}

class Probe {
  readonly #fds: number[] = [];
  readonly #watch = new Watch();
  readonly #sentMs = new Float64Array(CONNECTIONS);
  readonly #dueMs = new Float64Array(CONNECTIONS);
  readonly #isAsking = new Uint8Array(CONNECTIONS);
  /** From before the oldest request until now. */
  #own: Sample[] = [];
  #count = 0;
  #closed = 0;
  #over20 = 0;
  #over20LessStolen = 0;
  #maxLessOwn = 0;
  #stalls: Stall[] = [];

  constructor(port: number) {
    for (let i = 0; i < CONNECTIONS; i++) {
      const fd = connectTo(port);
      if (fd < 0) throw new Error("no connection");
      this.#fds.push(fd);
      this.#watch.add(fd, i);
    }
    this.#watch.add(0, STDIN);
  }

  run(): void {
    for (;;) {
      const nowMs = epochMs();
      if (nowMs - (this.#own.at(-1)?.atMs ?? 0) >= OWN_EVERY_MS) this.#readOwn(nowMs);
      let nextMs = nowMs + 1000;
      for (let i = 0; i < CONNECTIONS; i++) {
        if (this.#isAsking[i] === 1 || this.#fds[i]! < 0) continue;
        if (this.#dueMs[i]! > nowMs) nextMs = Math.min(nextMs, this.#dueMs[i]!);
        else this.#ask(i);
      }
      const ready = this.#watch.wait(Math.max(0, nextMs - epochMs()) * 1e6);
      for (let i = 0; i < ready; i++) {
        const id = this.#watch.idAt(i);
        if (id !== STDIN) this.#hear(id);
        else if (readSync(0, reply) <= 0) return;
        else this.#report();
      }
    }
  }

  #readOwn(atMs: number): void {
    this.#own.push({ atMs, waitMs: ownWaitMs(), stolenMs: stolenMs() });
    const oldest = Math.min(...this.#sentMs);
    while (this.#own.length > 1 && this.#own[1]!.atMs < oldest) this.#own.shift();
  }

  #ask(i: number): void {
    this.#isAsking[i] = 1;
    this.#sentMs[i] = epochMs();
    libc.send(this.#fds[i]!, request, request.length, MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  #hear(i: number): void {
    const length = Number(libc.recv(this.#fds[i]!, reply, reply.length, MSG_DONTWAIT));
    const nowMs = epochMs();
    if (length <= 0) {
      libc.close(this.#fds[i]!);
      this.#fds[i] = -1;
      this.#closed++;
      return;
    }
    if (this.#isAsking[i] === 0) return;
    const fromMs = this.#sentMs[i]!;
    const tookMs = nowMs - fromMs;
    if (this.#count < SAMPLES_MAX) samples[this.#count++] = tookMs;
    if (tookMs > LONG_MS) this.#noteStall(fromMs, nowMs);
    this.#isAsking[i] = 0;
    this.#dueMs[i] = nowMs + PAUSE_MS;
  }

  #noteStall(fromMs: number, toMs: number): void {
    const before = this.#own.findLast(({ atMs }) => atMs <= fromMs) ?? this.#own[0]!;
    const tookMs = toMs - fromMs;
    const ownMs = Math.min(ownWaitMs() - before.waitMs, tookMs);
    const stolen = Math.max(...stolenMs().map((ms, core) => ms - before.stolenMs[core]!));
    const less = tookMs - ownMs;
    this.#maxLessOwn = Math.max(this.#maxLessOwn, less);
    if (less > 20) this.#over20++;
    // The host may well have taken the core that the probe waited for.
    if (less > 20 && tookMs - Math.max(ownMs, stolen) > 20) this.#over20LessStolen++;
    this.#stalls.push({ fromMs, toMs, ownMs, stolenMs: Math.min(stolen, tookMs) });
    this.#stalls.sort((a, b) => b.toMs - b.fromMs - b.ownMs - (a.toMs - a.fromMs - a.ownMs));
    this.#stalls.length = Math.min(this.#stalls.length, STALLS_MAX);
  }

  #report(): void {
    const sorted = samples.subarray(0, this.#count).sort();
    const part = (share: number): number => sorted[Math.floor((this.#count - 1) * share)] ?? 0;
    const report: StallReport = {
      ...{
        requests: this.#count,
        p50: part(0.5),
        p99: part(0.99),
        p999: part(0.999),
        max: part(1),
      },
      maxLessOwn: Math.max(this.#maxLessOwn, Math.min(part(1), LONG_MS)),
      over20LessOwn: this.#over20,
      over20LessStolen: this.#over20LessStolen,
      closed: this.#closed,
      stalls: this.#stalls,
    };
    writeSync(1, `${JSON.stringify(report)}\n`);
    this.#count = 0;
    this.#over20 = 0;
    this.#over20LessStolen = 0;
    this.#maxLessOwn = 0;
    this.#stalls = [];
  }
}

/** A probe that seldom waits for a core says what the proxy does, not what the scheduler does with the probe. Only root may. */
function comeFirst(): void {
  try {
    setPriority(-20);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return;
    throw error;
  }
}

comeFirst();
new Probe(Number(process.argv[2])).run();
