/**
 * The keys of one pool in one worker, for operators: which are asked for most, and which are large.
 *
 *   taken ─▶ SamplePace ─▶ one now and then is read: its keys ─▶ HotKeys       its reply, when it comes ─▶ BigKeys
 *   large replies and requests: a few in each moment are read ────────────────────────────────────────────▶ BigKeys
 *
 * What is found is told every KEYS_TOLD_MS while there are requests. Reading a request allocates, so that is done a bounded number of
 * times in a second; all others cost a subtraction and two comparisons for those that came at once.
 */
import { TOKEN_MASK } from "../api/client-port.ts";
import type { KeyReport } from "../api/key-report.ts";
import type { KeySize, ReplyReader, RequestSummary } from "../api/protocol-module.ts";
import {
  BIG_LOOKS_MAX,
  BIG_LOOKS_MS,
  KEYS_TOLD_MAX,
  KEYS_TOLD_MS,
  SAMPLED_KEY_BYTES_MAX,
} from "../base/key-limits.ts";
import { SLOW_KEY_BYTES_MAX } from "../base/limits.ts";
import type { Schedule } from "../base/schedule.ts";
import { shownKey } from "../base/shown-key.ts";
import type { Turn } from "../base/turn.ts";
import { BigKeys, type BigLimits } from "./big-keys.ts";
import { HotKeys } from "./hot-keys.ts";
import type { RequestTape } from "./request-tape.ts";
import type { Describe, RequestTrace } from "./request-trace.ts";
import { SamplePace } from "./sample-pace.ts";

/** What is wanted; absent: the program that made the configuration is older than this. */
export interface KeyOptions {
  readonly name: string;
  readonly hotKeys?: boolean;
  /** Requests that are looked at in a second. */
  readonly hotKeysSamples?: number;
  /** Null: no size is large. */
  readonly bigKeysBytes?: number | null;
  readonly bigKeysElements?: number;
  /** False: operators do not see keys. */
  readonly slowlogKeys?: boolean;
}

/** The session of a client. */
export interface KeyClient {
  readonly id: number;
  readonly peer: string;
  readonly trace: RequestTrace | null;
}

export interface KeyParts {
  readonly options: KeyOptions;
  readonly tape: RequestTape;
  readonly turn: Pick<Turn, "nowMs">;
  readonly schedule: Schedule;
  readonly random: () => number;
  readonly describe: Describe;
  /** Null: replies of this protocol cannot be read. */
  readonly replyReader: ReplyReader | null;
  /** The server of a key; null: none is left. */
  readonly serverOf: (key: Buffer) => string | null;
  readonly tell: (report: KeyReport) => void;
}

const NO_LIMITS: BigLimits = {
  bytes: Number.POSITIVE_INFINITY,
  elements: Number.POSITIVE_INFINITY,
};

export class PoolKeys {
  private readonly parts: KeyParts;
  private readonly pace: SamplePace;
  private readonly hot: HotKeys = new HotKeys();
  private readonly big: BigKeys = new BigKeys();
  private limits: BigLimits = NO_LIMITS;
  private samplesPerSecond = 0;
  /** Since it was told last. */
  private requests = 0;
  private samples = 0;
  /** What SamplePace had passed by then. */
  private passed = 0;
  private isTiming = false;
  /** Large ones that were read since. */
  private looks = 0;
  private looksMs = 0;

  constructor(parts: KeyParts) {
    this.parts = parts;
    this.pace = new SamplePace(parts.random);
    this.onSettings();
  }

  /** What clients send must be put on the tape. */
  get needsTape(): boolean {
    return this.pace.isOn || this.limits.bytes < Number.POSITIVE_INFINITY;
  }

  onSettings(): void {
    const { options, turn } = this.parts;
    const { hotKeys = false, hotKeysSamples = 0, bigKeysBytes = null, bigKeysElements } = options;
    const mayShow = options.slowlogKeys !== false;
    this.samplesPerSecond = hotKeysSamples;
    const isOn = mayShow && hotKeys && hotKeysSamples > 0;
    if (!isOn) this.pace.stop();
    else if (!this.pace.isOn) this.pace.start(turn.nowMs);
    const isLarge = mayShow && bigKeysBytes !== null && bigKeysElements !== undefined;
    this.limits = isLarge ? { bytes: bigKeysBytes, elements: bigKeysElements } : NO_LIMITS;
    if (mayShow) return;
    // What was found before they were hidden.
    this.hot.take(0);
    this.big.take();
  }

  /** The `count` requests from `token` on, which is the first, were taken: they are bytes[start, end). */
  taken(
    client: KeyClient,
    token: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    if (this.pace.isDue(count)) this.sample(client, token, count, bytes, start, end);
    // Of several the largest may be much larger than the average: only a sample tells.
    if (end - start >= this.limits.bytes && end - start >= (count * this.limits.bytes) / 2) {
      this.lookAtRequests(client, count, bytes, start, end);
    }
  }

  /** The replies to the `count` requests from `token` on have come: they are bytes[start, end). */
  replied(
    client: KeyClient,
    token: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const { trace } = client;
    if (trace === null) return;
    if (trace.sampled !== null) this.measureSampled(client, token, count, bytes, start, end);
    if (end - start >= this.limits.bytes && this.mayLook()) {
      this.lookAtReplies(client, token, count, bytes, start, end);
    }
  }

  private sample(
    client: KeyClient,
    token: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const { parts } = this;
    const weight = this.pace.next(parts.turn.nowMs, this.samplesPerSecond);
    this.requests += weight;
    this.samples++;
    this.tellLater();
    const index = Math.floor(parts.random() * count);
    const summary = parts.describe(bytes.subarray(start, end), end - start, index);
    const [first] = summary?.keys ?? [];
    if (summary === null || first === undefined) return;
    const { command, keys } = summary;
    // Of several keys one stands for all: to count each costs as much as so many requests.
    const one = keys.length === 1 ? first : keys[Math.floor(parts.random() * keys.length)]!;
    const named = weight * keys.length;
    const key = this.hot.add(keyText(one), command, named, () => parts.serverOf(one));
    key.bytes += weight * summary.bytes;
    if (keys.length === 1) this.noteRequest(client, summary);
    const { trace } = client;
    if (trace === null || keys.length > 1) return;
    trace.sampled = {
      ...{ token: (token + index) & TOKEN_MASK, weight, key, command, atMs: parts.turn.nowMs },
      bytesOfKey: first.length > SAMPLED_KEY_BYTES_MAX ? null : Buffer.from(first),
    };
  }

  private measureSampled(
    client: KeyClient,
    token: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const trace = client.trace!;
    const sampled = trace.sampled!;
    const index = (sampled.token - token) & TOKEN_MASK;
    if (index >= count) return;
    trace.sampled = null;
    const tookMs = this.parts.turn.nowMs - sampled.atMs;
    sampled.key.us += sampled.weight * Math.round(tookMs * 1000);
    const reader = this.parts.replyReader;
    let from = start;
    for (let i = 0; reader !== null && i < index && from > 0; i++) {
      from = reader.endOf(bytes, from, end);
    }
    const to = count === 1 ? end : (reader?.endOf(bytes, from, end) ?? 0);
    if (to <= from || (index > 0 && from === 0)) return;
    sampled.key.bytes += sampled.weight * (to - from);
    if (sampled.bytesOfKey === null) return;
    const request = { command: sampled.command, keys: [sampled.bytesOfKey], bytes: 0 };
    const size = reader?.largestKey(request, bytes, from, to) ?? null;
    if (size !== null) this.note(client, sampled.command, size);
  }

  /** Of some large replies there is one that is the largest. */
  private lookAtReplies(
    client: KeyClient,
    token: number,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const { replyReader: reader, tape, describe } = this.parts;
    if (reader === null) return;
    let largest = -1;
    let from = start;
    let to = end;
    for (let at = start, i = 0; i < count; i++) {
      const next = count === 1 ? end : reader.endOf(bytes, at, end);
      if (next <= at) return;
      if (largest < 0 || next - at > to - from) {
        largest = i;
        from = at;
        to = next;
      }
      at = next;
    }
    if (to - from < this.limits.bytes) return;
    const request = client.trace!.describe((token + largest) & TOKEN_MASK, tape, describe);
    const size = request === null ? null : reader.largestKey(request, bytes, from, to);
    if (request !== null && size !== null) this.note(client, request.command, size);
  }

  private lookAtRequests(
    client: KeyClient,
    count: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const piece = bytes.subarray(start, end);
    for (let i = 0; i < count && this.mayLook(); i++) {
      const summary = this.parts.describe(piece, piece.length, i);
      if (summary !== null) this.noteRequest(client, summary);
    }
  }

  private noteRequest(client: KeyClient, { command, keys, bytes }: RequestSummary): void {
    const [key] = keys;
    // Of several it is not known which of them is large.
    if (key !== undefined && keys.length === 1) {
      this.note(client, command, { key, bytes, elements: null });
    }
  }

  private note({ id, peer }: KeyClient, command: string, { key, bytes, elements }: KeySize): void {
    const { limits } = this;
    if (bytes < limits.bytes && (elements ?? 0) < limits.elements) return;
    const server = this.parts.serverOf(key);
    const named = { key: keyText(key), command, server };
    this.big.add({ ...named, bytes, elements, client: id, address: peer }, limits);
    this.tellLater();
  }

  private mayLook(): boolean {
    const { nowMs } = this.parts.turn;
    if (nowMs - this.looksMs >= BIG_LOOKS_MS) {
      this.looksMs = nowMs;
      this.looks = 0;
    }
    this.looks++;
    return this.looks <= BIG_LOOKS_MAX;
  }

  private tellLater(): void {
    if (this.isTiming) return;
    this.isTiming = true;
    this.parts.schedule(KEYS_TOLD_MS, () => this.tell());
  }

  private tell(): void {
    const { parts, samples } = this;
    const requests = this.requests;
    const hot = this.hot.take(KEYS_TOLD_MAX);
    const big = this.big.take();
    this.requests = 0;
    this.samples = 0;
    this.isTiming = false;
    if (samples > 0 || big.length > 0) {
      parts.tell({ pool: parts.options.name, requests, samples, hot, big });
    }
    const came = requests + this.pace.passed - this.passed;
    this.passed = this.pace.passed;
    if (!this.pace.isOn) return;
    this.pace.slowDown(came, KEYS_TOLD_MS, this.samplesPerSecond);
    // Until none come any more: the next requests after that are looked at soon.
    if (came > 0) this.tellLater();
  }
}

function keyText(key: Buffer): string {
  return shownKey(key, SLOW_KEY_BYTES_MAX);
}
