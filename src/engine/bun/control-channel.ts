/**
 * One end of a control channel: JSON lines over a unix stream socket, between the supervisor and a child, or between
 * the supervisor and a command.
 *
 * Messages of one end arrive whole and in order. The other end's death closes the channel, unless a further process has got
 * hold of that end: the supervisor knows by other means that a child has exited, and closes the channel by `finish`.
 */
import type { FdSocketOptions, Socket, SocketHandler, UnixSocketOptions } from "bun";
import { encodeJsonLine, JSON_LINE_BYTES_MAX, JsonLineDecoder } from "../../base/json-lines.ts";
import { endInput } from "../../os/socket-pair.ts";

export interface ControlEvents<In> {
  /** Not called any more after `close`. */
  onMessage(message: In): void;
  /** The other end is gone, or sent what is not a message. Exactly once, also after `close`. */
  onClose(): void;
}

export interface ControlChannel<Out> {
  /** The socket's number; -1 before it is connected and after its end. */
  readonly fd: number;
  /** Queues what the kernel does not take at once. After the end of the channel it does nothing. */
  send(message: Out): void;
  /** Closes at once: what is still queued is lost. */
  close(): void;
  /** The process at the other end has exited. What it said is still read, then the channel closes, whatever else holds that end. */
  finish(): void;
  /**
   * What a program that replaces this one in place needs to go on with the channel, as plain data; null: it is closed.
   * Valid only until something arrives or is sent.
   */
  snapshot(): ChannelSnapshot | null;
}

export interface ChannelSnapshot {
  readonly fd: number;
  /** Received: the beginning of a message, base64. */
  readonly input: string;
  /** Not sent yet, base64. */
  readonly output: string;
}

/** A peer that does not read for this long a queue is stuck: the channel is closed. */
const QUEUED_BYTES_MAX = 256 * 1024 * 1024;

/** Adopts `fd`, a connected stream socket, and owns it from now on. Both ends are this program, so messages are not checked. */
export function openControlChannel<In, Out>(
  fd: number,
  events: ControlEvents<In>,
): ControlChannel<Out> {
  return resumeControlChannel({ fd, input: "", output: "" }, events);
}

/** Goes on where the program that this one replaced was. */
export function resumeControlChannel<In, Out>(
  { fd, input, output }: ChannelSnapshot,
  events: ControlEvents<In>,
): ControlChannel<Out> {
  const channel = new SocketChannel<In, Out>(events, JSON_LINE_BYTES_MAX, fd);
  if (input !== "") channel.onData(Buffer.from(input, "base64"));
  if (output !== "") channel.queue(Buffer.from(output, "base64"));
  // bun-types 1.4.4 knows the options with `fd`, but not that `connect` takes them.
  const options: FdSocketOptions<Receiver> = { fd, data: channel, socket: HANDLER };
  Bun.connect(options as unknown as UnixSocketOptions<Receiver>).catch(() => channel.onClose());
  return channel;
}

/** Connects to a socket file. @throws with the system's code when no process listens there */
export async function connectControlChannel<In, Out>(
  path: string,
  events: ControlEvents<In>,
): Promise<ControlChannel<Out>> {
  const channel = new SocketChannel<In, Out>(events, JSON_LINE_BYTES_MAX, -1);
  await Bun.connect<Receiver>({ unix: path, data: channel, socket: HANDLER });
  return channel;
}

/** Who connects to a listening socket. */
export interface ControlListener {
  /** Accepts no caller any more; `fd` is closed. */
  stop(): void;
}

/** @param lineBytesMax a caller that sends a longer message is cut off: it may be any program */
export function acceptControlChannels<In, Out>(
  fd: number,
  lineBytesMax: number,
  onChannel: (channel: ControlChannel<Out>) => ControlEvents<In>,
): ControlListener {
  const options: FdSocketOptions<Receiver> = {
    fd,
    socket: {
      ...HANDLER,
      open(socket) {
        // bun-types 1.4.4 does not know the accessor.
        const { fd: accepted } = socket as unknown as { readonly fd: number };
        const channel = new SocketChannel<In, Out>(IGNORE, lineBytesMax, accepted);
        socket.data = channel;
        channel.onOpen(socket);
        channel.events = onChannel(channel);
      },
    },
  };
  const listener = Bun.listen(options as unknown as UnixSocketOptions<Receiver>);
  return { stop: () => listener.stop() };
}

const IGNORE: ControlEvents<unknown> = { onMessage() {}, onClose() {} };

/** What a socket tells, whatever the messages are. */
interface Receiver {
  onOpen(socket: Socket<Receiver>): void;
  onData(chunk: Buffer): void;
  flush(): void;
  onClose(): void;
  close(): void;
}

class SocketChannel<In, Out> implements ControlChannel<Out>, Receiver {
  events: ControlEvents<In>;
  readonly #fd: number;
  readonly #decoder: JsonLineDecoder;
  #socket: Socket<Receiver> | null = null;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  /** Bytes of queue[0] that are sent already. */
  #sentBytes = 0;
  #isClosed = false;

  constructor(events: ControlEvents<In>, lineBytesMax: number, fd: number) {
    this.events = events;
    this.#decoder = new JsonLineDecoder(lineBytesMax);
    this.#fd = fd;
  }

  send(message: Out): void {
    if (this.#isClosed) return;
    this.queue(encodeJsonLine(message));
    this.flush();
    if (this.#queuedBytes > QUEUED_BYTES_MAX) this.close();
  }

  get fd(): number {
    // bun-types 1.4.4 does not know the accessor.
    return (this.#socket as unknown as { readonly fd: number } | null)?.fd ?? -1;
  }

  close(): void {
    // `end` calls `onClose` through the close event, or there is no socket yet.
    if (this.#socket === null) this.onClose();
    else this.#socket.end();
  }

  finish(): void {
    const fd = this.#socket === null ? this.#fd : this.fd;
    if (!this.#isClosed && fd >= 0) endInput(fd);
  }

  snapshot(): ChannelSnapshot | null {
    if (this.#isClosed) return null;
    const rest = this.#queue.map((line, index) =>
      index === 0 ? line.subarray(this.#sentBytes) : line,
    );
    return {
      fd: this.#fd,
      input: this.#decoder.pending().toString("base64"),
      output: Buffer.concat(rest).toString("base64"),
    };
  }

  queue(bytes: Buffer): void {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
  }

  onOpen(socket: Socket<Receiver>): void {
    this.#socket = socket;
    if (this.#isClosed) socket.end();
    else this.flush();
  }

  onData(chunk: Buffer): void {
    let messages: unknown[];
    try {
      messages = this.#decoder.push(chunk);
    } catch {
      this.close();
      return;
    }
    for (const message of messages) {
      if (this.#isClosed) return;
      this.events.onMessage(message as In);
    }
  }

  flush(): void {
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

  onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.events.onClose();
  }
}

const HANDLER: SocketHandler<Receiver> = {
  open: (socket) => socket.data.onOpen(socket),
  data: (socket, chunk) => socket.data.onData(chunk),
  drain: (socket) => socket.data.flush(),
  close: (socket) => socket.data.onClose(),
  error: (socket) => socket.data.close(),
};
