/**
 * How long a thread may keep its core while other threads wait for it.
 *
 * Since Linux 6.12 a thread that wakes up takes the core at once from one with a longer time slice, as long as it has had no more than its
 * share. So the thread with the event loop need not wait until a compiler or collector thread, of this process or another, has used
 * up its slice. Shares stay as they are. Older kernels take the same call and do nothing. See sched_setattr(2).
 */
import { ptr } from "bun:ffi";
import { libc } from "./libc.ts";

const IS_X64 = process.arch === "x64";
const SYS_SCHED_SETATTR = IS_X64 ? 314 : 274;
const SYS_SCHED_GETATTR = IS_X64 ? 315 : 275;

/** struct sched_attr, its first version. */
const ATTRIBUTES_BYTES = 48;
const POLICY_AT = 4;
const FLAGS_AT = 8;
const RUNTIME_AT = 24;
const SCHED_OTHER = 0;
/** SCHED_FLAG_RESET_ON_FORK: threads and processes that it starts have the kernel's own slice. */
const NOT_INHERITED = 1n;

/** The kernel's own one is 1.4 ms on two cores, and 2.8 ms on eight or more. */
const SHORT_NS = 500_000n;

/**
 * Gives this thread, and none that it starts, a short slice. Does nothing where that is forbidden, or where the thread is not scheduled in
 * the usual way: then that was decided elsewhere.
 */
export function shortenTimeSlice(): void {
  const attributes = new DataView(new ArrayBuffer(ATTRIBUTES_BYTES));
  const address = ptr(attributes);
  const found = libc.syscall(SYS_SCHED_GETATTR, 0, address, ATTRIBUTES_BYTES, 0, 0, 0);
  if (Number(found) !== 0 || attributes.getUint32(POLICY_AT, true) !== SCHED_OTHER) return;
  attributes.setBigUint64(FLAGS_AT, NOT_INHERITED, true);
  attributes.setBigUint64(RUNTIME_AT, SHORT_NS, true);
  libc.syscall(SYS_SCHED_SETATTR, 0, address, 0, 0, 0, 0);
}
