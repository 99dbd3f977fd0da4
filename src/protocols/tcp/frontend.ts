/**
 * One client and its server: bytes go both ways as they are.
 *
 *   client ─▶ session's input ─consume─▶ stream.write          what the server's socket does not take stays in the input
 *   client ◀─ session's output ◀─push── onBytes ◀─ stream      with much unsent the server is not read
 *
 * Each direction ends by itself: an end of the client is passed on behind its last byte, and so is the server's. What is no end in good
 * order, a reset, is passed on as one.
 *
 * When the client moves to another process, the connection to its server moves along, and what is in input and output with the
 * session. An end that came shows again on the descriptor there, so it need not be told.
 */
import type { ClientPort } from "../../api/client-port.ts";
import type { Frontend } from "../../api/frontend.ts";
import type { PoolHost } from "../../api/protocol-module.ts";
import type { ServerStream, ServerStreamEvents } from "../../api/server-stream.ts";
import type { Failure } from "../../api/upstream.ts";
import { copyOf } from "../../base/copy-of.ts";
import type { Deadline } from "../../base/deadlines.ts";
import type { Wakeable } from "../../base/turn.ts";
import { closeFd } from "../../os/fd.ts";
import type { TcpServer, TcpServers } from "./servers.ts";

/** What moves with the client. */
interface SavedTcpClient {
  /** Upstream.member of its server, whose connection comes along; null: none stood. */
  readonly server: string | null;
  /** For so long nothing has come or gone. */
  readonly idleMs: number;
}

const NONE: Buffer = Buffer.alloc(0);

export class TcpFrontend implements Frontend, ServerStreamEvents, Wakeable {
  readonly need = 0;
  /** The first with descriptors. */
  readonly needsFormat = 2;
  readonly prefersToStay = false;
  isWoken = false;

  private readonly host: PoolHost;
  private readonly servers: TcpServers;
  private readonly client: ClientPort;
  /** The client is owed one reply: all that its server sends. */
  private readonly token: number;
  /** Null: the connection came from another process, and its server is not configured here. */
  private server: TcpServer | null = null;
  /** What the connection's server is called in other processes. */
  private serverId = "";
  private stream: ServerStream | null = null;
  private isConnecting = false;
  private isOpen = false;
  /** The connection stood, here or in another process. */
  private wasOpen = false;
  private readonly tried: TcpServer[] = [];
  private hasClientEnded = false;
  private hasServerEnded = false;
  private isOver = false;
  /** No server could be reached; told at the end of the turn. */
  private failure: Failure | null = null;
  private readonly idle: Deadline | null;
  /** When something came or went last. */
  private activeMs: number;

  /** @param saved see `saveState`, or what another protocol has saved: the pool's was another then */
  constructor(
    host: PoolHost,
    servers: TcpServers,
    client: ClientPort,
    saved: unknown,
    descriptors: readonly number[],
  ) {
    this.host = host;
    this.servers = servers;
    this.client = client;
    this.token = client.open();
    const { server = null, idleMs = 0 } = (saved ?? {}) as Partial<SavedTcpClient>;
    const { idleTimeoutMs } = servers.options;
    this.activeMs = host.turn.nowMs - idleMs;
    this.idle = idleTimeoutMs === null ? null : host.deadlines.create((nowMs) => this.check(nowMs));
    this.idle?.set(this.activeMs + idleTimeoutMs!);
    const [fd, ...others] = descriptors;
    if (typeof server === "string" && fd !== undefined && others.length === 0) {
      this.adopt(fd, server);
    } else {
      for (const descriptor of descriptors) closeFd(descriptor);
      this.connect();
    }
  }

  // Getting a server

  private connect(): void {
    for (;;) {
      const server = this.servers.next(this.client.origin, this.tried);
      if (server === null) return;
      this.tried.push(server);
      this.stream = this.host.openStream(server.upstream, this);
      if (this.stream === null) {
        this.fail(NO_DESCRIPTOR);
        return;
      }
      this.failure = null;
      this.server = server;
      this.serverId = server.id;
      this.isConnecting = true;
      server.connecting++;
      return;
    }
  }

  private adopt(fd: number, id: string): void {
    this.wasOpen = true;
    this.server = this.servers.named(id);
    this.serverId = id;
    this.stream = this.host.adoptStream(fd, this.server?.upstream ?? null, this);
  }

  onOpen(): void {
    this.isOpen = true;
    // One that came from another process does not begin to idle anew.
    if (this.isConnecting) this.touch();
    if (this.isConnecting && this.server !== null) this.servers.onConnected(this.server);
    this.connected();
    if (this.hasClientEnded) this.stream?.shutdown();
    // What it sent meanwhile waits.
    this.client.turn.wake(this.client);
  }

  onRefused(failure: Failure): void {
    const wasConnecting = this.isConnecting;
    this.connected();
    this.stream = null;
    this.fail(failure);
    if (!wasConnecting || this.server === null) return;
    this.servers.onRefused(this.server);
    this.connect();
  }

  /** The attempt is over. */
  private connected(): void {
    if (!this.isConnecting) return;
    this.isConnecting = false;
    if (this.server !== null) this.server.connecting--;
  }

  private fail(failure: Failure): void {
    this.failure = failure;
    this.client.turn.wake(this);
  }

  private giveUp(failure: Failure): void {
    const { log, logLimit, config } = this.host;
    const leftOut = logLimit.admit(`no server ${config.name}`, this.host.turn.nowMs);
    if (leftOut !== null) {
      log.warn("a client is closed: no server can be reached", {
        reason: failure.text,
        ...(leftOut > 0 ? { left_out: leftOut } : {}),
      });
    }
    this.client.onFailure(this.token, 1, failure);
    this.isOver = true;
    if (this.wasOpen) this.client.finishByReset();
    else this.client.finish();
  }

  // From the client

  consume(bytes: Buffer, start: number, end: number): number {
    if (start === end || this.isOver) return end;
    if (this.stream === null || !this.isOpen) {
      this.client.waitForWake();
      return start;
    }
    const taken = this.stream.write(bytes, start, end - start);
    // It is gone, which is told next.
    if (taken < 0) return end;
    this.touch();
    if (start + taken < end) this.client.waitForWake();
    return start + taken;
  }

  onInputEnd(): boolean {
    const isNew = !this.hasClientEnded;
    this.hasClientEnded = true;
    if (isNew && this.isOpen) this.stream?.shutdown();
    if (this.hasServerEnded) this.end();
    return true;
  }

  onDrain(): void {
    this.client.turn.wake(this.client);
  }

  // From the server

  onBytes(bytes: Buffer, start: number, end: number, isStable: boolean): void {
    this.touch();
    if (isStable) this.client.push(bytes, start, end);
    else this.client.push(copyOf(bytes, start, end), 0, end - start);
    if (!this.client.isFull) return;
    this.stream?.pause();
    this.client.waitForRoom(this);
  }

  /** The client has taken what it was sent. */
  wakeUp(): void {
    if (this.failure !== null && this.stream === null && !this.isOver) {
      this.giveUp(this.failure);
      return;
    }
    this.touch();
    this.stream?.resume();
  }

  onEnd(): void {
    if (this.hasServerEnded) return;
    this.hasServerEnded = true;
    if (this.hasClientEnded) this.end();
    else this.client.endOutput();
  }

  onClose(cause: string): void {
    if (cause === "" && !this.hasServerEnded) this.onEnd();
    this.stream = null;
    this.isOpen = false;
    // What the client sends from now on has no receiver.
    if (cause === "") this.end();
    else this.breakOff();
  }

  /** Nothing more will come from the server, or go to it. */
  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.client.reply(this.token, NONE);
    this.client.finish();
  }

  /** The server is lost in the middle: what it had sent arrives, and is not taken for all that it meant to say. */
  private breakOff(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.client.reply(this.token, NONE);
    this.client.finishByReset();
  }

  failureReply(): Buffer {
    return NONE;
  }

  // Time

  private touch(): void {
    if (this.idle !== null) this.activeMs = this.host.turn.nowMs;
  }

  private check(nowMs: number): void {
    const dueMs = this.activeMs + this.servers.options.idleTimeoutMs!;
    if (nowMs < dueMs) this.idle?.set(dueMs);
    else this.client.close();
  }

  // Moving and ending

  quiesce(): void {
    this.stream?.quiesce();
  }

  get unforwarded(): Buffer {
    return this.stream?.unsent ?? NONE;
  }

  get isReadyToMove(): boolean {
    // An attempt to connect does not move; the next process makes its own.
    return this.isConnecting || this.stream?.isMovable === true;
  }

  get descriptors(): readonly number[] {
    return this.isOpen && this.stream !== null ? [this.stream.fd] : [];
  }

  saveState(): SavedTcpClient {
    return {
      server: this.isOpen ? this.serverId : null,
      idleMs: Math.max(this.host.turn.nowMs - this.activeMs, 0),
    };
  }

  onRouteChange(): void {}

  leave(): void {
    this.letGo()?.leave();
  }

  close(): void {
    const stream = this.letGo();
    // A client that is lost in the middle has not said all that it meant to say.
    if (this.hasClientEnded) stream?.close();
    else stream?.abort();
  }

  private letGo(): ServerStream | null {
    const { stream } = this;
    this.connected();
    this.idle?.cancel();
    this.isOver = true;
    this.stream = null;
    this.isOpen = false;
    return stream;
  }
}

const NO_DESCRIPTOR: Failure = {
  kind: "refused",
  wasSent: false,
  text: "no file descriptor is left for a connection to a server; raise the limit of open files (LimitNOFILE=, ulimit -n)",
};
