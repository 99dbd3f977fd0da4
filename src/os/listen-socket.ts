/**
 * Listening sockets, made here and not by Bun: with any backlog, and as plain descriptors that outlive a worker.
 *
 * Every error is one line that names the address and, where there is one, the way out.
 */
import { fchmodSync, lstatSync, type Stats, unlinkSync } from "node:fs";
import { closeFd } from "./fd.ts";
import { errno, libc } from "./libc.ts";
import { errnoName, errorText, reasonOf } from "./os-error.ts";
import { type FileIdentity, removeFile } from "./safe-file.ts";
import { findPlace, type Place } from "./safe-path.ts";
import {
  AF_INET6,
  AF_UNIX,
  ipAddress,
  type SocketAddress,
  UNIX_PATH_BYTES_MAX,
  unixAddress,
} from "./socket-address.ts";
import { peerProcess } from "./socket-facts.ts";

export interface TcpListenOptions {
  /** An IPv4 or IPv6 address; names are resolved before. */
  readonly ip: string;
  /** 0: any free port, see `boundPort`. */
  readonly port: number;
  readonly backlog: number;
  /** Several sockets may listen on this address, and the kernel spreads connections over them. */
  readonly reusePort: boolean;
}

export interface UnixListenOptions {
  readonly path: string;
  /** Permission bits of the socket file; null: what the umask leaves. */
  readonly mode: number | null;
  readonly backlog: number;
}

export interface UnixListener {
  readonly fd: number;
  readonly file: SocketFile;
}

/** Which file a unix socket made. */
export type SocketFile = FileIdentity;

/** Cannot listen; the message is one line that names the address. `code` is an errno name. */
export class ListenError extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.name = "ListenError";
    this.code = code;
  }
}

const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;

/** @returns the listening descriptor; the caller owns it. @throws ListenError */
export function listenTcp(options: TcpListenOptions): number {
  const name = tcpName(options.ip, options.port);
  const address = ipAddress(options.ip, options.port);
  if (address === null) throw new ListenError(`address ${name}: not an IP address`, "EINVAL");
  const fd = openSocket(address, name);
  try {
    setFlag(fd, SO_REUSEADDR, name);
    if (options.reusePort) setFlag(fd, SO_REUSEPORT, name);
    bindAndListen(fd, address, options.backlog, name);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return fd;
}

/**
 * Proves that no process listens on an address yet, also not with SO_REUSEPORT.
 * @returns the port, or a free one for port 0. @throws ListenError
 */
export function reserveTcp(ip: string, port: number): number {
  const name = tcpName(ip, port);
  const address = ipAddress(ip, port);
  if (address === null) throw new ListenError(`address ${name}: not an IP address`, "EINVAL");
  const fd = openSocket(address, name);
  try {
    setFlag(fd, SO_REUSEADDR, name);
    // Only bound, never listening: no client can get in here.
    bindOrThrow(fd, address, name);
    return boundPort(fd);
  } finally {
    closeFd(fd);
  }
}

/**
 * A socket file that no process listens on any more is replaced; one that is in use is an error.
 * @returns descriptor and file; the caller owns both. @throws ListenError
 */
export function listenUnix(options: UnixListenOptions): UnixListener {
  const { path } = options;
  const address = unixAddress(path);
  if (address === null) {
    throw new ListenError(
      `unix socket ${path}: the path is longer than ${UNIX_PATH_BYTES_MAX} bytes`,
      "ENAMETOOLONG",
    );
  }
  const place = openFolder(path);
  let fd = -1;
  try {
    removeStale(path, address);
    fd = openSocket(address, path);
    bindWithMode(fd, address, options);
    const file = identify(place, path);
    if (file === null) {
      throw new ListenError(
        `unix socket ${path}: the file was replaced while it was made`,
        "EPERM",
      );
    }
    try {
      listenOrThrow(fd, options.backlog, path);
    } catch (error) {
      unlinkSync(place.at);
      throw error;
    }
    return { fd, file };
  } catch (error) {
    if (fd >= 0) closeFd(fd);
    throw error;
  } finally {
    place.close();
  }
}

/** Open during all of it: another user may make a link of a folder on the way, which could lead to any other. */
function openFolder(path: string): Place {
  try {
    return findPlace(path);
  } catch (error) {
    const { code = "EPERM" } = error as NodeJS.ErrnoException;
    throw new ListenError(`unix socket ${path} cannot be listened on: ${reasonOf(error)}`, code);
  }
}

/** The file is made with its mode: one that is changed by its path afterwards may be another file by then. */
function bindWithMode(fd: number, address: SocketAddress, options: UnixListenOptions): void {
  const { path, mode } = options;
  if (mode === null) {
    bindOrThrow(fd, address, path);
    return;
  }
  fchmodSync(fd, mode);
  const umask = process.umask(0);
  try {
    bindOrThrow(fd, address, path);
  } finally {
    process.umask(umask);
  }
}

/** The socket that was just made; null: something else is there. */
function identify(place: Place, path: string): SocketFile | null {
  const status = lstatSync(place.at, { throwIfNoEntry: false });
  if (status === undefined || !status.isSocket() || status.uid !== process.geteuid?.()) return null;
  return { path, ...identityOf(status) };
}

/** Removes the socket file, if it is still the same. Never throws. */
export function unlinkSocket(file: SocketFile): void {
  removeFile(file);
}

/** Changes the backlog of a socket that listens already. */
export function setBacklog(fd: number, backlog: number): void {
  libc.listen(fd, backlog);
}

/** Lets further sockets join this one on its address. @throws ListenError */
export function allowReusePort(fd: number, name: string): void {
  setFlag(fd, SO_REUSEPORT, name);
}

/** The port that a listening TCP socket got. */
export function boundPort(fd: number): number {
  const address = Buffer.from(new ArrayBuffer(28));
  const length = new Uint32Array(new ArrayBuffer(4));
  length[0] = address.length;
  if (libc.getsockname(fd, address, length) < 0) return 0;
  return address.readUInt16BE(2);
}

function openSocket(address: SocketAddress, name: string): number {
  const fd = libc.socket(address.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw failure(name, address.family, errnoName(errno()));
  return fd;
}

function setFlag(fd: number, option: number, name: string): void {
  const on = new Int32Array(new ArrayBuffer(4));
  on[0] = 1;
  if (libc.setsockopt(fd, SOL_SOCKET, option, on, 4) < 0) {
    throw failure(name, 0, errnoName(errno()));
  }
}

function bindAndListen(fd: number, address: SocketAddress, backlog: number, name: string): void {
  bindOrThrow(fd, address, name);
  listenOrThrow(fd, backlog, name);
}

function bindOrThrow(fd: number, address: SocketAddress, name: string): void {
  if (libc.bind(fd, address.bytes, address.bytes.length) < 0) {
    throw failure(name, address.family, errnoName(errno()));
  }
}

function listenOrThrow(fd: number, backlog: number, name: string): void {
  // Without SO_REUSEPORT on both, a second bind may pass (both have SO_REUSEADDR) and listen is what fails.
  if (libc.listen(fd, backlog) < 0) throw failure(name, 0, errnoName(errno()));
}

function removeStale(path: string, address: SocketAddress): void {
  const found = statOrNull(path);
  if (found === null) return;
  if (!found.isSocket()) {
    throw new ListenError(`unix socket ${path}: the file exists and is not a socket`, "EEXIST");
  }
  const probe = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) throw failure(path, AF_UNIX, errnoName(errno()));
  const connected = libc.connect(probe, address.bytes, address.bytes.length) === 0;
  const code = connected ? "" : errnoName(errno());
  closeFd(probe);
  // EAGAIN is a full accept queue: a process lives there. Only a refusal proves that none does.
  if (code === "ECONNREFUSED") removeFile({ path, ...identityOf(found) });
  else if (connected || code === "EAGAIN") throw failure(path, AF_UNIX, "EADDRINUSE");
  else if (code !== "ENOENT") throw failure(path, AF_UNIX, code);
}

/** The process that listens on a socket file; null: none does, or it is not to be seen from here. */
export function listenerOf(path: string): number | null {
  const address = unixAddress(path);
  if (address === null) return null;
  const probe = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return null;
  const connected = libc.connect(probe, address.bytes, address.bytes.length) === 0;
  const pid = connected ? peerProcess(probe) : null;
  closeFd(probe);
  return pid;
}

function identityOf({ dev, ino, birthtimeMs }: Stats): Omit<SocketFile, "path"> {
  return { dev, ino, birthtimeMs };
}

function statOrNull(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

function failure(name: string, family: number, code: string): ListenError {
  const place = family === AF_UNIX ? `unix socket ${name}` : `address ${name}`;
  return new ListenError(`${place} ${reason(name, family, code)}`, code);
}

function reason(name: string, family: number, code: string): string {
  if (code === "EADDRINUSE") {
    const look = family === AF_UNIX ? `ss -lxp src ${name}` : "ss -ltnp";
    return `is already in use (by another program? see: ${look})`;
  }
  if (code === "EADDRNOTAVAIL") return "does not belong to this machine (EADDRNOTAVAIL)";
  if (code === "EACCES" && family !== AF_UNIX) {
    return "may not be used: ports below 1024 need root or CAP_NET_BIND_SERVICE (EACCES)";
  }
  if (code === "EAFNOSUPPORT" && family === AF_INET6) return "needs IPv6, which is off here";
  return `cannot be listened on: ${errorText(code)}`;
}

function tcpName(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
