/** What a pool wants of its listening sockets beyond the address. */
import type { PoolConfig } from "../../api/config.ts";
import type { RunAs } from "../../api/control.ts";
import { changeFile, type FileIdentity } from "../../os/safe-file.ts";
import { setDeferAccept } from "../../os/tcp-options.ts";

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

/**
 * Unix sockets belong to whom the workers run as, so that a mode such as 0660 means that user and group. A file that was
 * removed or replaced is left alone: the socket itself serves on.
 */
export function giveSocketFiles(files: readonly FileIdentity[], runAs: RunAs | null): void {
  if (runAs === null) return;
  const owner = { uid: runAs.uid, gid: runAs.gid };
  for (const file of files) changeFile(file, { owner });
}
