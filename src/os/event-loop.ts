/** What must be done behind Bun's back to give a socket away: its event loop has to forget the descriptor. */
import { readdirSync, readlinkSync } from "node:fs";
import { closeFd, redirectFd } from "./fd.ts";
import { libc } from "./libc.ts";
import { createSocketPair } from "./socket-pair.ts";

const EPOLL_CTL_DEL = 2;

let epollFds: readonly number[] | null = null;

/**
 * Takes the connection away from descriptor `fd` without closing or shutting it down, for a connection that another
 * process holds now. `fd` is then a socket whose other end is closed, and Bun may close it like any.
 *
 * Without the first step the event loop would go on reporting the connection: epoll watches the open socket, not the
 * number, and that stays open elsewhere.
 */
export function detachConnection(fd: number): void {
  epollFds ??= findEpollFds();
  // Fails on those that do not watch it, which is fine.
  for (const epoll of epollFds) libc.epoll_ctl(epoll, EPOLL_CTL_DEL, fd, null);
  const { ours, theirs } = createSocketPair();
  redirectFd(ours, fd);
  closeFd(ours);
  closeFd(theirs);
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
