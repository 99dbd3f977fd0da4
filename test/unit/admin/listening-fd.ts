/** A listening unix socket as a bare fd, the way the supervisor hands one to the admin process. */
import { dlopen, FFIType } from "bun:ffi";

const libc = dlopen("libc.so.6", {
  socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  bind: { args: [FFIType.i32, FFIType.ptr, FFIType.u32], returns: FFIType.i32 },
  listen: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
});

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0x80000;
const SUN_PATH_BYTES = 108;

/** The caller owns the fd. */
export function listenUnix(path: string): number {
  const { socket, bind, listen } = libc.symbols;
  const address = Buffer.from(new ArrayBuffer(2 + SUN_PATH_BYTES));
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(path, 2);
  const fd = socket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0);
  if (fd < 0 || bind(fd, address, address.length) !== 0 || listen(fd, 512) !== 0) {
    throw new Error(`cannot listen on ${path}`);
  }
  return fd;
}
