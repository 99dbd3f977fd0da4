/** Failures of system calls, as errors that carry the name of the error number. */
import { constants } from "node:os";
import { errno } from "./libc.ts";

/** The numbers of all errors by name, on Linux. */
export const ERRNO: Readonly<Record<string, number>> = {
  ...constants.errno,
  // Node's list lacks it.
  ETOOMANYREFS: 109,
};

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(ERRNO)
    // Two names of one number: the manual's other one is kept.
    .filter(([name]) => name !== "EWOULDBLOCK" && name !== "EOPNOTSUPP")
    .map(([name, number]) => [number, name]),
);

/** What happened, in the words of the manual, for the errors that a user may meet. */
const TEXTS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "address not available on this machine",
  EAFNOSUPPORT: "address family not supported",
  EMFILE: "too many open files in this process",
  ENFILE: "too many open files on this machine",
  ENOSYS: "this kernel has it not, or it is forbidden",
  ENOENT: "no such file or directory",
  ENOTDIR: "not a directory",
  EISDIR: "it is a directory",
  ENAMETOOLONG: "name too long",
  ENOBUFS: "out of socket buffers",
  ENOMEM: "out of memory",
  EROFS: "read-only file system",
  ELOOP: "it is a symbolic link",
  ENXIO: "it is a socket, or nothing is at its other end",
  ETOOMANYREFS: "too many descriptors of this user underway between processes",
};

/**
 * The system is short of something that others give back: descriptors, memory, room in a queue. The same call may well succeed
 * a moment later. ETOOMANYREFS: descriptors underway in unix sockets, counted over all processes of a user (unix(7)).
 */
const PASSING: ReadonlySet<string> = new Set([
  ...["EAGAIN", "EINTR", "ENOBUFS", "ENOMEM", "EMFILE", "ENFILE", "ENOSPC", "ETOOMANYREFS"],
]);

/** See `OsError.isPassing`; of an error's number. */
export function isPassingError(number: number): boolean {
  return PASSING.has(errnoName(number));
}

/** A system call that failed. `code` is the error's name, such as "EADDRINUSE". */
export class OsError extends Error {
  readonly call: string;
  readonly code: string;

  constructor(call: string, code: string) {
    super(`${call}: ${errorText(code)}`);
    this.name = "OsError";
    this.call = call;
    this.code = code;
  }

  /** Waiting helps. Code that meets such an error keeps what it was about and tries again. */
  get isPassing(): boolean {
    return PASSING.has(this.code);
  }
}

/** "EADDRINUSE" for 98 on Linux; the number itself when it has no name. */
export function errnoName(number: number): string {
  return NAMES.get(number) ?? `errno ${number}`;
}

/** "permission denied (EACCES)" */
export function errorText(code: string): string {
  const text = TEXTS[code];
  return text === undefined ? code : `${text} (${code})`;
}

/** Why a call on a file failed, for a message that names the file itself: Bun's texts name the path that was used. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return typeof code === "string" && !(error instanceof OsError) ? errorText(code) : message;
}

/** Passes a result of libc on. @throws OsError when it is negative. */
export function check(result: number, call: string): number {
  if (result < 0) throw new OsError(call, errnoName(errno()));
  return result;
}
