/** What a pool wants of its listening sockets beyond the address. */
import { chownSync } from "node:fs";
import type { PoolConfig } from "../api/config.ts";
import type { RunAs } from "../api/control.ts";
import { setDeferAccept } from "../os/tcp-options.ts";

/** To be called for sockets that were just opened. */
export function tuneListeners(pool: PoolConfig, fds: readonly number[]): void {
  const seconds = Math.ceil((pool.tcpDeferAcceptMs ?? 0) / 1000);
  if (seconds > 0) for (const fd of fds) setDeferAccept(fd, seconds);
}

/** Unix sockets belong to whom the workers run as, so that a mode such as 0660 means that user and group. */
export function giveSocketFiles(pools: readonly PoolConfig[], runAs: RunAs | null): void {
  if (runAs === null) return;
  for (const { listen } of pools) {
    if (listen.kind === "unix") chownSync(listen.path, runAs.uid, runAs.gid);
  }
}
