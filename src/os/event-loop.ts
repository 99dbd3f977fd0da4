/** What must be done behind Bun's back to give a socket away: its event loop has to forget the descriptor. */
import { readdirSync, readlinkSync } from "node:fs";
import { closeFd, redirectFd } from "./fd.ts";
import { libc } from "./libc.ts";
import { OsError } from "./os-error.ts";
import { createSocketPair } from "./socket-pair.ts";

const EPOLL_CTL_DEL = 2;

let epollFds: readonly number[] | null = null;
/** One end of a pair whose other end is closed. */
let deadSocket = -1;

/**
 * Takes the connection away from descriptor `fd` without closing or shutting it down, for a connection that another
 * process holds now. `fd` is then a socket whose other end is closed, and Bun may close it like any. This takes no descriptor, so
 * it works also in a process that has no free one, after `prepareToDetach`.
 *
 * Without the first step the event loop would go on reporting the connection: epoll watches the open socket, not the
 * number, and that stays open elsewhere.
 * @returns false: the system refused, and `fd` is still the connection, though the event loop reports it no more
 */
export function detachConnection(fd: number): boolean {
  prepareToDetach();
  // Fails on those that do not watch it, which is fine.
  for (const epoll of epollFds ?? []) libc.epoll_ctl(epoll, EPOLL_CTL_DEL, fd, null);
  try {
    redirectFd(deadSocket, fd);
    return true;
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
    return false;
  }
}

/**
 * The epoll descriptor of Bun's event loop. It is the first that a process opens; later ones belong to helper threads.
 * @throws OsError: there is none
 */
export function findEventLoop(): number {
  const [first] = findEpollFds().sort((a, b) => a - b);
  if (first === undefined) throw new OsError("readlink", "ENOENT");
  return first;
}

/** Takes the descriptors that `detachConnection` needs, once for all connections. @throws OsError */
export function prepareToDetach(): void {
  epollFds ??= findEpollFds();
  if (deadSocket >= 0) return;
  const { ours, theirs } = createSocketPair();
  closeFd(theirs);
  deadSocket = ours;
}

function findEpollFds(): number[] {
  return readdirSync("/proc/self/fd").flatMap((name) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${name}`);
      return target === "anon_inode:[eventpoll]" ? [Number(name)] : [];
    } catch {
      // The directory's own descriptor is gone by now.
      return [];
    }
  });
}
