/** Both engines, for tests of what the data plane relies on. */
import type { Engine, EngineName, SocketTuning } from "../../src/api/engine.ts";
import type { Stream, StreamEvents } from "../../src/api/stream.ts";
import { bunEngine } from "../../src/engine/bun/engine.ts";
import { createUringEngine } from "../../src/engine/uring/engine.ts";

export const ENGINES: readonly EngineName[] = ["bun", "uring"];

export const PLAIN: SocketTuning = { isKeptAlive: false, isUndelayed: true, isQuicklyAcked: false };

let uring: Engine | null = null;

/** The same one until `closeEngines`. The machine that runs the tests must have io_uring. */
export function engineNamed(name: EngineName): Engine {
  if (name === "bun") return bunEngine;
  uring ??= createUringEngine(() => {});
  return uring;
}

/** To be called when all tests of a file are over: two loops in one process would hinder each other. */
export function closeEngines(): void {
  uring?.close();
  uring = null;
}

/** What was heard of a stream. */
export class Ear implements StreamEvents {
  readonly heard: string[] = [];
  readonly chunks: Buffer[] = [];
  readonly closed: Promise<string>;
  onNext: () => void = () => {};
  #close!: (cause: string) => void;
  #waiting: { isSo: () => boolean; resolve: () => void }[] = [];

  constructor() {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.closed = promise;
    this.#close = resolve;
  }

  /** All bytes. */
  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get size(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0);
  }

  /** Resolves as soon as it holds after an event, or now. */
  async until(isSo: () => boolean): Promise<void> {
    if (isSo()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ isSo, resolve });
    await promise;
  }

  /** What was heard besides `drain`, which may come at any time; bytes in one piece. */
  get story(): string[] {
    const story: string[] = [];
    for (const what of this.heard) {
      if (what !== "drain" && !(what === "bytes" && story.at(-1) === "bytes")) story.push(what);
    }
    return story;
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.chunks.push(Buffer.from(bytes.subarray(start, end)));
    this.#note("bytes");
  }

  onDrain(): void {
    this.#note("drain");
  }

  onEnd(): void {
    this.#note("end");
  }

  onClose(cause: string): void {
    this.#note("close");
    this.#close(cause);
  }

  #note(what: string): void {
    this.heard.push(what);
    this.onNext();
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ isSo }) => !isSo());
    for (const waiter of waiting) if (!this.#waiting.includes(waiter)) waiter.resolve();
  }
}

/** Writes all of `bytes`, as far as the stream goes; `ear` must be the stream's. */
export function writeAll(stream: Stream, ear: Ear, bytes: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let sent = 0;
  const pump = (): void => {
    while (sent < bytes.length) {
      const taken = stream.write(bytes, sent, bytes.length - sent);
      if (taken < 0) {
        reject(new Error("the stream is gone"));
        return;
      }
      if (taken === 0) return;
      sent += taken;
    }
    ear.onNext = () => {};
    resolve();
  };
  ear.onNext = pump;
  pump();
  return promise;
}
