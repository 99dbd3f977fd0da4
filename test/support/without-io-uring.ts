/**
 * without-io-uring.ts CALL ERROR COMMAND …: runs the command with a part of io_uring forbidden, as a container's seccomp profile forbids it: that
 * system call (`setup`, `enter` or `register`) fails with that error, in that process and all that it starts. The pid stays the same.
 */
import { ptr } from "bun:ffi";
import { libc } from "../../src/os/libc.ts";
import { check, ERRNO } from "../../src/os/os-error.ts";
import { executeInPlace } from "../../src/os/process.ts";

const PR_SET_SECCOMP = 22;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_MODE_FILTER = 2;
const SYSTEM_CALLS: Record<string, number> = { setup: 425, enter: 426, register: 427 };

/** struct sock_filter: code, two jumps, a constant. */
function instruction(code: number, onTrue: number, onFalse: number, constant: number): bigint {
  const jumps = (BigInt(onTrue) << 16n) | (BigInt(onFalse) << 24n);
  return BigInt(code) | jumps | (BigInt(constant) << 32n);
}

const [call = "", error = "", name = "", ...args] = process.argv.toSpliced(0, 2);
const number = SYSTEM_CALLS[call];
const errorNumber = ERRNO[error];
if (number === undefined || errorNumber === undefined) throw new Error(`${call} ${error}?`);
const program = BigUint64Array.of(
  // The number of the system call …
  instruction(0x20, 0, 0, 0),
  // … if it is that one, the next instruction, else the one behind it.
  instruction(0x15, 0, 1, number),
  instruction(0x06, 0, 0, 0x0005_0000 | errorNumber),
  instruction(0x06, 0, 0, 0x7fff_0000),
);
const bytes = new BigUint64Array(new ArrayBuffer(program.byteLength));
bytes.set(program);
/** struct sock_fprog. */
const header = new BigUint64Array(new ArrayBuffer(16));
header[0] = BigInt(program.length);
header[1] = BigInt(ptr(bytes));

check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl");
check(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ptr(header), 0, 0), "prctl");
const path = Bun.which(name) ?? name;
executeInPlace(path, [path, ...args], process.env);
