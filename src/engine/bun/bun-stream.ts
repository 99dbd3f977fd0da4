/**
 * The engine: one Bun socket behind the Stream contract.
 *
 * The handlers are shared by all sockets and find their stream in `socket.data`. There is no `error` handler on
 * purpose: an exception from the data plane is a programmer's error and must end the worker.
 */
import type { Socket, SocketHandler } from "bun";
import type { Stream, StreamEvents } from "../../api/stream.ts";
import { originOf } from "../../base/origin.ts";
import { detachConnection } from "../../os/event-loop.ts";
import { sendNow } from "../../os/send.ts";
import { peerUser } from "../../os/socket-facts.ts";
import { isTcp, setQuickAck, unacknowledgedBytes } from "../../os/tcp-options.ts";

const NONE: Buffer = Buffer.alloc(0);

/** Why a connection is gone to which nothing could be written. */
const RESET = "ECONNRESET";

export class BunStream implements Stream {
  /** Null before the socket is open and after it is closed. */
  private socket: Socket<BunStream> | null = null;
  private events: StreamEvents | null = null;
  /** The socket's descriptor; -1 without a socket: the number may be another's by then. */
  private openFd = -1;
  /**
   * A write found that the connection is gone. Such a write takes the error away from the socket, and of a paused socket without
   * an error Bun never says that it is closed. It is resumed for good, therefore: what had come is heard, and then that it is gone.
   */
  private isGone = false;
  /** The same, and the peer has not ended in good order: a write that fails means no more than that on a unix socket only. */
  private isReset = false;

  readonly isMovable = true;
  /** What comes is acknowledged at once, not with the next bytes that go: one system call and one packet more. */
  isQuicklyAcked = false;

  get fd(): number {
    return this.openFd;
  }

  get peer(): string {
    const socket = this.socket;
    if (socket === null) return "closed";
    return socket.remoteAddress === undefined
      ? "unix"
      : `${socket.remoteAddress}:${socket.remotePort}`;
  }

  get origin(): string {
    const socket = this.socket;
    if (socket === null) return "closed";
    const { remoteAddress } = socket;
    return remoteAddress === undefined ? `uid ${peerUser(this.fd)}` : originOf(remoteAddress);
  }

  get localAddress(): string {
    const socket = this.socket;
    if (socket === null) return "closed";
    return socket.remoteAddress === undefined
      ? "unix"
      : `${socket.localAddress}:${socket.localPort}`;
  }

  write(bytes: Buffer, start: number, length: number): number {
    const { socket } = this;
    if (socket === null) return -1;
    // Bun's own write of 100 bytes took 2.06 µs, the system call 1.66: nearly all are taken whole, and need nothing of Bun. What the
    // kernel refuses, or takes a part of, Bun is told by its own write: it then waits for room, or finds the end of the connection.
    const sent = start === 0 ? sendNow(this.openFd, bytes, length) : -1;
    if (sent === length) return sent;
    const before = sent > 0 ? sent : 0;
    const taken = socket.write(bytes, start + before, length - before);
    if (taken >= 0) return before + taken;
    if (!this.isGone) {
      this.isGone = true;
      this.isReset = isTcp(this.fd);
      socket.resume();
    }
    return taken;
  }

  get undelivered(): number {
    return this.socket === null ? 0 : unacknowledgedBytes(this.fd);
  }

  pause(): void {
    if (!this.isGone) this.socket?.pause();
  }

  resume(): void {
    this.socket?.resume();
  }

  shutdown(): void {
    this.socket?.shutdown();
  }

  close(): void {
    // The close event comes from inside this call and clears the field.
    this.socket?.end();
  }

  abort(): void {
    this.socket?.terminate();
  }

  quiesce(): void {
    // All that is not heard of yet is in the kernel.
  }

  get unsent(): Buffer {
    return NONE;
  }

  detach(): void {
    const socket = this.socket;
    if (socket === null) return;
    const { fd } = this;
    this.forget();
    // Undetached, it must not be closed by Bun, which would shut it down for its new owner, too: it ends with this process.
    if (detachConnection(fd)) socket.terminate();
  }

  /** SO_KEEPALIVE, with the first probe after `idleMs`. */
  keepAlive(idleMs: number): void {
    this.socket?.setKeepAlive(true, idleMs);
  }

  /** For the engine: from now on `events` hears of `socket`. */
  attach(socket: Socket<BunStream>, events: StreamEvents): void {
    this.socket = socket;
    this.openFd = (socket as unknown as { readonly fd: number }).fd;
    this.events = events;
  }

  private forget(): void {
    this.socket = null;
    this.openFd = -1;
    this.events = null;
  }

  /** For the engine: after `attach` with IGNORE. Of an end that came since then, `events` hears at once. */
  giveTo(events: StreamEvents): void {
    if (this.socket === null) events.onClose("");
    else this.events = events;
  }

  /** For the engine. */
  heard(): StreamEvents | null {
    return this.events;
  }

  /** For the engine. */
  ended(): void {
    // What looks like a good end is none: the write took the error.
    if (!this.isReset) this.events?.onEnd();
  }

  /** For the engine. */
  closed(cause: string): void {
    const { events } = this;
    this.forget();
    events?.onClose(cause === "" && this.isReset ? RESET : cause);
  }
}

/** Hears of a stream until it is known who does. */
export const IGNORE: StreamEvents = {
  onBytes() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
};

/** What all sockets share; `open` differs between accepted and connected ones. */
export const STREAM_HANDLER: SocketHandler<BunStream> = {
  data(socket, chunk) {
    const stream = socket.data;
    if (stream.isQuicklyAcked) setQuickAck(stream.fd);
    // Bun allocates each chunk.
    stream.heard()?.onBytes(chunk, 0, chunk.length, true);
  },
  drain(socket) {
    socket.data.heard()?.onDrain();
  },
  end(socket) {
    socket.data.ended();
  },
  close(socket, error) {
    // An accepted socket that was refused at once never became a stream.
    socket.data?.closed((error as { readonly code?: string } | undefined)?.code ?? "");
  },
};
