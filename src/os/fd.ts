/** File descriptors: what can be done to any of them. All functions throw OsError on failure. */
import { errno, libc } from "./libc.ts";
import { check, errnoName, OsError } from "./os-error.ts";

const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const O_NONBLOCK = 0x800;
const FD_CLOEXEC = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/** Never throws: the number is free afterwards, whatever close(2) says. */
export function closeFd(fd: number): void {
  libc.close(fd);
}

/** Whether the descriptor survives `executeInPlace`. Children get theirs by name and are not concerned. */
export function setInheritable(fd: number, isInheritable: boolean): void {
  check(libc.fcntl(fd, F_SETFD, isInheritable ? 0 : FD_CLOEXEC), "fcntl");
}

/** Makes `target` another name of the file that `fd` is open on; what `target` was before is closed. */
export function redirectFd(fd: number, target: number): void {
  // Both say that the number is being opened or the call was interrupted, and neither lasts.
  while (libc.dup2(fd, target) < 0) {
    const code = errnoName(errno());
    if (code !== "EINTR" && code !== "EBUSY") throw new OsError("dup2", code);
  }
}

/** Another descriptor of the same open file, close-on-exec. The caller owns it. */
export function duplicateFd(fd: number): number {
  return check(libc.fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl");
}

/**
 * Whether this process can have `count` more descriptors now; that is found out by taking them for a moment.
 * @param fd any that is open. @throws OsError when it is not
 */
export function canOpen(count: number, fd: number): boolean {
  const taken: number[] = [];
  let code = "";
  while (code === "" && taken.length < count) {
    const copy = libc.fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0) taken.push(copy);
    else code = errnoName(errno());
  }
  for (const copy of taken) libc.close(copy);
  if (code === "") return true;
  const error = new OsError("fcntl", code);
  if (error.isPassing) return false;
  throw error;
}

/** Calls on this open file return at once instead of waiting; holds for every process that has it. */
export function setNonBlocking(fd: number): void {
  const flags = check(libc.fcntl(fd, F_GETFL, 0), "fcntl");
  check(libc.fcntl(fd, F_SETFL, flags | O_NONBLOCK), "fcntl");
}

/** Takes the exclusive lock of an open file without waiting. False: another process has it. */
export function tryLock(fd: number): boolean {
  return libc.flock(fd, LOCK_EX | LOCK_NB) === 0;
}

/** Another descriptor of the same file, numbered `atLeast` or above; the caller owns both. */
export function duplicateAbove(fd: number, atLeast: number): number {
  return check(libc.fcntl(fd, F_DUPFD_CLOEXEC, atLeast), "fcntl");
}

/**
 * Has the kernel make the table of this process's descriptors large enough for `count` of them. It grows by itself, but a process
 * with threads then waits each time until all cores have noticed, for tens of milliseconds on a busy machine.
 * @param fd any that is open. Where there is no memory for the table, nothing happens
 */
export function growDescriptorTable(fd: number, count: number): void {
  const highest = libc.fcntl(fd, F_DUPFD_CLOEXEC, count - 1);
  if (highest >= 0) libc.close(highest);
}

/** Gives the lock of an open file back. The kernel does so by itself when the last descriptor of it is closed. */
export function unlock(fd: number): void {
  check(libc.flock(fd, LOCK_UN), "flock");
}
