/**
 * A small HTTP server on a listening socket that another process has made. Each connection carries one request and its answer:
 *
 *   open ─▶ read head ─▶ (POST: read body) ─▶ answer ─(short write: drain ─▶ write rest)─▶ shutdown ─▶ discard input until FIN ─▶ end
 *
 * Clients are not to be trusted: they are bounded in number (the oldest one is cut, so that silent ones cannot lock a collector out), in
 * time, and in the bytes that they may send.
 */
import type { Socket, SocketHandler, TCPSocketListenOptions } from "bun";
import { ADMIN_CONNECTIONS_MAX, EVENT_STREAM_MS } from "../base/page-limits.ts";
import {
  bodyLength,
  type HttpRequest,
  type RequestHead,
  readRequest,
  type UnreadBody,
  type UnreadRequest,
} from "./http-request.ts";

/** Milliseconds after which a connection that has not ended is cut. */
export const CONNECTION_LIFETIME_MS = 10_000;
/** The same for an order: its answer comes when all workers follow it, and values that it sets are checked by a process before. */
const ORDER_LIFETIME_MS = 40_000;
/** Bytes that a client may send behind its request's head: what it says then is discarded. */
const DISCARDED_BYTES_MAX = 65_536;

export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  /** Bytes are borrowed, and must not change: many connections may be written from them. */
  readonly body: string | Buffer;
  /** Further header lines. */
  readonly headers?: readonly string[];
  /**
   * More follows behind `body`, for EVENT_STREAM_MS at most: called once, with what sends it; what it returns is called when the connection
   * is gone. A client that does not take what it is sent is cut.
   */
  readonly follow?: (send: (text: string) => void) => () => void;
}

export interface HttpPortOptions {
  /** A listening socket; it becomes the port's own and is closed by `close`. */
  readonly fd: number;
  /** Must not throw. */
  readonly answer: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>;
  readonly onError: (error: Error) => void;
  /** Resolves when an answer may be made; false: too many wait already. Absent: at once. */
  readonly turn?: () => Promise<boolean>;
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
  /** What came so far, as latin1; null: it was read. */
  received: string | null;
  /** Of the request whose body is still to come; null: its head is. */
  head: RequestHead | null;
  discardedBytes: number;
  /** What is still to be written, in this order. */
  output: Buffer[];
  written: number;
  isAnswered: boolean;
  hasEnded: boolean;
  isShut: boolean;
  isClosed: boolean;
  /** Not null: more follows, and this ends it. */
  unfollow: (() => void) | null;
  deadline: Timer;
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  411: "Length Required",
  413: "Content Too Large",
  415: "Unsupported Media Type",
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
        ...{ received: "", head: null, discardedBytes: 0, output: [], written: 0 },
        ...{ isAnswered: false, hasEnded: false, isShut: false, isClosed: false, unfollow: null },
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
      if (socket.data.received !== null) socket.terminate();
      else flush(socket);
    },
    close(socket) {
      sockets.delete(socket);
      if (socket.data === undefined) return;
      clearTimeout(socket.data.deadline);
      socket.data.isClosed = true;
      socket.data.unfollow?.();
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
  { answer, onError, turn }: HttpPortOptions,
): Promise<void> {
  const connection = socket.data;
  if (connection.received === null) {
    connection.discardedBytes += chunk.byteLength;
    if (connection.discardedBytes > DISCARDED_BYTES_MAX) socket.terminate();
    return;
  }
  connection.received += chunk.toString("latin1");
  const request = takeRequest(connection, connection.received, () => peerOf(socket));
  if (request === "incomplete") return;
  connection.received = null;
  const isOrder = typeof request === "object" && request.method === "POST";
  if (turn !== undefined && !(await turn())) socket.terminate();
  if (connection.isClosed) return;
  // Cut earlier, it might have been done, and its sender would not know.
  if (isOrder) liveOn(socket, ORDER_LIFETIME_MS);
  try {
    const isHead = typeof request === "object" && request.method === "HEAD";
    const given = typeof request === "object" ? await answer(request) : REFUSALS[request];
    connection.output = encode(given, isHead);
    if (given.follow !== undefined && !isHead) follow(socket, given.follow);
  } catch (error) {
    onError(error as Error);
    connection.output = encode(
      { status: 500, type: "text/plain", body: "internal error\n" },
      false,
    );
  }
  connection.isAnswered = true;
  if (isOrder) liveOn(socket, CONNECTION_LIFETIME_MS);
  flush(socket);
}

/** What follows is sent as it comes, or the connection ends. */
function follow(socket: Socket<Connection>, begin: NonNullable<HttpAnswer["follow"]>): void {
  const connection = socket.data;
  if (connection.isClosed) return;
  liveOn(socket, EVENT_STREAM_MS);
  connection.isAnswered = true;
  // From now on it is not shut when all is written.
  connection.unfollow = () => {};
  flush(socket);
  connection.unfollow = begin((text) => {
    const bytes = Buffer.from(text);
    if (connection.output.length > 0 || socket.write(bytes) !== bytes.length) socket.terminate();
  });
}

/** From now on, in place of what it had left. A connection that is closed meanwhile has its timer cleared. */
function liveOn(socket: Socket<Connection>, ms: number): void {
  const connection = socket.data;
  clearTimeout(connection.deadline);
  if (!connection.isClosed) connection.deadline = setTimeout(() => socket.terminate(), ms);
}

type Fault = Exclude<UnreadRequest, "incomplete"> | UnreadBody;

const REFUSALS: Readonly<Record<Fault, HttpAnswer>> = {
  malformed: refusal(400, "that is no HTTP request"),
  "too large": refusal(431, "the request's head is too long"),
  "body of no length": refusal(411, "a body needs a Content-Length"),
  "body too large": refusal(413, "the request's body is too long"),
};

function refusal(status: number, words: string): HttpAnswer {
  return { status, type: "text/plain", body: `${words}\n` };
}

/** The request of what was received, once it is whole. */
function takeRequest(
  connection: Connection,
  received: string,
  peer: () => string,
): HttpRequest | Fault | "incomplete" {
  if (connection.head === null) {
    const head = readRequest(received);
    if (typeof head === "string") return head;
    connection.head = head;
  }
  const { head } = connection;
  const length = bodyLength(head);
  if (typeof length === "string") return length;
  const start = received.indexOf("\r\n\r\n") + 4;
  if (received.length < start + length) return "incomplete";
  const body = Buffer.from(received.substring(start, start + length), "latin1");
  return { ...head, body: body.toString("utf8"), peer: peer() };
}

function peerOf(socket: Socket<Connection>): string {
  const { remoteAddress, remotePort } = socket;
  return remoteAddress === undefined || remoteAddress === "" || remotePort === undefined
    ? "a unix socket"
    : formatPeer(remoteAddress, remotePort);
}

function formatPeer(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function encode(
  { status, type, body, headers = [], follow: more }: HttpAnswer,
  isHead: boolean,
): Buffer[] {
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? "Error"}`,
    `Content-Type: ${type}`,
    ...(more === undefined ? [`Content-Length: ${Buffer.byteLength(body)}`] : []),
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
  else if (!connection.isShut && connection.unfollow === null) {
    connection.isShut = true;
    socket.shutdown();
  }
}
