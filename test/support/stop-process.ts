/** Stopping a process so that it is really stopped. */
import { readdirSync, readFileSync } from "node:fs";

/** SIGSTOP, and waits until every thread has noticed: until then they go on answering. */
export async function stopProcess(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  const isStopped = (thread: string): boolean =>
    /\) [tT] /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1"));
  while (!readdirSync(`/proc/${pid}/task`).every(isStopped)) await Bun.sleep(1);
}
