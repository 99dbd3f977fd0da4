/**
 * One end of the control channel between the supervisor and a child: JSON lines over a unix socket pair.
 *
 * Messages of one end arrive whole and in order. The other end's death closes the channel, and that is how
 * either side learns of it.
 */
import type { FdSocketOptions, Socket, SocketHandler, UnixSocketOptions } from "bun";
import { encodeJsonLine, JsonLineDecoder } from "../base/json-lines.ts";

export interface ControlEvents<In> {
  /** Not called any more after `close`. */
  onMessage(message: In): void;
  /** The other end is gone, or sent what is not a message. Exactly once, also after `close`. */
  onClose(): void;
}

export interface ControlChannel<Out> {
  /** Queues what the kernel does not take at once. After the end of the channel it does nothing. */
  send(message: Out): void;
  /** Closes at once: what is still queued is lost. */
  close(): void;
}

/** A peer that does not read for this long a queue is stuck: the channel is closed. */
const QUEUED_BYTES_MAX = 256 * 1024 * 1024;

/** Adopts `fd`, a connected stream socket, and owns it from now on. Both ends are this program, so messages are not checked. */
export function openControlChannel<In, Out>(
  fd: number,
  events: ControlEvents<In>,
): ControlChannel<Out> {
  return new SocketChannel<In, Out>(fd, events);
}

class SocketChannel<In, Out> implements ControlChannel<Out> {
  readonly #events: ControlEvents<In>;
  readonly #decoder = new JsonLineDecoder();
  #socket: Socket | null = null;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  /** Bytes of queue[0] that are sent already. */
  #sentBytes = 0;
  #isClosed = false;

  constructor(fd: number, events: ControlEvents<In>) {
    this.#events = events;
    const socket: SocketHandler<undefined> = {
      open: (opened) => this.#onOpen(opened),
      data: (_opened, chunk) => this.#onData(chunk),
      drain: () => this.#flush(),
      close: () => this.#finish(),
      error: () => this.close(),
    };
    // bun-types 1.4.4 knows the options with `fd`, but not that `connect` takes them.
    const options: FdSocketOptions = { fd, socket };
    Bun.connect(options as unknown as UnixSocketOptions).catch(() => this.#finish());
  }

  send(message: Out): void {
    if (this.#isClosed) return;
    const line = encodeJsonLine(message);
    this.#queue.push(line);
    this.#queuedBytes += line.length;
    this.#flush();
    if (this.#queuedBytes > QUEUED_BYTES_MAX) this.close();
  }

  close(): void {
    // `end` calls `#finish` through the close event, or there is no socket yet.
    if (this.#socket === null) this.#finish();
    else this.#socket.end();
  }

  #onOpen(socket: Socket): void {
    this.#socket = socket;
    if (this.#isClosed) socket.end();
    else this.#flush();
  }

  #onData(chunk: Buffer): void {
    let messages: unknown[];
    try {
      messages = this.#decoder.push(chunk);
    } catch {
      this.close();
      return;
    }
    for (const message of messages) {
      if (this.#isClosed) return;
      this.#events.onMessage(message as In);
    }
  }

  #flush(): void {
    if (this.#socket === null) return;
    while (this.#queue.length > 0) {
      const line = this.#queue[0]!;
      const taken = this.#socket.write(line, this.#sentBytes, line.length - this.#sentBytes);
      if (taken <= 0) return;
      this.#sentBytes += taken;
      this.#queuedBytes -= taken;
      if (this.#sentBytes < line.length) return;
      this.#queue.shift();
      this.#sentBytes = 0;
    }
  }

  #finish(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#events.onClose();
  }
}
