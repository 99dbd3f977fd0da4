/**
 * One child process with its control channel.
 *
 *   fd 0 /dev/null   1, 2 ours or /dev/null   3 control channel   4… as given
 */
import {
  type ChannelSnapshot,
  type ControlChannel,
  openControlChannel,
  resumeControlChannel,
} from "../../engine/bun/control-channel.ts";
import { closeFd } from "../../os/fd.ts";
import { type ChildExit, signalName } from "../../os/process.ts";
import { createSocketPair } from "../../os/socket-pair.ts";
import { awaitExit } from "./adopted-exits.ts";

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

/** A process that closed its channel has nothing left to do: it has so long to exit. */
const CLOSED_GRACE_MS = 2_000;

/**
 * Bun collects garbage once a second by a timer, also where there is next to none: a pause of one or two milliseconds
 * each time, for which requests wait. JavaScriptCore's own triggers, by bytes allocated and after work has ended,
 * remain, and memory goes back as before. What the environment says has precedence.
 */
const COLLECT_WHEN_NEEDED = { BUN_GC_TIMER_DISABLE: "1" };

/** @throws Error when no process can be started (limits, memory). */
export function spawnChild<In, Out>(options: ChildOptions<In>): ChildProcess<Out> {
  const pair = createSocketPair();
  const end = new ChildEnd(options.onExit);
  const output = options.isSilent ? "ignore" : "inherit";
  let child: Bun.Subprocess;
  try {
    child = Bun.spawn([...options.command, options.role], {
      argv0: options.title,
      stdio: ["ignore", output, output, pair.theirs, ...options.fds],
      env: { ...COLLECT_WHEN_NEEDED, ...process.env },
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
  end.watch(channel, () => child.kill("SIGKILL"));
  return {
    pid: child.pid,
    send: (message) => channel.send(message),
    kill: (signal) => child.kill(signal),
    snapshot: () => (end.hasExited ? null : snapshotOf(child.pid, channel)),
  };
}

/** Goes on as the parent of a child that the program before this one started. */
export function adoptChild<In, Out>(
  { pid, channel: saved }: ChildSnapshot,
  events: ChildEvents<In>,
): ChildProcess<Out> {
  const end = new ChildEnd(events.onExit);
  const kill = (signal: NodeJS.Signals): void => {
    if (!end.hasExited) tryKill(pid, signal);
  };
  const channel: ControlChannel<Out> = resumeControlChannel<In, Out>(saved, {
    onMessage: (message) => events.onMessage(message),
    onClose: () => end.onChannelClose(),
  });
  end.watch(channel, () => kill("SIGKILL"));
  awaitExit(pid, (exit) => end.onExit(exit));
  return {
    pid,
    send: (message) => channel.send(message),
    kill,
    snapshot: () => (end.hasExited ? null : snapshotOf(pid, channel)),
  };
}

function snapshotOf<Out>(pid: number, channel: ControlChannel<Out>): ChildSnapshot | null {
  const saved = channel.snapshot();
  return saved === null ? null : { pid, channel: saved };
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone.
  }
}

/**
 * A child has ended when it exited *and* all that it said was read: its last message may say why.
 *
 * That it exited is known from the kernel alone. The end of its channel may never come by itself: a child that starts further
 * processes, such as a script does before it becomes the proxy, leaves its end of the channel to them.
 */
class ChildEnd {
  readonly #report: (exit: ChildExit) => void;
  #exit: ChildExit | null = null;
  #isChannelClosed = false;
  #channel: Pick<ControlChannel<unknown>, "finish"> | null = null;
  #kill: () => void = () => {};
  #timer: Timer | undefined;

  constructor(report: (exit: ChildExit) => void) {
    this.#report = report;
  }

  get hasExited(): boolean {
    return this.#exit !== null;
  }

  /** To be called once, before the event loop turns. */
  watch(channel: Pick<ControlChannel<unknown>, "finish">, kill: () => void): void {
    this.#channel = channel;
    this.#kill = kill;
  }

  onExit(exit: ChildExit): void {
    clearTimeout(this.#timer);
    this.#exit = exit;
    if (this.#isChannelClosed) this.#report(exit);
    else this.#channel?.finish();
  }

  onChannelClose(): void {
    this.#isChannelClosed = true;
    if (this.#exit !== null) this.#report(this.#exit);
    else this.#timer = setTimeout(() => this.#kill(), CLOSED_GRACE_MS);
  }
}
