/**
 * Runs a program for its answer, as an upgrade does with the new executable before anything is touched. It may be any program:
 * one that hangs, floods, or leaves processes behind that hold its output open.
 *
 * It runs in a session of its own, so that all it starts can be ended with it. A process that leaves that session is not
 * waited for. What it prints is bounded, and so is the time.
 */
import { processExists } from "../../os/process.ts";

export interface TrialLimits {
  /** Until it has ended. */
  readonly timeoutMs: number;
  /** Bytes of stdout, and of stderr. */
  readonly outputBytesMax: number;
  readonly errorBytesMax: number;
}

export interface TrialAnswer {
  readonly output: string;
  readonly errors: string;
  readonly code: number | null;
  /** Name of the signal that ended it. */
  readonly signal: string | null;
}

/** What it did wrong, as the end of a sentence that begins with its path. */
export class TrialError extends Error {}

interface Reader {
  read(): Promise<{ readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

type Child = Bun.Subprocess<"ignore", "pipe", "pipe">;

/** What it printed is there at once when it has ended; only a process that it left behind keeps the end of it from coming. */
const END_OF_OUTPUT_MS = 1_000;

const running = new Set<Child>();

/** @param extraFd becomes its fd 3; borrowed. @throws TrialError; what Bun.spawn throws */
export async function runTrial(
  command: readonly string[],
  extraFd: number | null,
  limits: TrialLimits,
): Promise<TrialAnswer> {
  const stdio = ["ignore", "pipe", "pipe", ...(extraFd === null ? [] : [extraFd])];
  const child: Child = Bun.spawn([...command], {
    argv0: "proxy",
    stdio: stdio as ["ignore", "pipe", "pipe"],
    detached: true,
  });
  running.add(child);
  const failed = Promise.withResolvers<never>();
  // All races may be over when it comes.
  failed.promise.catch(() => {});
  const fail = (text: string): void => failed.reject(new TrialError(text));
  const timer = setTimeout(
    () => fail(`did not answer within ${limits.timeoutMs} ms`),
    limits.timeoutMs,
  );
  const output = new BoundedReader(child.stdout, limits.outputBytesMax, () =>
    fail(`printed more than ${limits.outputBytesMax} bytes when it was asked what it is`),
  );
  const errors = new BoundedReader(child.stderr, limits.errorBytesMax, () =>
    fail(`printed more than ${limits.errorBytesMax} bytes of errors`),
  );
  try {
    await Promise.race([child.exited, failed.promise]);
    const ends = Promise.all([output.ended, errors.ended]);
    await Promise.race([ends, failed.promise, Bun.sleep(END_OF_OUTPUT_MS)]);
    const { exitCode: code, signalCode } = child;
    const signal = signalCode === null ? null : String(signalCode);
    return { output: output.text, errors: errors.text, code, signal };
  } finally {
    clearTimeout(timer);
    endAll(child);
    output.stop();
    errors.stop();
    running.delete(child);
  }
}

/** For a proxy that stops: nothing that it started goes on without it. */
export function endTrials(): void {
  for (const child of running) endAll(child);
}

function endAll(child: Child): void {
  child.kill("SIGKILL");
  // Its number is the session's as long as anything of that is left; a process that has it by now would be another.
  if (child.exitCode !== null || child.signalCode !== null) {
    if (processExists(child.pid)) return;
  }
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nothing is left.
  }
}

/** Collects what a stream brings, up to a bound; beyond it nothing is kept. */
class BoundedReader {
  readonly ended: Promise<void>;
  readonly #reader: Reader;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;
  #isStopped = false;

  constructor(stream: ReadableStream<Uint8Array>, bytesMax: number, onTooMuch: () => void) {
    this.#reader = stream.getReader();
    this.ended = this.#read(bytesMax, onTooMuch);
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  stop(): void {
    this.#isStopped = true;
    this.#reader.cancel().catch(() => {});
  }

  async #read(bytesMax: number, onTooMuch: () => void): Promise<void> {
    try {
      while (!this.#isStopped) {
        const { value } = await this.#reader.read();
        if (value === undefined) return;
        this.#length += value.length;
        if (this.#length > bytesMax) {
          onTooMuch();
          return;
        }
        this.#chunks.push(value);
      }
    } catch {
      // The pipe broke: what came before is all there is.
    }
  }
}
