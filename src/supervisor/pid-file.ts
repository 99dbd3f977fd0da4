/**
 * The pid file. Its lock, not its content, says whether a proxy owns it: the kernel drops the lock with the process,
 * so a file that a killed proxy left behind is simply taken over.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { tryLock } from "../os/fd.ts";
import { StartError } from "./start-error.ts";

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

/** Takes the file without writing to it. @throws StartError when a live proxy has it or it cannot be opened. */
export function claimPidFile(path: string): PidFile {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const fd = open(path);
    if (!tryLock(fd)) {
      const owner = readFileSync(fd, "utf8").trim();
      closeSync(fd);
      const who = owner === "" ? "" : ` with pid ${owner}`;
      throw new StartError([`pid file ${path} belongs to a proxy that is running${who}`]);
    }
    if (isStillAt(path, fd)) return new LockedPidFile(path, fd);
    closeSync(fd);
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
  return new LockedPidFile(path, fd);
}

class LockedPidFile implements PidFile {
  readonly path: string;
  readonly fd: number;

  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  write(): void {
    ftruncateSync(this.fd);
    writeSync(this.fd, `${process.pid}\n`);
  }

  remove(): void {
    try {
      if (isStillAt(this.path, this.fd)) unlinkSync(this.path);
    } catch {
      // The folder is no longer writable; the lock goes with the process all the same.
    }
    closeSync(this.fd);
  }
}

function open(path: string): number {
  try {
    // "a+" creates the file and leaves the content of one that belongs to another.
    return openSync(path, "a+", 0o644);
  } catch (error) {
    throw new StartError([`cannot open pid file ${path}: ${(error as Error).message}`]);
  }
}

function isStillAt(path: string, fd: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  const ours = fstatSync(fd);
  return found !== undefined && found.ino === ours.ino && found.dev === ours.dev;
}
