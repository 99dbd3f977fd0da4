/**
 * Descriptors of simulated processes, and the calls of the C library that a data plane makes with them. Numbers below FD_FIRST are
 * real ones, and go to the real library.
 */
import { type Pointer, read, toArrayBuffer } from "bun:ffi";
import { libc } from "../../src/os/libc.ts";
import { ERRNO } from "../../src/os/os-error.ts";
import type { Socket } from "./socket.ts";
import type { World } from "./world.ts";

/** No real process has so many. */
const FD_FIRST = 2 ** 24;
const F_DUPFD_CLOEXEC = 1030;
const MSG_PEEK = 2;
const MSG_CTRUNC = 8;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const CONTROL_HEADER_BYTES = 16;

export type Call =
  | "sendmsg"
  | "recvmsg"
  | "fcntl"
  | "memfd_create"
  | "ftruncate"
  | "pwrite"
  | "pread"
  | "ioctl";

/** Why each call may fail for a moment, without anything being wrong with what it is about. */
export const PASSING: Readonly<Record<Call, readonly string[]>> = {
  sendmsg: ["ETOOMANYREFS", "ENOBUFS", "ENOMEM", "EAGAIN", "EINTR"],
  recvmsg: ["EINTR", "ENOMEM"],
  fcntl: ["EMFILE", "ENFILE"],
  memfd_create: ["EMFILE", "ENFILE", "ENOMEM"],
  ftruncate: ["EINTR"],
  pwrite: ["EINTR", "ENOMEM"],
  pread: ["EINTR", "ENOMEM"],
  ioctl: ["EINVAL"],
};

interface Packet {
  readonly bytes: Buffer;
  readonly files: readonly OpenFile[];
}

/** One end of a SEQPACKET pair. */
export class PacketSocket {
  readonly packets: Packet[] = [];
  peer!: PacketSocket;
  isClosed = false;
}

export class MemoryFile {
  bytes: Buffer = Buffer.alloc(0);
}

/** An open file, which several descriptors may refer to. */
export interface OpenFile {
  readonly of: Socket | PacketSocket | MemoryFile;
  references: number;
}

/** Packets that wait on a socket at the most. */
const PACKETS_MAX = 48;

export class Kernel {
  private readonly world: World;
  private readonly files: Map<number, OpenFile> = new Map();
  private next = FD_FIRST;
  /** Calls that fail: how likely. */
  failureChance = 0;
  /** Of which calls failures are drawn; empty: none. */
  failing: readonly Call[] = [];
  failures = 0;

  constructor(world: World) {
    this.world = world;
  }

  get openFiles(): number {
    return this.files.size;
  }

  open(of: OpenFile["of"]): number {
    return this.add({ of, references: 0 });
  }

  private add(file: OpenFile): number {
    const fd = this.next++;
    file.references++;
    this.files.set(fd, file);
    return fd;
  }

  fileOf(fd: number): OpenFile | undefined {
    return this.files.get(fd);
  }

  socketOf(fd: number): Socket {
    const of = this.files.get(fd)?.of;
    if (of === undefined || of instanceof PacketSocket || of instanceof MemoryFile) {
      throw new Error(`${fd} is no connection`);
    }
    return of;
  }

  packetPair(): [number, number] {
    const [one, other] = [new PacketSocket(), new PacketSocket()];
    one.peer = other;
    other.peer = one;
    return [this.open(one), this.open(other)];
  }

  /** The last descriptor of a connection ends it. */
  close(fd: number): void {
    const file = this.files.get(fd);
    if (file === undefined) throw new Error(`${fd} is closed, and it is not open`);
    this.files.delete(fd);
    this.release(file);
  }

  private release(file: OpenFile): void {
    if (--file.references > 0) return;
    const { of } = file;
    if (of instanceof PacketSocket) {
      of.isClosed = true;
      for (const { files } of of.packets) for (const lost of files) this.release(lost);
    } else if (!(of instanceof MemoryFile)) of.close();
  }

  /** Passes up to `most` packets from what was sent over `from`'s other end to `to`'s, as a supervisor does. */
  relay(from: number, to: number, most: number): number {
    const source = this.files.get(from)!.of as PacketSocket;
    const target = (this.files.get(to)!.of as PacketSocket).peer;
    const packets = source.packets.splice(0, most);
    target.packets.push(...packets);
    return packets.length;
  }

  /** What a call returns that is to fail now, with errno set; null: it works. */
  fails(call: Call): number | null {
    if (!this.failing.includes(call) || !this.world.random.chance(this.failureChance)) return null;
    this.failures++;
    const code = this.world.random.pick(PASSING[call]);
    this.world.note(`${call} ${code}`);
    return failWith(code);
  }

  sendmsg(fd: number, header: Uint8Array): number {
    const socket = this.files.get(fd)!.of as PacketSocket;
    if (socket.peer.isClosed) return failWith("EPIPE");
    if (socket.peer.packets.length >= PACKETS_MAX) return failWith("EAGAIN");
    const { bytes, control } = messageIn(header);
    const fds: number[] = [];
    for (
      let at = CONTROL_HEADER_BYTES;
      at + 4 <= control.length && at < lengthOf(control);
      at += 4
    ) {
      fds.push(control.readInt32LE(at));
    }
    const files = fds.map((sent) => this.files.get(sent)!);
    for (const file of files) file.references++;
    socket.peer.packets.push({ bytes: Buffer.from(bytes), files });
    return bytes.length;
  }

  recvmsg(fd: number, header: Uint8Array, flags: number): number {
    const socket = this.files.get(fd)!.of as PacketSocket;
    const packet = socket.packets[0];
    if (packet === undefined) return failWith("EAGAIN");
    const { bytes, control, view } = messageIn(header);
    const length = packet.bytes.copy(bytes);
    if ((flags & MSG_PEEK) !== 0) return length;
    socket.packets.shift();
    const room = Math.floor((control.length - CONTROL_HEADER_BYTES) / 4);
    const taken = packet.files.slice(0, Math.max(room, 0));
    for (const file of packet.files.slice(taken.length)) this.release(file);
    view.setInt32(48, taken.length < packet.files.length ? MSG_CTRUNC : 0, true);
    const controlLength = CONTROL_HEADER_BYTES + 4 * taken.length;
    view.setBigUint64(40, BigInt(taken.length === 0 ? 0 : controlLength), true);
    if (taken.length === 0) return length;
    control.writeBigUInt64LE(BigInt(controlLength), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    for (const [i, file] of taken.entries()) {
      control.writeInt32LE(this.add(file), CONTROL_HEADER_BYTES + 4 * i);
      // The packet's own reference has become the descriptor's.
      file.references--;
    }
    return length;
  }

  duplicate(fd: number): number {
    const file = this.files.get(fd);
    return file === undefined ? failWith("EBADF") : this.add(file);
  }

  memoryOf(fd: number): MemoryFile {
    return this.files.get(fd)!.of as MemoryFile;
  }

  /** Packets that the other end has not taken. */
  unsent(fd: number): number {
    return (this.files.get(fd)!.of as PacketSocket).peer.packets.length;
  }
}

function lengthOf(control: Buffer): number {
  return Number(control.readBigUInt64LE(0));
}

function messageIn(header: Uint8Array): { bytes: Buffer; control: Buffer; view: DataView } {
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  const vector = Number(view.getBigUint64(16, true)) as Pointer;
  const bytes = memoryAt(read.ptr(vector, 0), Number(read.u64(vector, 8)));
  const control = memoryAt(
    Number(view.getBigUint64(32, true)),
    Number(view.getBigUint64(40, true)),
  );
  return { bytes, control, view };
}

const NONE: Buffer = Buffer.alloc(0);

function memoryAt(address: number, length: number): Buffer {
  return length === 0 ? NONE : Buffer.from(toArrayBuffer(address as Pointer, 0, length));
}

function failWith(code: string): -1 {
  const number = ERRNO[code];
  if (number === undefined) throw new Error(`no error is called ${code}`);
  new Int32Array(toArrayBuffer(Number(libc.__errno_location()) as Pointer, 0, 4))[0] = number;
  return -1;
}

type Fakes = { [Name in Call | "close"]: (...args: never[]) => unknown };

/** From now on calls with descriptors of `kernel` go to it. @returns ends that */
export function install(kernel: Kernel): () => void {
  const functions = libc as unknown as Record<string, (...args: never[]) => unknown>;
  const isOurs = (fd: number): boolean => fd >= FD_FIRST;
  const fakes: Fakes = {
    close: (fd: number) => {
      kernel.close(fd);
      return 0;
    },
    sendmsg: (fd: number, header: Uint8Array) => kernel.sendmsg(fd, header),
    recvmsg: (fd: number, header: Uint8Array, flags: number) => kernel.recvmsg(fd, header, flags),
    fcntl: (fd: number, command: number) =>
      command === F_DUPFD_CLOEXEC ? kernel.duplicate(fd) : 0,
    ioctl: (fd: number, _request: number, value: Int32Array) => {
      value[0] = kernel.unsent(fd);
      return 0;
    },
    memfd_create: () => kernel.open(new MemoryFile()),
    ftruncate: (fd: number, length: number) => {
      kernel.memoryOf(fd).bytes = Buffer.alloc(length);
      return 0;
    },
    pwrite: (fd: number, bytes: Uint8Array, length: number, position: number) => {
      kernel.memoryOf(fd).bytes.set(bytes.subarray(0, length), position);
      return length;
    },
    pread: (fd: number, bytes: Uint8Array, length: number, position: number) =>
      kernel.memoryOf(fd).bytes.copy(bytes, 0, position, position + length),
  };
  const real = new Map(Object.keys(fakes).map((name) => [name, functions[name]!]));
  for (const [name, fake] of Object.entries(fakes)) {
    functions[name] = (...args: never[]) => {
      const isFake = name === "memfd_create" || isOurs(args[0] as unknown as number);
      if (!isFake) return real.get(name)!(...args);
      const failure = name === "close" ? null : kernel.fails(name as Call);
      return failure ?? fake(...args);
    };
  }
  return () => {
    for (const [name, call] of real) functions[name] = call;
  };
}
