/**
 * A small HTTP server on a listening socket that another process has made. Each connection carries one request and its answer:
 *
 *   open ─▶ read head ─▶ answer ─(short write: drain ─▶ write rest)─▶ shutdown ─▶ discard input until FIN ─▶ end
 *
 * Clients are not to be trusted: they are bounded in number (the oldest one is cut, so that silent ones cannot lock a collector out), in
 * time, and in the bytes that they may send.
 */
import type { Socket, SocketHandler, TCPSocketListenOptions } from "bun";
import { ADMIN_CONNECTIONS_MAX } from "../base/page-limits.ts";
import { type HttpRequest, readRequest, type UnreadRequest } from "./http-request.ts";

/** Milliseconds after which a connection that has not ended is cut. */
export const CONNECTION_LIFETIME_MS = 10_000;
/** Bytes that a client may send behind its request's head: what it says then is discarded. */
const DISCARDED_BYTES_MAX = 65_536;

export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  /** Bytes are borrowed, and must not change: many connections may be written from them. */
  readonly body: string | Buffer;
  /** Further header lines. */
  readonly headers?: readonly string[];
}

export interface HttpPortOptions {
  /** A listening socket; it becomes the port's own and is closed by `close`. */
  readonly fd: number;
  /** Must not throw. */
  readonly answer: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;
  readonly onError: (error: Error) => void;
  /** Default CONNECTION_LIFETIME_MS. */
  readonly lifetimeMs?: number;
}

export interface HttpPort {
  /** Open now. */
  readonly connections: number;
  /** Stops listening and cuts all connections. */
  close(): void;
}

interface Connection {
  /** What came of the head, as latin1; null: it was read. */
  head: string | null;
  discardedBytes: number;
  /** What is still to be written, in this order. */
  output: Buffer[];
  written: number;
  isAnswered: boolean;
  hasEnded: boolean;
  isShut: boolean;
  deadline: Timer;
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** Throws when `fd` is not a listening socket. */
export function createHttpPort(options: HttpPortOptions): HttpPort {
  // A set keeps the order of insertion: the first one is the oldest.
  const sockets = new Set<Socket<Connection>>();
  const lifetimeMs = options.lifetimeMs ?? CONNECTION_LIFETIME_MS;
  const handlers: SocketHandler<Connection> = {
    open(socket) {
      const [oldest] = sockets;
      if (sockets.size >= ADMIN_CONNECTIONS_MAX) oldest?.terminate();
      sockets.add(socket);
      socket.data = {
        ...{ head: "", discardedBytes: 0, output: [], written: 0 },
        ...{ isAnswered: false, hasEnded: false, isShut: false },
        deadline: setTimeout(() => socket.terminate(), lifetimeMs),
      };
    },
    data(socket, chunk) {
      void onData(socket, chunk, options);
    },
    drain: flush,
    end(socket) {
      socket.data.hasEnded = true;
      // Nothing more can be asked.
      if (socket.data.head !== null) socket.terminate();
      else flush(socket);
    },
    close(socket) {
      sockets.delete(socket);
      if (socket.data !== undefined) clearTimeout(socket.data.deadline);
    },
    error(socket, error) {
      options.onError(error);
      socket.terminate();
    },
  };
  const listener = Bun.listen<Connection>(adopt(options.fd, handlers));
  return {
    get connections() {
      return sockets.size;
    },
    close() {
      listener.stop(true);
    },
  };
}

/** Bun's types do not know that a listener may adopt an fd. */
function adopt(fd: number, socket: SocketHandler<Connection>): TCPSocketListenOptions<Connection> {
  return { fd, allowHalfOpen: true, socket } as unknown as TCPSocketListenOptions<Connection>;
}

async function onData(
  socket: Socket<Connection>,
  chunk: Buffer,
  { answer, onError }: HttpPortOptions,
): Promise<void> {
  const connection = socket.data;
  if (connection.head === null) {
    connection.discardedBytes += chunk.byteLength;
    if (connection.discardedBytes > DISCARDED_BYTES_MAX) socket.terminate();
    return;
  }
  connection.head += chunk.toString("latin1");
  const request = readRequest(connection.head);
  if (request === "incomplete") return;
  connection.head = null;
  try {
    const isHead = typeof request === "object" && request.method === "HEAD";
    const given = typeof request === "object" ? await answer(request) : refusalOf(request);
    connection.output = encode(given, isHead);
  } catch (error) {
    onError(error as Error);
    connection.output = encode(
      { status: 500, type: "text/plain", body: "internal error\n" },
      false,
    );
  }
  connection.isAnswered = true;
  flush(socket);
}

function refusalOf(fault: Exclude<UnreadRequest, "incomplete"> | UnreadRequest): HttpAnswer {
  return fault === "too large"
    ? { status: 431, type: "text/plain", body: "the request's head is too long\n" }
    : { status: 400, type: "text/plain", body: "that is no HTTP request\n" };
}

function encode({ status, type, body, headers = [] }: HttpAnswer, isHead: boolean): Buffer[] {
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? "Error"}`,
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    "Connection: close",
    ...headers,
  ];
  const head = `${lines.join("\r\n")}\r\n\r\n`;
  if (typeof body === "string") return [Buffer.from(isHead ? head : `${head}${body}`)];
  return isHead ? [Buffer.from(head)] : [Buffer.from(head), body];
}

/** Writes what the kernel takes; once all is written, closes as far as the client's own FIN allows. Idempotent. */
function flush(socket: Socket<Connection>): void {
  const connection = socket.data;
  if (!connection.isAnswered) return;
  for (let [next] = connection.output; next !== undefined; [next] = connection.output) {
    const taken = socket.write(next, connection.written, next.length - connection.written);
    // 0: `drain` follows; below 0: `close` does.
    if (taken < 0 || (taken === 0 && next.length > 0)) return;
    connection.written += taken;
    if (connection.written < next.length) continue;
    connection.output.shift();
    connection.written = 0;
  }
  if (connection.hasEnded) socket.end();
  else if (!connection.isShut) {
    connection.isShut = true;
    socket.shutdown();
  }
}
