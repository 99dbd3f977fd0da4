/**
 * Where log lines go: stderr, a file, a FIFO, a terminal, or one of this process's own descriptors (`/dev/stdout`).
 *
 * Writing never waits for a reader that does not read: the supervisor and every worker write to the log, and all would stand
 * still with it.
 */
import { closeSync, constants, fstatSync, openSync, type Stats, writeSync } from "node:fs";
import { createLogger, type LogOptions, type LogOutput, type ProcessLogger } from "../base/log.ts";
import { duplicateFd } from "./fd.ts";
import { errno, libc } from "./libc.ts";
import { errnoName, OsError, reasonOf } from "./os-error.ts";
import { giveFile, type OpenedFile, type Owner, openOrMake } from "./safe-file.ts";
import { findPlace, O_CLOEXEC } from "./safe-path.ts";

const STDERR_FD = 2;
const MODE = 0o644;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const { O_WRONLY, O_APPEND, O_NONBLOCK, O_NOCTTY } = constants;

/** The log of a process, where the options say. @throws Error in one line when it cannot be opened */
export function openProcessLog(options: Omit<LogOptions, "open">): ProcessLogger {
  return createLogger({ ...options, open: openLogOutput });
}

/**
 * @param file null: stderr
 * @param owner gets the file if it is ours to give: made just now, or in a folder that only root and this process's user may
 * write to. @param mode of one that is made @throws Error in one line
 */
export function openLogOutput(
  file: string | null,
  owner: Owner | null,
  mode: number = MODE,
): LogOutput {
  if (file === null) return streamOutput(STDERR_FD, false);
  try {
    return openFile(file, owner, mode);
  } catch (error) {
    throw new Error(`cannot open log file ${file}: ${reasonOf(error)}`);
  }
}

function openFile(file: string, owner: Owner | null, mode: number): LogOutput {
  const place = findPlace(file);
  try {
    // Opened again, it could belong to another user by now, or be a socket, which cannot be opened at all.
    if (place.descriptor !== null) return streamOutput(duplicateFd(place.descriptor), true);
    const opened = openOrMake(place, O_WRONLY | O_APPEND, mode);
    if (owner !== null) giveFile(opened, owner);
    return fileOutput(opened);
  } finally {
    place.close();
  }
}

function fileOutput(opened: OpenedFile): LogOutput {
  const { fd } = opened;
  return {
    fd,
    write: (bytes, from) => writeSync(fd, bytes, from, bytes.length - from),
    giveTo: (owner) => void giveFile(opened, owner),
    close: () => closeSync(fd),
  };
}

/** An open file that others may have open, too: whether its calls wait is not ours to change. */
function streamOutput(fd: number, isOurs: boolean): LogOutput {
  const status = fstatSync(fd);
  const own = status.isSocket() ? null : openOwn(fd, status);
  const target = own ?? fd;
  const write = status.isSocket() ? sendNow : writeNow;
  return {
    fd: target,
    write: (bytes, from) => write(target, bytes, from),
    giveTo() {},
    close() {
      if (own !== null) closeSync(own);
      if (isOurs) closeSync(fd);
    },
  };
}

/** A pipe or terminal opened again, so that not waiting holds for us alone. Null: there is no need, or no permission. */
function openOwn(fd: number, status: Stats): number | null {
  if (!status.isFIFO() && !status.isCharacterDevice()) return null;
  try {
    const flags = O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    return openSync(`/proc/self/fd/${fd}`, flags);
  } catch {
    return null;
  }
}

function writeNow(fd: number, bytes: Buffer, from: number): number {
  return writeSync(fd, bytes, from, bytes.length - from);
}

function sendNow(fd: number, bytes: Buffer, from: number): number {
  const rest = bytes.subarray(from);
  const sent = Number(libc.send(fd, rest, rest.length, MSG_DONTWAIT | MSG_NOSIGNAL));
  if (sent < 0) throw new OsError("send", errnoName(errno()));
  return sent;
}
