/**
 * The kernel's io_uring: a queue of operations that are to be done, and one of what became of them, in memory that both sides see.
 *
 *   prepare … prepare ─enter─▶ kernel ─completions─▶ head … tail ─seen─▶
 *
 * One system call (`enter`) hands over all that was prepared, and waits for completions. Everything happens in the thread that
 * made the ring, inside of that call: the memory needs no barriers.
 */
import { ptr } from "bun:ffi";
import { closeFd } from "./fd.ts";
import { errno, libc } from "./libc.ts";
import { type MappedMemory, mapShared, unmap } from "./mapped-memory.ts";
import { ERRNO, errnoName, OsError } from "./os-error.ts";

const SYS_IO_URING_SETUP = 425;
const SYS_IO_URING_ENTER = 426;
const SYS_IO_URING_REGISTER = 427;

const SETUP_CQSIZE = 1 << 3;
const SETUP_SINGLE_ISSUER = 1 << 12;
const SETUP_DEFER_TASKRUN = 1 << 13;
const FEATURE_SINGLE_MMAP = 1 << 0;
const FEATURE_NODROP = 1 << 1;
const FEATURE_EXT_ARG = 1 << 8;
const OFFSET_SQES = 0x1000_0000;
const REGISTER_PBUF_RING = 22;
const ENTER_GETEVENTS = 1 << 0;
const ENTER_EXT_ARG = 1 << 3;

/** struct io_uring_params, in 32-bit words. */
const PARAMS_WORDS = 30;
const SQE_WORDS = 16;
const SQE_BYTES: number = SQE_WORDS * 4;
const CQE_WORDS = 4;
/** struct io_uring_getevents_arg. */
const ARGUMENT_BYTES = 24;
const WORD = 4_294_967_296;
const TRIES_MAX = 1000;

/** What is to be done: opcode, flags of the operation above it, and its priority bits in the upper half. */
export const POLL = 6;
/**
 * As the length of a POLL: it goes on. A connection whose other end has ended is always ready (io_uring adds EPOLLRDHUP to what is asked for),
 * so one that must not complete again and again for that is told of changes only.
 */
export const POLL_CHANGES = 1;
export const POLLIN = 1;
export const POLLOUT = 4;
/** POLLERR and POLLHUP: reported unasked. */
export const POLL_GONE: number = 8 | 16;
export const CANCEL = 14;
export const CLOSE = 19;
export const SEND = 26;
/** Goes on until it fails, and completes with a buffer of group 0 each time (IOSQE_BUFFER_SELECT, IORING_RECV_MULTISHOT). */
export const RECEIVE: number = 27 | (0x20 << 8) | (0x2 << 16);

/** Of a completion: more of the same operation will follow. */
export const CQE_MORE: number = 1 << 1;
/** Of a completion: it came with a buffer, whose number is in the upper half of the flags. */
export const CQE_BUFFER = 1;
export const CQE_BUFFER_SHIFT = 16;

export interface RingSizes {
  /** Powers of two. */
  readonly submissions: number;
  readonly completions: number;
}

/** Owned by the thread that made it. */
export class IoUring {
  readonly fd: number;
  /** How often what was prepared was handed over: what was prepared at the same count is not with the kernel yet. */
  submits = 0;
  /** The first completion that was not looked at yet; the owner moves it on. */
  head = 0;
  private readonly maps: readonly MappedMemory[];
  private readonly words: Int32Array;
  private readonly sqes: Int32Array;
  private readonly sqTailAt: number;
  private readonly sqMask: number;
  private readonly sqEntries: number;
  private readonly cqHeadAt: number;
  private readonly cqTailAt: number;
  private readonly cqMask: number;
  private readonly cqesAt: number;
  private readonly argument: Uint8Array;
  private readonly argumentAddress: number;
  private readonly wait: Int32Array;
  private sqTail = 0;
  private unsubmitted = 0;

  /** @throws OsError: the kernel has no io_uring, or not all that is needed, or it is forbidden here */
  constructor({ submissions, completions }: RingSizes) {
    const params = new Uint32Array(new ArrayBuffer(PARAMS_WORDS * 4));
    params[1] = completions;
    params[2] = SETUP_CQSIZE | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN;
    this.fd = checked(
      libc.syscall(SYS_IO_URING_SETUP, submissions, ptr(params), 0, 0, 0, 0),
      "io_uring_setup",
    );
    const sqEntries = params[0]!;
    const cqEntries = params[1]!;
    const needed = FEATURE_SINGLE_MMAP | FEATURE_NODROP | FEATURE_EXT_ARG;
    const maps: MappedMemory[] = [];
    try {
      if ((params[5]! & needed) !== needed) throw new OsError("io_uring_setup", "ENOSYS");
      // The rings' memory holds the heads and tails, the array of submissions and the completions.
      const sqArrayAt = params[16]!;
      const cqesAt = params[25]!;
      const ringBytes = Math.max(sqArrayAt + sqEntries * 4, cqesAt + cqEntries * CQE_WORDS * 4);
      maps.push(mapShared(this.fd, 0, ringBytes));
      maps.push(mapShared(this.fd, OFFSET_SQES, sqEntries * SQE_BYTES));
    } catch (error) {
      for (const map of maps) unmap(map);
      closeFd(this.fd);
      throw error;
    }
    this.maps = maps;
    const words = new Int32Array(maps[0]!.memory);
    this.words = words;
    this.sqes = new Int32Array(maps[1]!.memory);
    this.sqEntries = sqEntries;
    this.sqTailAt = params[11]! >> 2;
    this.sqMask = words[params[12]! >> 2]!;
    const sqArrayAt = params[16]! >> 2;
    for (let i = 0; i < sqEntries; i++) words[sqArrayAt + i] = i;
    this.cqHeadAt = params[20]! >> 2;
    this.cqTailAt = params[21]! >> 2;
    this.cqMask = words[params[22]! >> 2]!;
    this.cqesAt = params[25]! >> 2;
    this.wait = new Int32Array(new ArrayBuffer(16));
    const argument = new DataView(new ArrayBuffer(ARGUMENT_BYTES));
    argument.setBigUint64(16, BigInt(ptr(this.wait)), true);
    this.argument = new Uint8Array(argument.buffer);
    this.argumentAddress = ptr(this.argument);
  }

  /** The ring of buffers at `address`, of `entries`, becomes buffer group 0. @throws OsError */
  registerBuffers(address: number, entries: number): void {
    const registration = new BigUint64Array(new ArrayBuffer(40));
    registration[0] = BigInt(address);
    registration[1] = BigInt(entries);
    const at = ptr(registration);
    checked(
      libc.syscall(SYS_IO_URING_REGISTER, this.fd, REGISTER_PBUF_RING, at, 1, 0, 0),
      "io_uring_register",
    );
  }

  /**
   * Prepares an operation; the kernel hears of it with the next `enter`, in this order.
   * @param what one of the constants above
   * @param address of the bytes, or what else the operation has in its place
   * @param flags of this kind of operation: how to send, what to poll for
   * @param tag comes back with the completion; positive, 31 bits
   * @returns where it is, for `setLength`
   */
  prepare(
    what: number,
    fd: number,
    address: number,
    length: number,
    flags: number,
    tag: number,
  ): number {
    if (this.unsubmitted === this.sqEntries) this.makeRoom();
    const { sqes } = this;
    const at = (this.sqTail & this.sqMask) * SQE_WORDS;
    sqes[at] = what;
    sqes[at + 1] = fd;
    sqes[at + 2] = 0;
    sqes[at + 3] = 0;
    sqes[at + 4] = (address % WORD) | 0;
    sqes[at + 5] = (address / WORD) | 0;
    sqes[at + 6] = length;
    sqes[at + 7] = flags;
    sqes[at + 8] = tag;
    sqes[at + 9] = 0;
    sqes[at + 10] = 0;
    sqes[at + 11] = 0;
    sqes[at + 12] = 0;
    sqes[at + 13] = 0;
    this.sqTail = (this.sqTail + 1) | 0;
    this.unsubmitted++;
    return at;
  }

  private makeRoom(): void {
    for (let tries = 0; this.unsubmitted === this.sqEntries; tries++) {
      // The kernel takes nothing when it has no memory for requests.
      if (tries === TRIES_MAX) throw new OsError("io_uring_enter", "ENOMEM");
      this.enter(0, 0);
    }
  }

  /** Changes the length of an operation that the kernel has not heard of yet, because `submits` is still the same. */
  setLength(at: number, length: number): void {
    this.sqes[at + 6] = length;
  }

  /**
   * Hands over what was prepared.
   * @param completions so many are waited for: 0 or 1
   * @param waitMs not for longer than this
   * @throws OsError for what no caller can mend
   */
  enter(completions: number, waitMs: number): void {
    const { words, wait } = this;
    const count = this.unsubmitted;
    words[this.sqTailAt] = this.sqTail;
    words[this.cqHeadAt] = this.head;
    if (completions > 0) {
      const seconds = Math.floor(waitMs / 1000);
      wait[0] = seconds;
      wait[2] = (waitMs - seconds * 1000) * 1_000_000;
    }
    this.submits++;
    const result = Number(
      libc.syscall(
        SYS_IO_URING_ENTER,
        this.fd,
        count,
        completions,
        ENTER_GETEVENTS | ENTER_EXT_ARG,
        this.argumentAddress,
        ARGUMENT_BYTES,
      ),
    );
    if (result >= 0) {
      this.unsubmitted = count - result;
      return;
    }
    const code = errno();
    // The wait is over without a completion, or a signal came. EBUSY, EAGAIN: completions must be taken first, or memory is short.
    const isPassing =
      code === ERRNO["ETIME"] ||
      code === ERRNO["EINTR"] ||
      code === ERRNO["EBUSY"] ||
      code === ERRNO["EAGAIN"];
    if (!isPassing) throw new OsError("io_uring_enter", errnoName(code));
  }

  /** Behind the last completion. */
  get tail(): number {
    return this.words[this.cqTailAt]!;
  }

  /** Where the completion number `index` is, for the functions below. */
  completionAt(index: number): number {
    return this.cqesAt + (index & this.cqMask) * CQE_WORDS;
  }

  tagAt(at: number): number {
    return this.words[at]!;
  }

  resultAt(at: number): number {
    return this.words[at + 2]!;
  }

  flagsAt(at: number): number {
    return this.words[at + 3]!;
  }

  /** It was dealt with before its turn. */
  clearTag(at: number): void {
    this.words[at] = 0;
  }

  /** Nothing of it may be used any more. */
  close(): void {
    closeFd(this.fd);
    for (const map of this.maps) unmap(map);
  }
}

function checked(result: number | bigint, call: string): number {
  const number = Number(result);
  if (number < 0) throw new OsError(call, errnoName(errno()));
  return number;
}
