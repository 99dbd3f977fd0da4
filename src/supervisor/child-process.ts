/**
 * One child process with its control channel.
 *
 *   fd 0 /dev/null   1, 2 ours or /dev/null   3 control channel   4… as given
 */
import {
  type ChannelSnapshot,
  type ControlChannel,
  type ControlEvents,
  openControlChannel,
  resumeControlChannel,
} from "../io/control-channel.ts";
import { closeFd } from "../os/fd.ts";
import { type ChildExit, reapChild, signalName } from "../os/process.ts";
import { createSocketPair } from "../os/socket-pair.ts";

export interface ChildEvents<In> {
  onMessage(message: In): void;
  /** Exactly once, after the last message. */
  onExit(exit: ChildExit): void;
}

export interface ChildOptions<In> extends ChildEvents<In> {
  /** Starts the program. */
  readonly command: readonly string[];
  /** First argument: tells the program which process it is. */
  readonly role: string;
  /** What ps shows as the command. */
  readonly title: string;
  /** Become fd 4, 5, … of the child. Borrowed: ours stay open. */
  readonly fds: readonly number[];
  /** Its stdout and stderr are discarded: nothing may keep the terminal of a daemon open. */
  readonly isSilent: boolean;
}

/** A running child, as plain data: for a program that replaces this one in place and goes on as its parent. */
export interface ChildSnapshot {
  readonly pid: number;
  readonly channel: ChannelSnapshot;
}

export interface ChildProcess<Out> {
  readonly pid: number;
  /** Does nothing once the child is gone. */
  send(message: Out): void;
  kill(signal: NodeJS.Signals): void;
  /** Null: it is ending. Valid only at this moment. */
  snapshot(): ChildSnapshot | null;
}

/** How often to look whether an adopted child that closed its channel has exited: only its parent's program knew it. */
const REAP_STEP_MS = 10;
/** A process that closed its channel has nothing left to do. */
const REAP_STEPS_MAX = 200;

/** @throws Error when no process can be started (limits, memory). */
export function spawnChild<In, Out>(options: ChildOptions<In>): ChildProcess<Out> {
  const pair = createSocketPair();
  const end = createEnd(options.onExit);
  const output = options.isSilent ? "ignore" : "inherit";
  let child: Bun.Subprocess;
  try {
    child = Bun.spawn([...options.command, options.role], {
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
    snapshot: () => snapshotOf(child.pid, channel),
  };
}

/** Goes on as the parent of a child that the program before this one started. */
export function adoptChild<In, Out>(
  { pid, channel: saved }: ChildSnapshot,
  events: ChildEvents<In>,
): ChildProcess<Out> {
  let isGone = false;
  const finish = (exit: ChildExit): void => {
    isGone = true;
    events.onExit(exit);
  };
  const channelEvents: ControlEvents<In> = {
    onMessage: (message) => events.onMessage(message),
    onClose: () => awaitExit(pid, finish),
  };
  const channel: ControlChannel<Out> = resumeControlChannel<In, Out>(saved, channelEvents);
  return {
    pid,
    send: (message) => channel.send(message),
    kill(signal) {
      if (!isGone) tryKill(pid, signal);
    },
    snapshot: () => (isGone ? null : snapshotOf(pid, channel)),
  };
}

function snapshotOf<Out>(pid: number, channel: ControlChannel<Out>): ChildSnapshot | null {
  const saved = channel.snapshot();
  return saved === null ? null : { pid, channel: saved };
}

/** The channel is closed; the process follows, or is made to. */
function awaitExit(pid: number, onExit: (exit: ChildExit) => void): void {
  let steps = 0;
  const look = (): void => {
    const exit = tryReap(pid);
    if (exit !== null) {
      onExit(exit);
      return;
    }
    steps += 1;
    if (steps === REAP_STEPS_MAX) tryKill(pid, "SIGKILL");
    setTimeout(look, REAP_STEP_MS);
  };
  look();
}

function tryReap(pid: number): ChildExit | null {
  try {
    return reapChild(pid);
  } catch {
    // No child of ours any more: how it ended nobody will know.
    return { exitCode: null, signal: null };
  }
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone.
  }
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
