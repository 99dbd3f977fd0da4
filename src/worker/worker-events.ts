/** Tells the supervisor of what a worker logs, as long as that is not much. */
import type { FromWorker } from "../api/control.ts";
import { WORKER_EVENTS_PER_SECOND } from "../base/limits.ts";
import type { LogLevel } from "../base/log.ts";

const SECOND_MS = 1000;

/** @param nowMs a clock. @returns what hears of each line */
export function tellEvents(
  send: (message: FromWorker) => void,
  nowMs: () => number,
): (level: LogLevel, line: string, event: string) => void {
  let second = -1;
  let told = 0;
  return (level, text, event) => {
    const now = Math.floor(nowMs() / SECOND_MS);
    if (now !== second) told = 0;
    second = now;
    told += 1;
    if (told <= WORKER_EVENTS_PER_SECOND) send({ type: "event", level, text, event });
  };
}
