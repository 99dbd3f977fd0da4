/** File descriptors: what can be done to any of them. All functions throw OsError on failure. */
import { libc } from "./libc.ts";
import { check } from "./os-error.ts";

const F_SETFD = 2;
const F_DUPFD_CLOEXEC = 1030;
const FD_CLOEXEC = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

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
  check(libc.dup2(fd, target), "dup2");
}

/** Takes the exclusive lock of an open file without waiting. False: another process has it. */
export function tryLock(fd: number): boolean {
  return libc.flock(fd, LOCK_EX | LOCK_NB) === 0;
}

/** Another descriptor of the same file, numbered `atLeast` or above; the caller owns both. */
export function duplicateAbove(fd: number, atLeast: number): number {
  return check(libc.fcntl(fd, F_DUPFD_CLOEXEC, atLeast), "fcntl");
}
