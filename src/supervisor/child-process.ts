/**
 * One child process with its control channel.
 *
 *   fd 0 /dev/null   1, 2 ours or /dev/null   3 control channel   4… as given
 */
import { type ControlChannel, openControlChannel } from "../io/control-channel.ts";
import { closeFd } from "../os/fd.ts";
import { type ChildExit, signalName } from "../os/process.ts";
import { selfCommand } from "../os/self-command.ts";
import { createSocketPair } from "../os/socket-pair.ts";

export interface ChildOptions<In> {
  /** First argument: tells the program which process it is. */
  readonly role: string;
  /** What ps shows as the command. */
  readonly title: string;
  /** Become fd 4, 5, … of the child. Borrowed: ours stay open. */
  readonly fds: readonly number[];
  /** Its stdout and stderr are discarded: nothing may keep the terminal of a daemon open. */
  readonly isSilent: boolean;
  onMessage(message: In): void;
  /** Exactly once, after the last message. */
  onExit(exit: ChildExit): void;
}

export interface ChildProcess<Out> {
  readonly pid: number;
  /** Does nothing once the child is gone. */
  send(message: Out): void;
  kill(signal: NodeJS.Signals): void;
}

/** @throws Error when no process can be started (limits, memory). */
export function spawnChild<In, Out>(options: ChildOptions<In>): ChildProcess<Out> {
  const pair = createSocketPair();
  const end = createEnd(options.onExit);
  const output = options.isSilent ? "ignore" : "inherit";
  let child: Bun.Subprocess;
  try {
    child = Bun.spawn([...selfCommand(), options.role], {
      argv0: options.title,
      stdio: ["ignore", output, output, pair.theirs, ...options.fds],
      onExit: (_child, exitCode, signal) =>
        end.onExit({
          exitCode,
          signal: typeof signal === "number" ? signalName(signal) : signal,
        }),
    });
  } catch (error) {
    closeFd(pair.ours);
    throw error;
  } finally {
    closeFd(pair.theirs);
  }
  const channel: ControlChannel<Out> = openControlChannel<In, Out>(pair.ours, {
    onMessage: (message) => options.onMessage(message),
    onClose: () => end.onChannelClose(),
  });
  return {
    pid: child.pid,
    send: (message) => channel.send(message),
    kill: (signal) => child.kill(signal),
  };
}

/** A child has ended when it exited *and* all that it said was read: its last message may say why. */
function createEnd(report: (exit: ChildExit) => void): {
  onExit(exit: ChildExit): void;
  onChannelClose(): void;
} {
  let seen: ChildExit | null = null;
  let isChannelClosed = false;
  return {
    onExit(exit) {
      seen = exit;
      if (isChannelClosed) report(exit);
    },
    onChannelClose() {
      isChannelClosed = true;
      if (seen !== null) report(seen);
    },
  };
}
