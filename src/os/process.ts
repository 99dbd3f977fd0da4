/** What a process can do to itself and to its children beyond what Bun offers. */

import { ptr } from "bun:ffi";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { cString, errno, libc } from "./libc.ts";
import { check, errnoName, OsError } from "./os-error.ts";

const PR_SET_PDEATHSIG = 1;
const PR_SET_NAME = 15;
const WNOHANG = 1;
const SIG_IGN = 1;

export interface ChildExit {
  readonly exitCode: number | null;
  /** Name of the signal that killed it, such as "SIGKILL". */
  readonly signal: string | null;
}

/** The short name that ps, top and /proc/PID/comm show; cut to 15 bytes. */
export function setProcessName(name: string): void {
  check(libc.prctl(PR_SET_NAME, ptr(cString(name)), 0, 0, 0), "prctl");
}

/** Has the kernel send `signal` to this process when its parent dies. A parent that is dead already sends nothing. */
export function setParentDeathSignal(signal: number): void {
  check(libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl");
}

/**
 * Has the kernel send `signal` when the parent dies. The parent may still be there for a moment then: its first thread died.
 * To be called after `assumeIdentity`, which undoes it.
 * @returns false: the parent, which had the number `parent`, is dead already
 */
export function hearParentDeath(signal: NodeJS.Signals, parent: number): boolean {
  setParentDeathSignal(constants.signals[signal]);
  return process.ppid === parent;
}

/** Numbers of the processes that this process has started, or its program before `executeInPlace`, and not reaped yet. */
export function childPids(): number[] {
  try {
    const text = readFileSync("/proc/thread-self/children", "latin1");
    return text.split(" ").filter(Boolean).map(Number);
  } catch {
    // A kernel that was built without this list.
    return [];
  }
}

/** The short name of a process; empty when it is gone. */
export function processName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

/** Leaves the terminal and the process group of the process that started us. @throws OsError in a group leader. */
export function becomeSessionLeader(): void {
  check(libc.setsid(), "setsid");
}

/** Whether a process with this number exists (a zombie counts). */
export function processExists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** A process, and not another one that gets its number later. */
export interface ProcessMark {
  readonly pid: number;
  /** In ticks since the machine was started. */
  readonly startedAt: string;
}

/** Null: there is no such process, or it has ended and only waits to be reaped. */
export function markProcess(pid: number): ProcessMark | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // pid (name) state ppid …, where the name may hold blanks and parentheses.
    const fields = stat.substring(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : { pid, startedAt: fields[19] ?? "" };
  } catch {
    return null;
  }
}

export function isRunning({ pid, startedAt }: ProcessMark): boolean {
  return markProcess(pid)?.startedAt === startedAt;
}

/**
 * Reaps a child that Bun does not know, such as one that was started before `executeInPlace`.
 * @returns null while it runs. @throws OsError ECHILD when it is no child of ours.
 */
export function reapChild(pid: number): ChildExit | null {
  const status = new Int32Array(new ArrayBuffer(4));
  const result = libc.waitpid(pid, status, WNOHANG);
  if (result < 0) throw new OsError("waitpid", errnoName(errno()));
  return result === 0 ? null : decodeWaitStatus(status[0] ?? 0);
}

/** Splits the status word of wait(2). */
export function decodeWaitStatus(status: number): ChildExit {
  const number = status & 0x7f;
  if (number === 0) return { exitCode: (status >> 8) & 0xff, signal: null };
  return { exitCode: null, signal: signalName(number) };
}

/** "SIGTERM" for 15. */
export function signalName(number: number): string {
  for (const [name, value] of Object.entries(constants.signals)) {
    if (value === number) return name;
  }
  return `signal ${number}`;
}

/**
 * Replaces the program of this process: same pid, same children, and every descriptor that is inheritable.
 * Returns only by throwing. @throws OsError
 */
export function executeInPlace(
  path: string,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): never {
  const pairs = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const argvList = stringList(argv);
  const environmentList = stringList(pairs);
  libc.execve(cString(path), argvList.pointers, environmentList.pointers);
  // Reached only on failure; naming the strings here also keeps them alive during the call.
  const kept = argvList.strings.length + environmentList.strings.length;
  throw new OsError(`execve of ${path} with ${kept} strings`, errnoName(errno()));
}

function stringList(texts: readonly string[]): { pointers: BigUint64Array; strings: Buffer[] } {
  // Above 1000 bytes a typed array's memory never moves; small ones may until their buffer is named.
  const strings = texts.map((text) => {
    const bytes = Buffer.from(new ArrayBuffer(Buffer.byteLength(text) + 1));
    bytes.write(text);
    return bytes;
  });
  const pointers = new BigUint64Array(new ArrayBuffer((texts.length + 1) * 8));
  for (const [index, bytes] of strings.entries()) pointers[index] = BigInt(ptr(bytes));
  return { pointers, strings };
}

/** Has the kernel discard a signal, also while JavaScript is blocked in a call. Children inherit that. */
export function ignoreSignal(signal: number): void {
  libc.signal(signal, SIG_IGN);
}
