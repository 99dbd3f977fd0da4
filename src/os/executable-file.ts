/** What kind of program a file is, and who may change it: to say why it cannot or should not run before trying. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { userText } from "./accounts.ts";
import { errorText } from "./os-error.ts";
import {
  findPlace,
  O_CLOEXEC,
  O_PATH,
  type Place,
  UnsafePathError,
  weaknessOf,
} from "./safe-path.ts";

/** "elf": a program of this machine. "script": one that names its interpreter. */
export type ExecutableKind = "elf" | "script";

export interface ExecutableRules {
  /** Run it also if other users may replace or change it. Default: false. */
  readonly isTrusted?: boolean;
  /** Default: this machine. */
  readonly machine?: string;
}

export interface Executable {
  readonly kind: ExecutableKind;
  /** Open for reading: the very file that was looked at. The caller closes it. */
  readonly fd: number;
}

/** Why a file is not run, as the end of a sentence that begins with its path. */
export interface Refusal {
  readonly problem: string;
}

/** e_machine of the ELF header. */
const MACHINES: Readonly<Record<number, string>> = {
  3: "x86 (32 bit)",
  8: "MIPS",
  20: "PowerPC",
  21: "PowerPC 64",
  22: "s390",
  40: "ARM (32 bit)",
  62: "x64",
  183: "arm64",
  243: "RISC-V",
  258: "LoongArch",
};
const OWN_MACHINE: Readonly<Record<string, number>> = { x64: 62, arm64: 183, riscv64: 243 };
const HEAD_BYTES = 20;
const EXECUTE_BITS = 0o111;

/**
 * Opens the program at a path, through links as execve(2) does, if it can run here and only root and this process's
 * user may change it: neither the file nor a folder on the way. Never throws, and never waits: what is no regular file is not
 * opened.
 */
export function openExecutable(path: string, rules: ExecutableRules = {}): Executable | Refusal {
  let place: Place;
  try {
    place = findPlace(path, { isStrict: true, followsAll: true });
  } catch (error) {
    return { problem: openProblem(error) };
  }
  try {
    return openAt(place, path, rules);
  } catch (error) {
    return { problem: openProblem(error) };
  } finally {
    place.close();
  }
}

function openAt(place: Place, path: string, rules: ExecutableRules): Executable | Refusal {
  // A descriptor of ours is no path that others could be given.
  if (place.descriptor !== null) return { problem: "is not a regular file" };
  const found = openSync(place.at, O_PATH | O_CLOEXEC | constants.O_NOFOLLOW);
  try {
    const status = fstatSync(found);
    if (!status.isFile()) {
      return { problem: status.isDirectory() ? "is a directory" : "is not a regular file" };
    }
    const mayRun = (status.mode & EXECUTE_BITS) !== 0;
    // Only of what is a program by its content is it worth saying how to make it run.
    if (!mayRun) return { problem: whyNotRun(found, path, rules.machine ?? process.arch) };
    const weakness = place.weakness ?? weaknessOf(found, status, "file");
    if (weakness !== null && rules.isTrusted !== true) return distrust(weakness);
    const fd = openSync(`/proc/self/fd/${found}`, constants.O_RDONLY | O_CLOEXEC);
    const kind = readKind(fd, rules.machine ?? process.arch);
    if ("problem" in kind) closeSync(fd);
    return "problem" in kind ? kind : { ...kind, fd };
  } finally {
    closeSync(found);
  }
}

/** What to say of a file without the right to be executed. */
function whyNotRun(found: number, path: string, machine: string): string {
  const fd = openSync(`/proc/self/fd/${found}`, constants.O_RDONLY | O_CLOEXEC);
  try {
    const kind = readKind(fd, machine);
    return "problem" in kind ? kind.problem : `is not executable: chmod +x ${path}`;
  } finally {
    closeSync(fd);
  }
}

function distrust(weakness: string): Refusal {
  const me = process.geteuid?.() ?? 0;
  const who = me === 0 ? "root" : `root and ${userText(me)}`;
  return {
    problem: `is not run, because users other than ${who} could change it: ${weakness}. Change owner or mode (chown, chmod go-w), or pass --trust to run it all the same`,
  };
}

function readKind(fd: number, machine: string): { readonly kind: ExecutableKind } | Refusal {
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return inspectHead(head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0)), machine);
  } catch (error) {
    return { problem: `cannot be read: ${(error as Error).message}` };
  }
}

function inspectHead(head: Buffer, machine: string): { readonly kind: ExecutableKind } | Refusal {
  if (head.length === 0) return { problem: "is empty" };
  if (head.toString("latin1", 0, 2) === "#!") return { kind: "script" };
  if (head.toString("latin1", 0, 4) !== "\x7fELF") {
    return {
      problem: "is not an executable of this machine: it is neither an ELF program nor a script",
    };
  }
  if (head.length < HEAD_BYTES) return { problem: "is cut short: its ELF header is not whole" };
  const found = head.readUInt16LE(18);
  if (found !== OWN_MACHINE[machine]) {
    const name = MACHINES[found] ?? `machine type ${found}`;
    return {
      problem: `is not an executable of this machine: it is for ${name}, this is ${machine}`,
    };
  }
  return { kind: "elf" };
}

function openProblem(error: unknown): string {
  if (error instanceof UnsafePathError) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "does not exist";
  if (code === "EACCES") return "cannot be read: permission denied";
  return `cannot be opened: ${typeof code === "string" ? errorText(code) : message}`;
}
