/**
 * Processes that a program left behind before it became the proxy, such as a script does that starts something and goes on as
 * the proxy. They are children of this process and hold what it had open: its listening sockets among others.
 */
import type { Logger } from "../../base/log.ts";
import { childPids, processName } from "../../os/process.ts";
import { awaitExit } from "../process/adopted-exits.ts";
import type { SupervisorState } from "./supervisor-state.ts";

/** Names them in the log, and reaps them when they end. To be called before anything is started. */
export function reportLeftBehind(state: SupervisorState, log: Logger): void {
  const known = pidsOf(state);
  const strangers = childPids().filter((pid) => !known.has(pid));
  for (const pid of strangers) {
    awaitExit(pid, () => log.info("a process that was left behind has ended", { pid }));
  }
  if (strangers.length === 0) return;
  log.warn("processes were left behind that hold the sockets of this proxy: end them", {
    event: "processes_were_left_behind",
    by: state.programPath,
    pids: strangers.map((pid) => `${pid} (${processName(pid)})`).join(", "),
  });
}

function pidsOf({ crews, admin }: SupervisorState): Set<number> {
  const keepers = [crews.serving, ...crews.leaving].flatMap(({ workers, acceptor }) => [
    ...workers.map(({ keeper }) => keeper),
    acceptor,
  ]);
  const pids = [...keepers, admin].map((keeper) => keeper?.child?.pid);
  return new Set(pids.filter((pid) => pid !== undefined));
}
