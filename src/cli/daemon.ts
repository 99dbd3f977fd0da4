/**
 * `proxy -d`: the launcher stays until the daemon serves, so that its caller learns how it went.
 *
 *   launcher ──spawns──▶ daemon: session of its own, terminal still open for errors
 *      │ ◀──── "ready" ────┤  then stdin, stdout and stderr lead nowhere
 *    exit 0             serves                      daemon dies before: the launcher exits with its code
 */
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { openControlChannel } from "../engine/bun/control-channel.ts";
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
    const channel = openControlChannel<ReadyMessage, never>(pair.ours, {
      onMessage: resolve,
      onClose: () => resolve(null),
    });
    void daemon.exited.then(() => channel.finish());
  });
  if (ready !== null) {
    daemon.unref();
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
      // The launcher that waited for us gave up: do not appear later all the same.
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

/**
 * Points stdin, stdout and stderr to nowhere, and what else is open on them: Bun keeps copies of its own. Otherwise a
 * shell that waits for the end of our output would wait for as long as the daemon lives.
 */
function detachFromTerminal(): void {
  const nowhere = openSync("/dev/null", "r+");
  const terminal = new Set([0, 1, 2].map(openFile).filter(isStream));
  for (const fd of readdirSync("/proc/self/fd").map(Number)) {
    if (fd !== nowhere && (fd <= 2 || terminal.has(openFile(fd)))) redirectFd(nowhere, fd);
  }
  closeSync(nowhere);
}

/** "pipe:[123]", "/dev/pts/0", "/var/log/file"; null: closed meanwhile. */
function openFile(fd: number): string | null {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
}

/** A plain file may be the log as well, and no process waits for its end. */
function isStream(file: string | null): boolean {
  return file !== null && /^(pipe|socket):|^\/dev\/(pts\/|tty|console)/.test(file);
}
