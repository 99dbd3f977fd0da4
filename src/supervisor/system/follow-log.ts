/** Another configuration holds: the log and the slow log's file are where it says, in its form. */
import type { Config } from "../../api/config.ts";
import type { LogOwner, ProcessLogger } from "../../base/log.ts";
import type { SlowLog } from "../inspection/slow-log.ts";

/** @param owner gets the log file; null: it stays the supervisor's */
export function followLog(
  log: ProcessLogger,
  slowLog: SlowLog,
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
  try {
    slowLog.file.follow(options);
  } catch (error) {
    log.error((error as Error).message, { event: "slow_log_file_failed" });
  }
}

/** A file that was moved away is made anew under its name. */
export function reopenLogs(log: ProcessLogger, slowLog: SlowLog): void {
  log.reopen();
  slowLog.file.reopen();
}
