/** Another configuration holds: the log goes where it says, in its form. */
import type { Config } from "../../api/config.ts";
import type { LogOwner, ProcessLogger } from "../../base/log.ts";

/** @param owner gets the file; null: it stays the supervisor's */
export function followLog(
  log: ProcessLogger,
  { log: options }: Config,
  owner: LogOwner | null,
): void {
  log.setFormat(options.format ?? "text");
  try {
    log.redirect(options.file);
    log.giveTo(owner);
  } catch (error) {
    log.error((error as Error).message, { event: "log_file_failed" });
  }
}
