/** Stopping a process so that it is really stopped. */
import { readdirSync, readFileSync } from "node:fs";

/** SIGSTOP, and waits until every thread has noticed: until then they go on answering. */
export async function stopProcess(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  while (!threadsOf(pid).every((thread) => isStopped(pid, thread))) await Bun.sleep(1);
}

function threadsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`);
}

function isStopped(pid: number, thread: string): boolean {
  try {
    return /\) [tT] /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1"));
  } catch {
    // It has ended since it was listed: the next look will tell.
    return false;
  }
}
