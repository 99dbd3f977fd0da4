/**
 * twemproxy's text statistics port: a client that connects is sent one line at once, then the connection is closed.
 *
 *   open ─▶ write line ─(short write: drain ─▶ write rest)─▶ shutdown ─▶ discard input until FIN ─▶ end
 *
 * What a client sends is discarded rather than left unread, because closing a socket with unread input resets it
 * and the client may lose the line. Clients that are slow, silent or talkative are bounded: in number (the oldest one
 * is cut), in time and in the bytes they may send.
 */
import type { Socket, SocketHandler, TCPSocketListenOptions } from "bun";

/** Most clients at a time; one more cuts the oldest, so that silent clients cannot lock a collector out. */
export const CLIENTS_MAX = 64;
/** Bytes a client may send before it is cut: an HTTP request with large headers fits. */
export const CLIENT_INPUT_BYTES_MAX = 65_536;
/** Milliseconds after which a client that has not gone is cut. */
export const CLIENT_LIFETIME_MS = 5_000;

export interface StatsPortOptions {
  /** A listening socket; it becomes the port's own and is closed by `close`. */
  readonly fd: number;
  /** Makes the line for one client. If it throws, the client is closed without a line and `onError` is told. */
  readonly render: () => string;
  readonly onError: (error: Error) => void;
  /** Default CLIENT_LIFETIME_MS. */
  readonly clientLifetimeMs?: number;
}

export interface StatsPort {
  /** Clients that are connected now. */
  readonly clients: number;
  /** Stops listening and cuts all clients. */
  close(): void;
}

interface Client {
  line: Buffer;
  written: number;
  inputBytes: number;
  /** The client's FIN came. */
  hasEnded: boolean;
  /** Our FIN went. */
  isShut: boolean;
  deadline: Timer;
}

/** Throws when `fd` is not a listening socket. */
export function createStatsPort(options: StatsPortOptions): StatsPort {
  // A set keeps the order of insertion: the first one is the oldest.
  const sockets = new Set<Socket<Client>>();
  const lifetimeMs = options.clientLifetimeMs ?? CLIENT_LIFETIME_MS;
  const handlers: SocketHandler<Client> = {
    open(socket) {
      if (sockets.size >= CLIENTS_MAX) oldest(sockets)?.terminate();
      sockets.add(socket);
      socket.data = {
        line: Buffer.from(options.render()),
        written: 0,
        inputBytes: 0,
        hasEnded: false,
        isShut: false,
        deadline: setTimeout(() => socket.terminate(), lifetimeMs),
      };
      flush(socket);
    },
    drain: flush,
    data(socket, chunk) {
      socket.data.inputBytes += chunk.byteLength;
      if (socket.data.inputBytes > CLIENT_INPUT_BYTES_MAX) socket.terminate();
    },
    end(socket) {
      socket.data.hasEnded = true;
      flush(socket);
    },
    close(socket) {
      sockets.delete(socket);
      // No data: making the line failed.
      if (socket.data !== undefined) clearTimeout(socket.data.deadline);
    },
    error(socket, error) {
      options.onError(error);
      socket.terminate();
    },
  };
  const listener = Bun.listen<Client>(adopt(options.fd, handlers));
  return {
    get clients() {
      return sockets.size;
    },
    close() {
      listener.stop(true);
    },
  };
}

/** Bun's types do not know that a listener may adopt an fd. */
function adopt(fd: number, socket: SocketHandler<Client>): TCPSocketListenOptions<Client> {
  return { fd, allowHalfOpen: true, socket } as unknown as TCPSocketListenOptions<Client>;
}

/** Writes what the kernel takes; once all is written, closes as far as the client's own FIN allows. Idempotent. */
function flush(socket: Socket<Client>): void {
  const client = socket.data;
  while (client.written < client.line.length) {
    const taken = socket.write(client.line, client.written, client.line.length - client.written);
    // 0: `drain` follows; below 0: `close` does.
    if (taken <= 0) return;
    client.written += taken;
  }
  if (client.hasEnded) socket.end();
  else if (!client.isShut) {
    client.isShut = true;
    socket.shutdown();
  }
}

function oldest(sockets: ReadonlySet<Socket<Client>>): Socket<Client> | undefined {
  for (const socket of sockets) return socket;
  return undefined;
}
