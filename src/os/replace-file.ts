/** Replaces the content of a file at once: a reader sees the old text or the new one, also after a power failure. */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { makeFile, openRegular } from "./safe-file.ts";
import { findPlace, O_CLOEXEC, type Place, UnsafePathError } from "./safe-path.ts";

const PRIVATE_MODE = 0o600;
const MODE_BITS = 0o7777;

/**
 * Replaces the text of a regular file, which keeps its owner, group and mode. Of a symbolic link the file behind it is replaced.
 * @param before what it must hold now: a file that was changed meanwhile is left as it is
 * @throws UnsafePathError when users who are not trusted could have put it there; Error in one line
 */
export function replaceText(path: string, before: string, after: string): void {
  const place = findPlace(path);
  try {
    if (place.weakness !== null) throw new UnsafePathError(place.weakness);
    replaceAt(place, before, after);
  } finally {
    place.close();
  }
}

function replaceAt(place: Place, before: string, after: string): void {
  const status = statusOf(place, before);
  const folder = dirname(place.at);
  const name = `.${basename(place.path)}.${process.pid}.new`;
  const at = `${folder}/${name}`;
  const made = makeFile({ ...place, at }, constants.O_WRONLY, PRIVATE_MODE);
  if (made === null) throw new Error(`${dirname(place.path)}/${name} is in the way; remove it`);
  try {
    writeFileSync(made.fd, after);
    giveSameOwner(made.fd, status);
    fchmodSync(made.fd, status.mode & MODE_BITS);
    fsyncSync(made.fd);
    renameSync(at, place.at);
  } catch (error) {
    unlinkSync(at);
    throw error;
  } finally {
    closeSync(made.fd);
  }
  syncFolder(folder);
}

function statusOf(place: Place, before: string): Stats {
  const opened = openRegular(place.at);
  if (opened === null) throw new Error(`${place.path} is no regular file`);
  try {
    if (readFileSync(opened.fd, "utf8") !== before) {
      throw new Error(`${place.path} was changed meanwhile; try again`);
    }
    if (opened.status.nlink > 1) {
      throw new Error(
        `${place.path} has ${opened.status.nlink} names, of which one would keep the old text`,
      );
    }
    return opened.status;
  } finally {
    closeSync(opened.fd);
  }
}

function giveSameOwner(fd: number, { uid, gid }: Stats): void {
  const own = fstatSync(fd);
  if (own.uid === uid && own.gid === gid) return;
  try {
    fchownSync(fd, uid, gid);
  } catch {
    throw new Error(
      `it belongs to user ${uid} and group ${gid}, which this proxy cannot give it to`,
    );
  }
}

/** So that the new name lasts. Some file systems cannot. */
function syncFolder(folder: string): void {
  let fd: number;
  try {
    fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC);
  } catch {
    return;
  }
  try {
    fsyncSync(fd);
  } catch {
    // As good as it gets.
  } finally {
    closeSync(fd);
  }
}
