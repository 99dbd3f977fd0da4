/**
 * The requests of one pool in one worker that took long: they are noticed when their replies are written, and only then named.
 *
 *   taken ─▶ beginning on the tape     server's reply was slow ─▶ noted     written, and it took long ─▶ told
 *
 * Besides requests over the threshold, the slowest of each minute are told at its end, if so many are wanted.
 */
import type { Frontend } from "../api/frontend.ts";
import type { SlowRequest } from "../api/inspection.ts";
import { FAMILY, type SlowNote, type SlowServer } from "../api/latency.ts";
import type { RequestSummary } from "../api/protocol-module.ts";
import { POOL } from "../api/stats.ts";
import { SLOW_KEY_BYTES_MAX } from "../base/limits.ts";
import type { Schedule } from "../base/schedule.ts";
import { shownKey } from "../base/shown-key.ts";
import type { Turn } from "../base/turn.ts";
import type { RequestTape } from "./request-tape.ts";
import type { RequestTrace } from "./request-trace.ts";

/** What is wanted; read anew for each request. */
export interface SlowOptions {
  readonly name: string;
  /** In milliseconds; null: none is slow. Absent: the program that made the configuration is older than this. */
  readonly slowlogMs?: number | null;
  /** So many of each minute. */
  readonly slowlogSlowest?: number;
  /** Keys are shown. */
  readonly slowlogKeys?: boolean;
}

/** The session of a client whose requests were slow. */
export interface SlowClient {
  readonly id: number;
  readonly peer: string;
  readonly frontend: Pick<Frontend, "facts">;
  readonly turn: Pick<Turn, "nowMs">;
  readonly trace: RequestTrace | null;
  tally(counter: number, by: number): void;
}

export interface SlowParts {
  readonly options: SlowOptions;
  readonly tape: RequestTape;
  readonly schedule: Schedule;
  /** The request with this place in `bytes`, the beginning of `length` bytes that a client sent; null: it cannot be read. */
  readonly describe: (bytes: Buffer, length: number, index: number) => RequestSummary | null;
  /** False: so many were told of lately that it would be in vain. */
  readonly hasRoom: (tookUs: number) => boolean;
  readonly tell: (request: SlowRequest) => void;
}

const MINUTE_MS = 60_000;
const NO_SUMMARY: RequestSummary = { command: "", keys: [], bytes: 0 };

export class SlowRequests implements SlowNote {
  /** As long as a request must take; Infinity: none is slow. */
  overUs: number = Number.POSITIVE_INFINITY;
  /** A server's part of a slow request is at least half of that. */
  noteMs: number = Number.POSITIVE_INFINITY;
  /** The server whose replies are just delivered, if they were late. */
  noted: SlowServer | null = null;
  readonly tape: RequestTape;
  private readonly parts: SlowParts;
  private wantedUs: number = Number.POSITIVE_INFINITY;
  private wantedOfMinute = 0;
  /** The slowest of this minute. */
  private slowest: SlowRequest[] = [];
  private isTiming = false;

  constructor(parts: SlowParts) {
    this.parts = parts;
    this.tape = parts.tape;
    this.onSettings();
  }

  get isOn(): boolean {
    return this.overUs < Number.POSITIVE_INFINITY;
  }

  onSettings(): void {
    const { slowlogMs = null, slowlogSlowest = 0 } = this.parts.options;
    this.wantedUs = slowlogMs === null ? Number.POSITIVE_INFINITY : slowlogMs * 1000;
    this.wantedOfMinute = slowlogSlowest;
    this.slowest.length = Math.min(this.slowest.length, slowlogSlowest);
    this.lookAt();
  }

  /** `count` requests from `token` on took so long, all alike; see SlowHearer. */
  answered(
    session: SlowClient,
    token: number,
    count: number,
    family: number,
    tookUs: number,
  ): void {
    const { trace } = session;
    if (family !== FAMILY.blocking && tookUs >= this.overUs) {
      const isOver = tookUs >= this.wantedUs;
      if (isOver) session.tally(POOL.slow_requests, count);
      if (!isOver) this.keep(this.requestOf(session, token, count, tookUs));
      else if (this.parts.hasRoom(tookUs)) {
        this.parts.tell(this.requestOf(session, token, count, tookUs));
      }
    }
    trace?.clearNotes();
  }

  private requestOf(
    session: SlowClient,
    token: number,
    count: number,
    totalUs: number,
  ): SlowRequest {
    const { options } = this.parts;
    const { trace, frontend, turn } = session;
    const { command, keys, bytes } = this.summaryOf(session, token);
    const [key] = keys;
    const { facts } = frontend;
    const isShown = options.slowlogKeys !== false;
    return {
      ...{
        pool: options.name,
        client: session.id,
        address: session.peer,
        agoFromMs: turn.nowMs,
      },
      ...{ name: shown(facts?.name), user: shown(facts?.user) },
      ...{ command, key: key === undefined || !isShown ? null : shownKey(key, SLOW_KEY_BYTES_MAX) },
      ...{ requests: count, totalUs, server: trace?.server?.name ?? null },
      queueUs: trace?.server?.queueUs ?? null,
      serverUs: trace?.server?.serverUs ?? null,
      ...{ requestBytes: bytes, replyBytes: trace?.replyBytes ?? 0 },
      failure: trace?.failure?.text ?? null,
    };
  }

  private summaryOf({ trace }: SlowClient, token: number): RequestSummary {
    return trace?.describe(token, this.tape, this.parts.describe) ?? NO_SUMMARY;
  }

  /** It is one of the slowest of this minute. */
  private keep(request: SlowRequest): void {
    const { slowest } = this;
    slowest.push(request);
    slowest.sort((a, b) => b.totalUs - a.totalUs);
    if (slowest.length > this.wantedOfMinute) slowest.length = this.wantedOfMinute;
    this.lookAt();
    if (this.isTiming) return;
    this.isTiming = true;
    this.parts.schedule(MINUTE_MS, () => {
      this.isTiming = false;
      for (const one of this.slowest) this.parts.tell(one);
      this.slowest = [];
      this.lookAt();
    });
  }

  private lookAt(): void {
    const { slowest, wantedOfMinute, wantedUs } = this;
    const isFull = slowest.length >= wantedOfMinute;
    const leastUs = isFull ? (slowest.at(-1)?.totalUs ?? Number.POSITIVE_INFINITY) : 0;
    this.overUs = wantedOfMinute === 0 ? wantedUs : Math.min(wantedUs, leastUs);
    this.noteMs = this.overUs / 2000;
  }
}

/** @param text one character per byte */
function shown(text = ""): string {
  return Buffer.from(text, "latin1").toString();
}
