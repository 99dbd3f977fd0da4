/** `rlimit_nofile`: how many descriptors this process and its children may have. */
import type { Config } from "../../api/config.ts";
import { planDescriptors, shortageOf } from "../../base/descriptor-budget.ts";
import type { Logger } from "../../base/log.ts";
import { openFilesMax, raiseOpenFiles } from "../../os/open-files.ts";
import { needsOf } from "../../server/descriptor-needs.ts";

/**
 * Children that are started from now on inherit the limit. Too few descriptors are no reason not to serve: there are fewer
 * connections to servers then, and clients beyond the rest are turned away.
 */
export function raiseLimit({ openFiles, pools }: Config, log: Logger): void {
  const limit = openFiles === null ? openFilesMax() : raiseOpenFiles(openFiles);
  if (openFiles !== null && limit < openFiles)
    log.warn("cannot raise the limit of open files", { wanted: openFiles, limit });
  const shortage = shortageOf(planDescriptors(limit, needsOf(pools)));
  if (shortage !== null) log.warn(shortage, { event: "open_files_are_short" });
}
