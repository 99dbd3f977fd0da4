/** What a pool wants of its listening sockets beyond the address. */
import { chownSync } from "node:fs";
import type { PoolConfig } from "../api/config.ts";
import type { RunAs } from "../api/control.ts";
import { setDeferAccept } from "../os/tcp-options.ts";

export type ListenerTuning = Pick<PoolConfig, "tcpDeferAcceptMs">;

/** To be called for sockets that were just opened. */
export function tuneListeners(tuning: ListenerTuning, fds: readonly number[]): void {
  if (deferSeconds(tuning) > 0) retuneListeners(tuning, fds);
}

/** For sockets that may have been opened with other wishes. */
export function retuneListeners(tuning: ListenerTuning, fds: readonly number[]): void {
  const seconds = deferSeconds(tuning);
  for (const fd of fds) setDeferAccept(fd, seconds);
}

function deferSeconds({ tcpDeferAcceptMs }: ListenerTuning): number {
  return Math.ceil((tcpDeferAcceptMs ?? 0) / 1000);
}

/** Unix sockets belong to whom the workers run as, so that a mode such as 0660 means that user and group. */
export function giveSocketFiles(pools: readonly PoolConfig[], runAs: RunAs | null): void {
  if (runAs === null) return;
  for (const { listen } of pools) {
    if (listen.kind === "unix") give(listen.path, runAs);
  }
}

function give(path: string, { uid, gid }: RunAs): void {
  try {
    chownSync(path, uid, gid);
  } catch (error) {
    // Somebody removed the file: the socket itself serves on.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
