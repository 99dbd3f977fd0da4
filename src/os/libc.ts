/**
 * The C library: every function that the project calls there is declared here, once.
 *
 * `libc.so.6` is right for glibc and for musl alike. Linux only, 64 bit only.
 */
import { dlopen, FFIType, type Pointer, read } from "bun:ffi";

const { i32, u32, i64_fast, ptr } = FFIType;

const library = dlopen("libc.so.6", {
  socket: { args: [i32, i32, i32], returns: i32 },
  socketpair: { args: [i32, i32, i32, ptr], returns: i32 },
  bind: { args: [i32, ptr, u32], returns: i32 },
  listen: { args: [i32, i32], returns: i32 },
  connect: { args: [i32, ptr, u32], returns: i32 },
  setsockopt: { args: [i32, i32, i32, ptr, u32], returns: i32 },
  getsockopt: { args: [i32, i32, i32, ptr, ptr], returns: i32 },
  getsockname: { args: [i32, ptr, ptr], returns: i32 },
  getpeername: { args: [i32, ptr, ptr], returns: i32 },
  accept4: { args: [i32, ptr, ptr, i32], returns: i32 },
  shutdown: { args: [i32, i32], returns: i32 },
  inet_ntop: { args: [i32, ptr, ptr, u32], returns: ptr },
  inet_pton: { args: [i32, ptr, ptr], returns: i32 },
  if_nametoindex: { args: [ptr], returns: u32 },
  sendmsg: { args: [i32, ptr, i32], returns: i32 },
  send: { args: [i32, ptr, i64_fast, i32], returns: i64_fast },
  recvmsg: { args: [i32, ptr, i32], returns: i32 },
  epoll_create1: { args: [i32], returns: i32 },
  epoll_ctl: { args: [i32, i32, i32, ptr], returns: i32 },
  epoll_wait: { args: [i32, ptr, i32, i32], returns: i32 },
  close: { args: [i32], returns: i32 },
  dup2: { args: [i32, i32], returns: i32 },
  fcntl: { args: [i32, i32, i64_fast], returns: i32 },
  ioctl: { args: [i32, i64_fast, ptr], returns: i32 },
  pread: { args: [i32, ptr, i64_fast, i64_fast], returns: i64_fast },
  pwrite: { args: [i32, ptr, i64_fast, i64_fast], returns: i64_fast },
  flock: { args: [i32, i32], returns: i32 },
  ftruncate: { args: [i32, i64_fast], returns: i32 },
  memfd_create: { args: [ptr, u32], returns: i32 },
  prctl: { args: [i32, i64_fast, i64_fast, i64_fast, i64_fast], returns: i32 },
  sched_getaffinity: { args: [i32, i64_fast, ptr], returns: i32 },
  sched_setaffinity: { args: [i32, i64_fast, ptr], returns: i32 },
  prlimit: { args: [i32, i32, ptr, ptr], returns: i32 },
  clock_gettime: { args: [i32, ptr], returns: i32 },
  signal: { args: [i32, i64_fast], returns: i64_fast },
  getpwnam: { args: [ptr], returns: ptr },
  getgrnam: { args: [ptr], returns: ptr },
  getgrouplist: { args: [ptr, u32, ptr, ptr], returns: i32 },
  setgroups: { args: [i64_fast, ptr], returns: i32 },
  setgid: { args: [u32], returns: i32 },
  setuid: { args: [u32], returns: i32 },
  getxattr: { args: [ptr, ptr, ptr, i64_fast], returns: i64_fast },
  setsid: { args: [], returns: i32 },
  waitpid: { args: [i32, ptr, i32], returns: i32 },
  execve: { args: [ptr, ptr, ptr], returns: i32 },
  sigprocmask: { args: [i32, ptr, ptr], returns: i32 },
  sigaction: { args: [i32, ptr, ptr], returns: i32 },
  mmap: { args: [i64_fast, i64_fast, i32, i32, i32, i64_fast], returns: i64_fast },
  munmap: { args: [i64_fast, i64_fast], returns: i32 },
  madvise: { args: [i64_fast, i64_fast, i32], returns: i32 },
  syscall: {
    args: [i64_fast, i64_fast, i64_fast, i64_fast, i64_fast, i64_fast, i64_fast],
    returns: i64_fast,
  },
  __errno_location: { args: [], returns: ptr },
} as const);

/** Memory of ours that C reads or fills during the call. */
type Memory = NodeJS.TypedArray;

/** The same functions as JavaScript sees them; numbers are C ints unless said otherwise. */
export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  socketpair(family: number, type: number, protocol: number, fds: Memory): number;
  bind(fd: number, address: Memory, length: number): number;
  listen(fd: number, backlog: number): number;
  connect(fd: number, address: Memory, length: number): number;
  setsockopt(fd: number, level: number, option: number, value: Memory, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: Memory, length: Memory): number;
  getsockname(fd: number, address: Memory, length: Memory): number;
  getpeername(fd: number, address: Memory, length: Memory): number;
  accept4(fd: number, address: Memory | null, length: Memory | null, flags: number): number;
  shutdown(fd: number, how: number): number;
  inet_ntop(family: number, address: Memory, text: Memory, length: number): unknown;
  inet_pton(family: number, text: Memory, address: Memory): number;
  if_nametoindex(name: Memory): number;
  sendmsg(fd: number, message: Memory, flags: number): number;
  send(fd: number, bytes: Memory | Pointer, length: number, flags: number): number | bigint;
  recvmsg(fd: number, message: Memory, flags: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: Memory | null): number;
  epoll_wait(epoll: number, events: Memory, eventsMax: number, timeoutMs: number): number;
  close(fd: number): number;
  dup2(fd: number, target: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  ioctl(fd: number, request: number, argument: Memory): number;
  /** The count is a 64-bit number: that of any buffer fits into a JavaScript number. */
  pread(fd: number, bytes: Memory, length: number, position: number): number | bigint;
  pwrite(fd: number, bytes: Memory, length: number, position: number): number | bigint;
  flock(fd: number, operation: number): number;
  ftruncate(fd: number, length: number): number;
  memfd_create(name: Memory, flags: number): number;
  prctl(option: number, a: number, b: number, c: number, d: number): number;
  sched_getaffinity(pid: number, length: number, mask: Memory): number;
  sched_setaffinity(tid: number, length: number, mask: Memory): number;
  prlimit(pid: number, resource: number, limit: Memory | null, old: Memory | null): number;
  clock_gettime(clock: number, time: Memory): number;
  signal(number: number, handler: number): number | bigint;
  getpwnam(name: Memory): Pointer | bigint | null;
  getgrnam(name: Memory): Pointer | bigint | null;
  getgrouplist(user: Memory, group: number, groups: Memory, count: Memory): number;
  setgroups(count: number, groups: Memory): number;
  setgid(gid: number): number;
  setuid(uid: number): number;
  getxattr(path: Memory, name: Memory, value: Memory | null, length: number): number | bigint;
  setsid(): number;
  waitpid(pid: number, status: Memory, options: number): number;
  execve(path: Memory, argv: Memory, environment: Memory): number;
  sigprocmask(how: number, set: Memory, old: Memory | null): number;
  sigaction(signal: number, action: Memory | null, old: Memory | null): number;
  /** Addresses are numbers: no address that a process may have needs more than 53 bits. */
  mmap(
    address: number,
    length: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ): number | bigint;
  munmap(address: number, length: number): number;
  madvise(address: number, length: number, advice: number): number;
  /** For system calls that the C library has no function for. Pointers are given as addresses. */
  syscall(
    number: number,
    a: number,
    b: number,
    c: number,
    d: number,
    e: number,
    f: number,
  ): number | bigint;
  __errno_location(): Pointer | bigint | null;
}

export const libc: Libc = library.symbols;

/** The error number of the libc call just made. Read it before anything else runs. */
export function errno(): number {
  const location = libc.__errno_location();
  return location === null ? 0 : read.i32(Number(location) as Pointer, 0);
}

/** A string as C wants it; the array must be kept while C may read it. */
export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}
