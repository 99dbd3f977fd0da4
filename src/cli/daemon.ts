/**
 * `proxy -d`: the launcher stays until the daemon serves, so that whoever called it learns how it went.
 *
 *   launcher ──spawns──▶ daemon: session of its own, terminal still open for errors
 *      │ ◀──── "ready" ────┤  then stdin, stdout and stderr lead nowhere
 *    exit 0             serves                      daemon dies before: the launcher exits with its code
 */
import { closeSync, openSync } from "node:fs";
import { openControlChannel } from "../io/control-channel.ts";
import { closeFd, redirectFd } from "../os/fd.ts";
import { becomeSessionLeader } from "../os/process.ts";
import { selfCommand } from "../os/self-command.ts";
import { createSocketPair } from "../os/socket-pair.ts";
import { EXIT_FAILED, EXIT_OK } from "./exit-codes.ts";

/** First argument of the daemon process. */
export const DAEMON_ROLE = "__daemon";
/** The daemon's line to its launcher. */
const LAUNCHER_FD = 3;

interface ReadyMessage {
  readonly pid: number;
}

/** What the daemon tells the process that started it. */
export interface Launcher {
  /** The proxy serves. From now on this process has no terminal. */
  onReady(): void;
}

/** Starts the daemon with these arguments and waits until it serves. @returns the launcher's exit code */
export async function launchDaemon(args: readonly string[]): Promise<number> {
  const pair = createSocketPair();
  const daemon = Bun.spawn([...selfCommand(), DAEMON_ROLE, ...args], {
    argv0: "proxy",
    stdio: ["ignore", "inherit", "inherit", pair.theirs],
  });
  closeFd(pair.theirs);
  const ready = await new Promise<ReadyMessage | null>((resolve) => {
    openControlChannel<ReadyMessage, never>(pair.ours, {
      onMessage: resolve,
      onClose: () => resolve(null),
    });
  });
  if (ready !== null) {
    process.stdout.write(`proxy: running in the background with pid ${ready.pid}\n`);
    return EXIT_OK;
  }
  const code = await daemon.exited;
  return code === EXIT_OK ? EXIT_FAILED : code;
}

/** To be called in the daemon before anything else. */
export function joinLauncher(): Launcher {
  becomeSessionLeader();
  let isReady = false;
  const channel = openControlChannel<never, ReadyMessage>(LAUNCHER_FD, {
    onMessage() {},
    onClose() {
      // Whoever waited for us gave up: do not appear later all the same.
      if (!isReady) process.kill(process.pid, "SIGTERM");
    },
  });
  return {
    onReady() {
      isReady = true;
      detachFromTerminal();
      channel.send({ pid: process.pid });
      channel.close();
    },
  };
}

function detachFromTerminal(): void {
  const nowhere = openSync("/dev/null", "r+");
  for (const fd of [0, 1, 2]) redirectFd(nowhere, fd);
  closeSync(nowhere);
}
