/** `rlimit_nofile`: how many descriptors this process and its children may have. */
import type { Config } from "../api/config.ts";
import type { Logger } from "../base/log.ts";
import { raiseOpenFiles } from "../os/open-files.ts";

/**
 * Children that are started from now on inherit the limit. Too few descriptors are no reason not to serve: clients beyond
 * them are turned away.
 */
export function raiseLimit({ openFiles }: Config, log: Logger): void {
  if (openFiles === null) return;
  const limit = raiseOpenFiles(openFiles);
  if (limit < openFiles)
    log.warn("cannot raise the limit of open files", { wanted: openFiles, limit });
}
