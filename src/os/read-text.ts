/** Reads a text file whole, with a bound on its length and on the time, whatever stands at its path. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { O_CLOEXEC } from "./safe-path.ts";

export interface ReadLimits {
  readonly bytesMax: number;
  /** For a FIFO or the like, whose other end may write nothing. */
  readonly timeoutMs: number;
}

/** How often to look whether more has come. */
const LOOK_MS = 10;
const CHUNK_BYTES = 64 * 1024;
/** Opening a FIFO does not wait for its other end, nor reading for bytes. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | O_CLOEXEC;

/** @throws Error with the system's code, or in words of its own that follow the path */
export async function readText(path: string, limits: ReadLimits): Promise<string> {
  const fd = openSync(path, FLAGS);
  try {
    const status = fstatSync(fd);
    if (status.isDirectory()) throw new Error("it is a directory");
    return await readAll(fd, status.isFile(), limits);
  } finally {
    closeSync(fd);
  }
}

async function readAll(fd: number, isFile: boolean, limits: ReadLimits): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  const giveUpAtMs = performance.now() + limits.timeoutMs;
  for (;;) {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const count = readNow(fd, chunk);
    if (count > 0) {
      length += count;
      if (length > limits.bytesMax) throw new Error(`it is longer than ${limits.bytesMax} bytes`);
      chunks.push(chunk.subarray(0, count));
      continue;
    }
    // A FIFO is also at its end before a process has opened the other one.
    if (count === 0 && (isFile || length > 0)) return Buffer.concat(chunks).toString();
    if (performance.now() > giveUpAtMs) {
      throw new Error(
        `it is no regular file, and nothing came from it within ${limits.timeoutMs} ms`,
      );
    }
    await Bun.sleep(LOOK_MS);
  }
}

/** -1: nothing has come yet. */
function readNow(fd: number, chunk: Buffer): number {
  try {
    return readSync(fd, chunk, 0, chunk.length, null);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return -1;
    throw error;
  }
}
