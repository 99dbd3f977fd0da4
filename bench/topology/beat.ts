/**
 * Clients that set and read keys of their own at a fixed rate, whatever becomes of it: how long each request took from the moment it was due,
 * which replies were errors or wrong, and when which key was served again.
 */
import { crc16Slot } from "../../src/hash/crc.ts";
import { RespClient } from "../../test/support/resp-client.ts";
import { LatencyHistogram } from "../latency-histogram.ts";

export interface BeatOptions {
  readonly port: number;
  readonly connections: number;
  /** Of all connections together. */
  readonly perSecond: number;
  /** What was acknowledged may be lost, as when a replica takes over that had not got it. */
  readonly mayLose?: boolean;
}

export interface BeatFigures {
  readonly answered: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly wrong: readonly string[];
  /** By what was asked and answered. */
  readonly errors: ReadonlyMap<string, number>;
}

interface Asked {
  readonly key: string;
  /** The number that is set; null: it is read. */
  readonly set: number | null;
  readonly dueMs: number;
}

interface Beater {
  readonly client: RespClient;
  readonly keys: readonly string[];
  /** What each key holds; null: that is not known. */
  readonly held: Map<string, number | null>;
  readonly waiting: Asked[];
  turn: number;
}

const KEYS = 40;
const TICK_MS = 2;
const SLOT_MASK = 16_383;

export function slotOf(key: string): number {
  const bytes = Buffer.from(key);
  return crc16Slot(bytes, 0, bytes.length) & SLOT_MASK;
}

export class Beat {
  /** Told of each request that was answered well, and when it was due. */
  onServed: (key: string, dueMs: number) => void = () => {};
  private readonly options: BeatOptions;
  private readonly beaters: Beater[] = [];
  private histogram: LatencyHistogram = new LatencyHistogram();
  private wrong: string[] = [];
  private errors: Map<string, number> = new Map();
  private ticking: Timer | null = null;
  private dueMs = 0;
  private count = 0;

  private constructor(options: BeatOptions) {
    this.options = options;
  }

  static async start(options: BeatOptions): Promise<Beat> {
    const beat = new Beat(options);
    for (let i = 0; i < options.connections; i++) {
      const client = await RespClient.connect({ host: "127.0.0.1", port: options.port }, 120_000);
      const keys = Array.from({ length: KEYS }, (_, n) => `beat:${i}:${n * 977}`);
      const beater = { client, keys, held: new Map(), waiting: [], turn: 0 };
      beat.beaters.push(beater);
      void beat.read(beater);
    }
    beat.dueMs = performance.now();
    beat.ticking = setInterval(() => beat.tick(), TICK_MS);
    return beat;
  }

  /** What happened since it was asked last. */
  take(): BeatFigures {
    const { histogram, wrong, errors } = this;
    this.histogram = new LatencyHistogram();
    this.wrong = [];
    this.errors = new Map();
    return {
      answered: histogram.count,
      p50Ms: histogram.percentileMicros(0.5) / 1e3,
      p99Ms: histogram.percentileMicros(0.99) / 1e3,
      maxMs: histogram.maxMicros / 1e3,
      ...{ wrong, errors },
    };
  }

  /** Requests that wait for a reply. */
  get waiting(): number {
    return this.beaters.reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /** Resolves when all is answered; what is not, after a while, counts as wrong. */
  async stop(): Promise<void> {
    clearInterval(this.ticking ?? undefined);
    const endMs = performance.now() + 20_000;
    while (this.waiting > 0 && performance.now() < endMs) await Bun.sleep(5);
    if (this.waiting > 0) this.wrong.push(`${this.waiting} requests without a reply`);
    for (const { client } of this.beaters) client.close();
  }

  private tick(): void {
    const nowMs = performance.now();
    for (; this.dueMs <= nowMs; this.dueMs += 1000 / this.options.perSecond) {
      this.ask(this.beaters[this.count++ % this.beaters.length]!);
    }
  }

  private ask(beater: Beater): void {
    const number = beater.turn++;
    const key = beater.keys[(number >> 1) % beater.keys.length]!;
    const isWrite = (number & 1) === 0;
    beater.waiting.push({ key, set: isWrite ? number : null, dueMs: this.dueMs });
    beater.client.command(isWrite ? ["SET", key, `${key}=${number}`] : ["GET", key]);
  }

  private async read(beater: Beater): Promise<void> {
    for (;;) {
      const reply = await beater.client.reply().catch(() => null);
      if (reply === null) break;
      this.settle(beater, reply.toString("latin1"));
    }
    // A connection that was closed while something waited.
    for (const { key } of beater.waiting.splice(0)) this.wrong.push(`${key}: closed`);
  }

  private settle(beater: Beater, reply: string): void {
    const asked = beater.waiting.shift();
    if (asked === undefined) {
      this.wrong.push(`a reply to nothing: ${reply}`);
      return;
    }
    const { key, set, dueMs } = asked;
    this.histogram.record((performance.now() - dueMs) * 1e6);
    if (reply.startsWith("-")) {
      const text = `${set === null ? "GET" : "SET"} ${reply.trim().replace(/\d+/g, "N")}`;
      this.errors.set(text, (this.errors.get(text) ?? 0) + 1);
      if (set !== null) beater.held.set(key, null);
      return;
    }
    if (!this.isRight(beater, asked, reply)) this.wrong.push(`${key}: ${reply}`);
    this.onServed(key, dueMs);
  }

  private isRight({ held }: Beater, { key, set }: Asked, reply: string): boolean {
    if (set !== null) {
      held.set(key, set);
      return reply === "+OK\r\n";
    }
    const known = held.get(key);
    const [, name, number] = /^\$\d+\r\n(.*)=(\d+)\r\n$/.exec(reply) ?? [];
    if (reply !== "$-1\r\n" && name !== key) return false;
    if (this.options.mayLose === true || known === null) return true;
    return known === undefined ? true : Number(number) === known;
  }
}

/** Errors of reads, and of writes that were surely not executed. */
export function needlessOf(errors: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [text, count] of errors) {
    const isRead = /^(GET|MGET|EXISTS|SCAN|DBSIZE)\b/.test(text);
    if (isRead || !text.includes("may or may not have been executed")) sum += count;
  }
  return sum;
}

export function totalOf(errors: ReadonlyMap<string, number>): number {
  return [...errors.values()].reduce((sum, count) => sum + count, 0);
}
