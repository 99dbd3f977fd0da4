/**
 * The last step of an upgrade: this process goes on with another program. Same pid, same children, same descriptors.
 *
 * Service managers, pid files and containers notice nothing. Signals that come in between are kept by the kernel until the
 * new program hears them; should its event loop turn before that, those that ask it to end do so, and the others are lost.
 */
import { readFileSync } from "node:fs";
import { STATE_VARIABLE } from "../../api/control.ts";
import { closeFd, setInheritable } from "../../os/fd.ts";
import { executeInPlace } from "../../os/process.ts";
import { holdSignals, ignoreSignals, releaseSignals } from "../../os/signal-mask.ts";
import { ENDING_SIGNALS, WATCHED_SIGNALS } from "../system/signals.ts";
import type { Program } from "./program.ts";
import { descriptorsOf, type SupervisorState, writeState } from "./supervisor-state.ts";

/** From now on signals wait for the program that follows. @returns how to undo that; resolves when those before are handled */
export async function holdWatchedSignals(): Promise<() => void> {
  holdSignals(WATCHED_SIGNALS);
  await new Promise((resolve) => setImmediate(resolve));
  return () => releaseSignals(WATCHED_SIGNALS);
}

/** Returns only by throwing; then everything is as it was. @throws Error */
export function replaceProgram(
  program: Program,
  state: SupervisorState,
  runArguments: readonly string[],
): never {
  program.verify();
  const stateFd = writeState(state);
  const fds = [...descriptorsOf(state), stateFd];
  const [path = program.path, ...script] = program.command;
  // What ps shows stays the same.
  const name = readFileSync("/proc/self/cmdline", "utf8").split("\0")[0] ?? "proxy";
  const environment = { ...process.env, [STATE_VARIABLE]: String(stateFd) };
  const heed = ignoreSignals(WATCHED_SIGNALS.filter((signal) => !ENDING_SIGNALS.includes(signal)));
  try {
    for (const fd of fds) setInheritable(fd, true);
    executeInPlace(path, [name, ...script, ...runArguments], environment);
  } catch (error) {
    heed();
    for (const fd of fds) setInheritable(fd, false);
    closeFd(stateFd);
    throw error;
  }
}
