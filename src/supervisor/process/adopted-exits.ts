/**
 * The exits of children that Bun does not know, because the program before this one started them. They stay children of this
 * process, so the kernel tells by SIGCHLD that one of them may have exited, and waitpid which.
 */
import { type ChildExit, reapChild } from "../../os/process.ts";

const awaited = new Map<number, (exit: ChildExit) => void>();
let isListening = false;

/** Calls `onExit` once when the child with this number has exited, never before the event loop turns. It is reaped then. */
export function awaitExit(pid: number, onExit: (exit: ChildExit) => void): void {
  awaited.set(pid, onExit);
  if (!isListening) process.on("SIGCHLD", reapExited);
  isListening = true;
  // It may have exited before the signal was listened to.
  setImmediate(reapExited);
}

/** Signals coalesce: one may stand for several children. */
function reapExited(): void {
  for (const [pid, onExit] of [...awaited]) {
    const exit = tryReap(pid);
    if (exit === null) continue;
    awaited.delete(pid);
    onExit(exit);
  }
}

function tryReap(pid: number): ChildExit | null {
  try {
    return reapChild(pid);
  } catch {
    // It is no child of this process any more: how it ended cannot be known.
    return { exitCode: null, signal: null };
  }
}
