/** Connections to servers. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Address } from "../../api/config.ts";
import type { ConnectAttempt, ConnectEvents, SocketTuning } from "../../api/engine.ts";
import type { StreamEvents } from "../../api/stream.ts";
import { startConnecting } from "../../os/connect-socket.ts";
import { CANCEL, CLOSE, POLL, POLLOUT } from "../../os/io-uring.ts";
import { errnoName, OsError } from "../../os/os-error.ts";
import { ipAddress, type SocketAddress, unixAddress } from "../../os/socket-address.ts";
import { socketError } from "../../os/socket-facts.ts";
import { type Operator, tagOf, type UringLoop } from "./loop.ts";
import { tuneSocket } from "./socket-tuning.ts";
import { UringStream } from "./uring-stream.ts";

const CONNECTING = 1;

export interface ConnectOptions {
  readonly tuning: SocketTuning;
  readonly events: ConnectEvents;
  readonly streamEvents: StreamEvents;
  readonly isHalfOpen: boolean;
}

/** See Engine.connect. */
export class Attempt implements ConnectAttempt, Operator {
  private readonly loop: UringLoop;
  private readonly options: ConnectOptions;
  private isAbandoned = false;
  /** -1: there is none yet, or it is the stream's now. */
  private fd = -1;
  private id = 0;

  constructor(loop: UringLoop, address: Address, options: ConnectOptions) {
    this.loop = loop;
    this.options = options;
    socketAddressOf(address).then(
      (target) => this.start(target),
      (error: unknown) => {
        this.fail((error as { readonly code?: string })?.code ?? "unknown error");
      },
    );
  }

  private start(target: SocketAddress): void {
    if (this.isAbandoned) return;
    try {
      this.fd = startConnecting(target);
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      this.fail(error.code);
      return;
    }
    this.id = this.loop.register(this);
    this.loop.ring.prepare(POLL, this.fd, 0, 0, POLLOUT, tagOf(this.id, CONNECTING));
  }

  /** The connection stands, or will not. */
  onCompletion(): void {
    const { fd, loop } = this;
    loop.unregister(this.id);
    // Abandoned, it was closed then.
    if (fd < 0) return;
    this.fd = -1;
    const error = socketError(fd);
    if (error !== 0) {
      loop.ring.prepare(CLOSE, fd, 0, 0, 0, 0);
      this.fail(errnoName(error));
      return;
    }
    const { tuning, events, streamEvents, isHalfOpen } = this.options;
    tuneSocket(fd, tuning);
    const stream = new UringStream(loop, fd, streamEvents, isHalfOpen);
    stream.isQuicklyAcked = tuning.isQuicklyAcked;
    events.onOpen(stream);
    if (stream.fd >= 0) stream.giveTo(streamEvents);
  }

  private fail(code: string): void {
    if (!this.isAbandoned) this.options.events.onError(code);
  }

  abandon(): void {
    if (this.isAbandoned) return;
    this.isAbandoned = true;
    const { fd } = this;
    if (fd < 0) return;
    this.fd = -1;
    this.loop.ring.prepare(CANCEL, -1, tagOf(this.id, CONNECTING), 0, 0, 0);
    this.loop.ring.prepare(CLOSE, fd, 0, 0, 0, 0);
  }
}

/** Rejects with an error that has a `code`. */
async function socketAddressOf(address: Address): Promise<SocketAddress> {
  if (address.kind === "unix") return orThrow(unixAddress(address.path), "ENAMETOOLONG");
  const { host, port } = address;
  const ip = isIP(host) === 0 ? (await lookup(host)).address : host;
  return orThrow(ipAddress(ip, port), "EINVAL");
}

function orThrow(address: SocketAddress | null, code: string): SocketAddress {
  if (address === null) throw new OsError("connect", code);
  return address;
}
