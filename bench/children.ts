/**
 * The processes of a run: every one that is started here is ended here, by its pid, whatever happens.
 *
 * A child's output goes to a file in the run's directory, so that a failure can show it.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { isRunning, processTree } from "./proc.ts";

const STOP_GRACE_MS = 3_000;
const LOG_TAIL_BYTES = 2_000;

export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly exited: Promise<number>;
  hasExited(): boolean;
  /** What it wrote to stdout and stderr. */
  log(): string;
  /** The end of that. */
  logTail(): string;
}

const running = new Set<Child>();
/** Programs that end by themselves; killed only when the run is cut short. */
const tools = new Set<{ kill(signal: "SIGKILL"): void }>();
let isEnding = false;
let directory: string | null = null;
let logCount = 0;

/** The run's own temporary directory; removed by `stopAll`. */
export function runDirectory(): string {
  if (isEnding) throw new Error("the run is being ended");
  directory ??= mkdtempSync(join(tmpdir(), "proxy-bench-"));
  return directory;
}

export function startChild(name: string, command: readonly string[]): Child {
  logCount += 1;
  const log = join(runDirectory(), `${logCount}-${name.replace(/\W/g, "_")}.log`);
  const output = openSync(log, "w");
  const spawned = Bun.spawn([...command], { stdin: "ignore", stdout: output, stderr: output });
  closeSync(output);
  const readLog = (): string => readFileSync(log, "utf8");
  const child: Child = {
    name,
    pid: spawned.pid,
    exited: spawned.exited,
    hasExited: () => spawned.exitCode !== null || spawned.signalCode !== null,
    log: readLog,
    logTail: () => {
      const text = readLog();
      return text.substring(Math.max(0, text.length - LOG_TAIL_BYTES)).trim();
    },
  };
  running.add(child);
  return child;
}

/** SIGTERM, then SIGKILL for whatever of it and its descendants still runs after a while. */
export async function stopChild(child: Child): Promise<void> {
  const tree = processTree(child.pid);
  if (!child.hasExited()) process.kill(child.pid, "SIGTERM");
  await waitUntil(() => child.hasExited() && !tree.some(isRunning), STOP_GRACE_MS);
  for (const id of tree) if (isRunning(id)) process.kill(id.pid, "SIGKILL");
  await child.exited;
  running.delete(child);
}

/** Ends every child, and no other is started any more: what goes on with the next step when one fails comes to its end. */
export async function endAll(): Promise<void> {
  isEnding = true;
  await stopAll();
}

/** Ends every child and removes the run's directory. */
export async function stopAll(): Promise<void> {
  for (const tool of tools) tool.kill("SIGKILL");
  await Promise.all([...running].map(stopChild));
  if (directory !== null) rmSync(directory, { recursive: true, force: true });
  directory = null;
}

/** What a program that has ended printed to stdout, and the user and system time that it used. */
export interface Ended {
  readonly stdout: string;
  readonly cpuSeconds: number;
}

/** Runs a program to its end and returns its stdout. Fails as `runMeasured` does. */
export async function runToEnd(
  command: readonly string[],
  timeoutMs: number,
  what?: string,
): Promise<string> {
  return (await runMeasured(command, timeoutMs, what)).stdout;
}

/** Runs a program to its end. Fails on a bad exit code or when it takes too long; the error begins with `what`. */
export async function runMeasured(
  command: readonly string[],
  timeoutMs: number,
  what: string = command[0]!,
): Promise<Ended> {
  if (isEnding) throw new Error("the run is being ended");
  const spawned = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  tools.add(spawned);
  const [stdout, stderr, code] = await Promise.all([
    spawned.stdout.text(),
    spawned.stderr.text(),
    spawned.exited,
  ]);
  tools.delete(spawned);
  if (code !== 0) {
    const why =
      spawned.signalCode === "SIGKILL" ? `not done after ${timeoutMs} ms` : `exit ${code}`;
    throw new Error(`${what}: ${why}: ${stderr.trim().substring(0, 500)}`);
  }
  return { stdout, cpuSeconds: Number(spawned.resourceUsage()?.cpuTime.total ?? 0) / 1e6 };
}

/** A program that is told what to do line by line, answers in lines, and goes on until its stdin ends. */
export interface Talker {
  readonly pid: number;
  say(line: string): void;
  /** Its next line. @throws, naming `what`, when it exits first or takes longer. */
  line(timeoutMs: number, what: string): Promise<string>;
  /** Ends its stdin and waits for its exit. */
  end(): Promise<void>;
}

export function startTalker(command: readonly string[]): Talker {
  logCount += 1;
  const log = join(runDirectory(), `${logCount}-talker.log`);
  const errors = openSync(log, "w");
  const spawned = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: errors });
  closeSync(errors);
  tools.add(spawned);
  const lines = createInterface({ input: Readable.fromWeb(spawned.stdout as never) })[
    Symbol.asyncIterator
  ]();
  return {
    pid: spawned.pid,
    say: (line) => {
      // One that is gone is noticed where its next line is waited for.
      const ignore = (): void => {};
      Promise.resolve(spawned.stdin.write(`${line}\n`)).catch(ignore);
      Promise.resolve(spawned.stdin.flush()).catch(ignore);
    },
    line: async (timeoutMs, what) => {
      const timer = setTimeout(() => spawned.kill("SIGKILL"), timeoutMs);
      const { value, done } = await lines.next();
      clearTimeout(timer);
      if (done !== true) return value;
      const reason = readFileSync(log, "utf8").trim();
      throw new Error(`${what}: ${reason === "" ? `no answer in ${timeoutMs} ms` : reason}`);
    },
    end: async () => {
      await spawned.stdin.end();
      await spawned.exited;
      tools.delete(spawned);
    },
  };
}

/** Polls until `isDone`; false when it was not in that time. */
export async function waitUntil(isDone: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!isDone()) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(10);
  }
  return true;
}
