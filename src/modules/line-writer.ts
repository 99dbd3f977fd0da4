/** Lines that a module writes to a file or a TCP peer: never waits, and drops lines when too many are unwritten. */
import { appendFile } from "node:fs/promises";
import type { Socket } from "bun";
import { MODULE_LINES_BYTES_MAX } from "../base/limits.ts";

/** After a failure it is tried again after this. */
const RETRY_MS = 1_000;

export interface LineOutput {
  write(line: string): boolean;
  readonly dropped: number;
  /** Resolves when all is written. */
  flushed(): Promise<void>;
  close(): void;
}

/** @param onTrouble told once, when writing fails after it worked, with the reason */
export function openLines(target: string, onTrouble: (reason: string) => void): LineOutput {
  const [, host, port] = /^tcp:\/\/(.+):(\d+)$/.exec(target) ?? [];
  return host === undefined
    ? new Lines(new FileSink(target), onTrouble)
    : new Lines(new TcpSink(host, Number(port)), onTrouble);
}

interface Sink {
  /** Writes all of it. Rejects when it cannot, and then nothing, or an unknown part, was taken. */
  write(bytes: Buffer): Promise<void>;
  close(): void;
}

class Lines implements LineOutput {
  dropped = 0;
  readonly #sink: Sink;
  readonly #onTrouble: (reason: string) => void;
  #lines: string[] = [];
  /** Of `#lines`, and of what is being written. */
  #bytes = 0;
  #isWriting = false;
  #isClosed = false;
  #isInTrouble = false;
  #waiting: (() => void)[] = [];

  constructor(sink: Sink, onTrouble: (reason: string) => void) {
    this.#sink = sink;
    this.#onTrouble = onTrouble;
  }

  write(line: string): boolean {
    // Characters may have three bytes.
    const size = line.length * 3 + 1;
    if (this.#isClosed || this.#bytes + size > MODULE_LINES_BYTES_MAX) {
      this.dropped += 1;
      return false;
    }
    this.#bytes += size;
    this.#lines.push(line);
    if (!this.#isWriting) this.#start();
    return true;
  }

  flushed(): Promise<void> {
    if (!this.#isWriting) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#isClosed = true;
    this.#sink.close();
  }

  #start(): void {
    this.#isWriting = true;
    // What is written in the same turn goes together.
    setImmediate(() => {
      this.#run().catch((error: unknown) => this.#onTrouble(String(error)));
    });
  }

  async #run(): Promise<void> {
    while (this.#lines.length > 0 && !this.#isClosed) {
      const lines = this.#lines;
      const size = this.#bytes;
      this.#lines = [];
      const bytes = Buffer.from(`${lines.join("\n")}\n`);
      while (!this.#isClosed) {
        try {
          await this.#sink.write(bytes);
          this.#isInTrouble = false;
          break;
        } catch (error) {
          if (!this.#isInTrouble) this.#onTrouble((error as Error).message);
          this.#isInTrouble = true;
          await Bun.sleep(RETRY_MS);
        }
      }
      this.#bytes -= size;
    }
    this.#isWriting = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Opened for each batch: a file that was renamed away by log rotation is left alone. */
class FileSink implements Sink {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  write(bytes: Buffer): Promise<void> {
    return appendFile(this.#path, bytes, { mode: 0o640 });
  }

  close(): void {}
}

class TcpSink implements Sink {
  readonly #host: string;
  readonly #port: number;
  #socket: Socket<undefined> | null = null;
  #isClosed = false;
  #wake: (fault: Error | null) => void = () => {};

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  async write(bytes: Buffer): Promise<void> {
    this.#socket ??= await this.#connect();
    let written = 0;
    while (written < bytes.length) {
      if (this.#isClosed || this.#socket === null) throw new Error("the connection is closed");
      const taken = this.#socket.write(bytes, written, bytes.length - written);
      if (taken < 0) throw new Error("the connection is closed");
      written += taken;
      if (written < bytes.length) {
        await new Promise<void>((resolve, reject) => {
          this.#wake = (fault) => (fault === null ? resolve() : reject(fault));
        });
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.end();
    this.#wake(new Error("closed"));
  }

  #connect(): Promise<Socket<undefined>> {
    const gone = (): void => {
      this.#socket = null;
      this.#wake(new Error("the connection is closed"));
    };
    return Bun.connect<undefined>({
      hostname: this.#host,
      port: this.#port,
      socket: { data() {}, drain: () => this.#wake(null), close: gone, end: gone, error: gone },
    });
  }
}
