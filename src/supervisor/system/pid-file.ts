/**
 * The pid file. Its lock, not its content, says whether a proxy owns it: the kernel drops the lock with the process,
 * so a file that a killed proxy left behind is simply taken over.
 *
 * Others read the file, and each that may read it may lock it. So a lock counts only when its holder is a process of root or of
 * this user; another user's lock stays on a file that is removed, and a new file is locked before others can open it.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  readSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { tryLock } from "../../os/fd.ts";
import { trustedHolders } from "../../os/lock-holders.ts";
import { reasonOf } from "../../os/os-error.ts";
import { makeFile, openOrMake } from "../../os/safe-file.ts";
import { findPlace, type Place } from "../../os/safe-path.ts";
import { RUNNING_ADVICE, StartError } from "../start-error.ts";

export interface PidFile {
  readonly path: string;
  /** Holds the lock. */
  readonly fd: number;
  /** Writes this process's number: from now on others may rely on it. */
  write(): void;
  remove(): void;
}

/** Between opening and locking, its owner may have removed the file: then there is a new one to try. */
const ATTEMPTS = 5;
const MODE = 0o644;
/** Until it is locked. */
const PRIVATE_MODE = 0o600;
/** More than any process number takes. */
const TEXT_BYTES_MAX = 32;

/** Takes the file without writing to it. @throws StartError when a live proxy has it or it cannot be opened. */
export function claimPidFile(path: string): PidFile {
  try {
    const place = findPlace(path);
    try {
      return new LockedPidFile(path, claimAt(place, path), place);
    } catch (error) {
      place.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError([`cannot open pid file ${path}: ${reasonOf(error)}`]);
  }
}

function claimAt(place: Place, path: string): number {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const fd = makeLocked(place) ?? lockExisting(place, path);
    if (fd !== null && isStillAt(place.at, fd)) return fd;
    if (fd !== null) closeSync(fd);
  }
  throw new StartError([`pid file ${path} is being replaced over and over`]);
}

/** Goes on with a file that the program before this one claimed. */
export function adoptPidFile({
  path,
  fd,
}: {
  readonly path: string;
  readonly fd: number;
}): PidFile {
  return new LockedPidFile(path, fd, null);
}

class LockedPidFile implements PidFile {
  readonly path: string;
  readonly fd: number;

  /** Held open: without free descriptors the file could not be found any more. Null: the program before this one had it. */
  readonly #place: Place | null;

  constructor(path: string, fd: number, place: Place | null) {
    this.path = path;
    this.fd = fd;
    this.#place = place;
  }

  write(): void {
    ftruncateSync(this.fd);
    const text = Buffer.from(`${process.pid}\n`);
    writeSync(this.fd, text, 0, text.length, 0);
  }

  remove(): void {
    try {
      const place = this.#place ?? findPlace(this.path);
      if (isStillAt(place.at, this.fd)) unlinkSync(place.at);
      place.close();
    } catch {
      // The folder is no longer writable; the lock goes with the process all the same.
    }
    closeSync(this.fd);
  }
}

/** Null: there is a file. */
function makeLocked(place: Place): number | null {
  const made = makeFile(place, constants.O_RDWR, PRIVATE_MODE);
  if (made === null) return null;
  const { fd } = made;
  // Root or this user may have opened it in between: then its turn comes again below.
  const isLocked = tryLock(fd);
  fchmodSync(fd, MODE & ~process.umask());
  if (isLocked) return fd;
  closeSync(fd);
  return null;
}

/** Null: it is to be tried once more. */
function lockExisting(place: Place, path: string): number | null {
  const { fd, status } = openOrMake(place, constants.O_RDWR, PRIVATE_MODE);
  try {
    const text = readOwner(fd, status, path);
    if (tryLock(fd)) return fd;
    const holders = trustedHolders(fd);
    if (holders === null || holders.length > 0) {
      const who = text === "" ? "" : ` with pid ${text}`;
      throw new StartError([
        `pid file ${path} belongs to a proxy that is running${who}; ${RUNNING_ADVICE}`,
      ]);
    }
    discard(place, fd, path);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return null;
}

/** A process of another user has locked it. */
function discard(place: Place, fd: number, path: string): void {
  try {
    if (isStillAt(place.at, fd)) unlinkSync(place.at);
  } catch (error) {
    throw new StartError([
      `pid file ${path} is locked by another user's process, which is no proxy of this user, and cannot be replaced: ${reasonOf(error)}; end that process (lslocks shows it), or name another pid file`,
    ]);
  }
}

/** What it says. A file of anything else is left alone: its path is a mistake. */
function readOwner(fd: number, status: Stats, path: string): string {
  const bytes = Buffer.alloc(TEXT_BYTES_MAX);
  const length = status.isFile() ? readSync(fd, bytes, 0, TEXT_BYTES_MAX, 0) : 0;
  const text = bytes.toString("latin1", 0, length).trim();
  if (status.isFile() && status.size <= TEXT_BYTES_MAX && /^\d*$/.test(text)) return text;
  throw new StartError([
    `pid file ${path} is no pid file: it would be overwritten; name another one`,
  ]);
}

function isStillAt(path: string, fd: number): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  const ours = fstatSync(fd);
  return found !== undefined && found.ino === ours.ino && found.dev === ours.dev;
}
