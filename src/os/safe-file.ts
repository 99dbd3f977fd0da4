/**
 * Files that are opened by a path which another user may have had a hand in. Everything that root creates, opens, or changes
 * owner or mode of goes through here: nothing is followed, waited for, truncated or given away that was not checked by its
 * descriptor before.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  openSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { findPlace, O_CLOEXEC, O_PATH, type Place, UnsafePathError } from "./safe-path.ts";

/** Whom a file is given to. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface OpenedFile {
  readonly fd: number;
  readonly status: Stats;
  /** Users other than root and this process's may not have put it there: either it was made just now, or they cannot. */
  readonly isOurs: boolean;
  readonly isNew: boolean;
}

/** Which file something is, as plain data: a path alone may name another one by now. */
export interface FileIdentity {
  readonly path: string;
  readonly dev: number;
  readonly ino: number;
  readonly birthtimeMs: number;
}

/** Between finding and opening it, a file may be removed or made: then it is tried again. */
const ATTEMPTS = 5;
const NEVER_WAIT = constants.O_NONBLOCK | constants.O_NOCTTY | O_CLOEXEC;

/**
 * Opens the file, or makes it. Never waits, also not for the other end of a FIFO. The caller closes `fd`.
 * @param flags access mode, and O_APPEND @param mode of a new file, before the umask
 * @throws UnsafePathError for a link, or a second name of a file; Error with the system's code
 */
export function openOrMake(place: Place, flags: number, mode: number): OpenedFile {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const made = makeFile(place, flags, mode);
      if (made !== null) return made;
      return openExisting(place, flags);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || attempt >= ATTEMPTS) throw error;
    }
  }
}

/** Null: there is one. */
export function makeFile(place: Place, flags: number, mode: number): OpenedFile | null {
  try {
    const { O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const fd = openSync(place.at, flags | O_CREAT | O_EXCL | O_NOFOLLOW | NEVER_WAIT, mode);
    return { fd, status: fstatSync(fd), isOurs: true, isNew: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return null;
    throw error;
  }
}

function openExisting(place: Place, flags: number): OpenedFile {
  return withPlace(place, (found, status) => {
    if (status.isSymbolicLink()) throw new UnsafePathError(`${place.path} became a symbolic link`);
    if (status.isFile() && status.nlink > 1 && place.weakness !== null) {
      const why = `${place.path} is a file with ${status.nlink} names, and ${place.weakness}`;
      throw new UnsafePathError(`${why}: it may be another user's way to a file elsewhere`);
    }
    // A FIFO that nothing reads yet can be opened for both only; what is written waits in it.
    const isFifo = status.isFIFO() && (flags & constants.O_WRONLY) !== 0;
    const access = isFifo ? (flags & ~constants.O_WRONLY) | constants.O_RDWR : flags;
    const fd = openSync(`/proc/self/fd/${found}`, access | NEVER_WAIT);
    return { fd, status, isOurs: place.weakness === null, isNew: false };
  });
}

/**
 * Opens a file to read it, by any path. @returns null when it is no regular file: then nothing was opened, so nothing was
 * waited for. The caller closes `fd`. @throws Error with the system's code
 */
export function openRegular(path: string): { readonly fd: number; readonly status: Stats } | null {
  const found = openSync(path, O_PATH | O_CLOEXEC);
  try {
    const status = fstatSync(found);
    if (!status.isFile()) return null;
    return { fd: openSync(`/proc/self/fd/${found}`, constants.O_RDONLY | NEVER_WAIT), status };
  } finally {
    closeSync(found);
  }
}

/** Gives a file that is ours to the owner. False: it is not, or that is not possible here. */
export function giveFile({ fd, status, isOurs }: OpenedFile, { uid, gid }: Owner): boolean {
  if (!isOurs || !status.isFile()) return false;
  if (status.uid === uid && status.gid === gid) return true;
  try {
    fchownSync(fd, uid, gid);
    return true;
  } catch {
    return false;
  }
}

/** Changes owner and mode of this very file, not of another one that its path names by now. False: it is gone. */
export function changeFile(
  file: FileIdentity,
  { owner, mode }: { readonly owner?: Owner; readonly mode?: number },
): boolean {
  return withSame(file, (found) => {
    // The descriptor only names a place, which these calls reach by this path and by no other.
    const same = `/proc/self/fd/${found}`;
    if (owner !== undefined) chownSync(same, owner.uid, owner.gid);
    if (mode !== undefined) chmodSync(same, mode);
  });
}

/** Removes this very file. Does nothing when it is gone or another one is in its place. Never throws. */
export function removeFile(file: FileIdentity): void {
  try {
    withSame(file, (_found, place) => unlinkSync(place.at));
  } catch {
    // Gone already, or the folder is no longer writable.
  }
}

function withSame(file: FileIdentity, act: (found: number, place: Place) => void): boolean {
  let place: Place;
  try {
    place = findPlace(file.path);
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
  try {
    return withPlace(place, (found, status) => {
      const { dev, ino, birthtimeMs } = status;
      // File systems give the number of a removed file to the next one.
      if (dev !== file.dev || ino !== file.ino || birthtimeMs !== file.birthtimeMs) return false;
      act(found, place);
      return true;
    });
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  } finally {
    place.close();
  }
}

function withPlace<Result>(place: Place, act: (found: number, status: Stats) => Result): Result {
  const found = openSync(place.at, O_PATH | O_CLOEXEC | constants.O_NOFOLLOW);
  try {
    return act(found, fstatSync(found));
  } finally {
    closeSync(found);
  }
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
