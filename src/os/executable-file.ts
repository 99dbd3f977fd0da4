/** What kind of program a file is, read from its first bytes: to say why it cannot run before trying. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** "elf": a program of this machine. "script": one that names its interpreter. */
export type ExecutableKind = "elf" | "script";

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

/** @returns the kind, or why the file cannot be run, as the end of a sentence that begins with its path. Never throws. */
export function inspectExecutable(
  path: string,
  machine: string = process.arch,
): { readonly kind: ExecutableKind } | { readonly problem: string } {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    return { problem: openProblem((error as NodeJS.ErrnoException).code ?? "") };
  }
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) {
      return { problem: status.isDirectory() ? "is a directory" : "is not a regular file" };
    }
    if ((status.mode & EXECUTE_BITS) === 0) {
      return { problem: `is not executable: chmod +x ${path}` };
    }
    const head = Buffer.alloc(HEAD_BYTES);
    return inspectHead(head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0)), machine);
  } catch (error) {
    return { problem: `cannot be read: ${(error as Error).message}` };
  } finally {
    closeSync(fd);
  }
}

function inspectHead(
  head: Buffer,
  machine: string,
): { readonly kind: ExecutableKind } | { readonly problem: string } {
  if (head.length === 0) return { problem: "is empty" };
  if (head.toString("latin1", 0, 2) === "#!") return { kind: "script" };
  if (head.toString("latin1", 0, 4) !== "\x7fELF") {
    return { problem: "is not an executable of this machine: it is no ELF program" };
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

function openProblem(code: string): string {
  if (code === "ENOENT") return "does not exist";
  if (code === "EACCES") return "cannot be read: permission denied";
  return `cannot be opened (${code})`;
}
