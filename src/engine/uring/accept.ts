/**
 * Accepting clients on a listening socket that another process made.
 *
 * The socket is polled, and what waits is accepted one by one: a worker that may take only so many leaves the others to the next, and one
 * that has much to do accepts few in each turn.
 */
import type { AcceptHandle, SocketTuning } from "../../api/engine.ts";
import type { Stream, StreamEvents } from "../../api/stream.ts";
import { ACCEPT_RETRY_MS } from "../../base/limits.ts";
import { acceptConnection } from "../../os/accept.ts";
import { setNonBlocking } from "../../os/fd.ts";
import { CANCEL, CLOSE, CQE_MORE, POLL, POLL_CHANGES, POLLIN } from "../../os/io-uring.ts";
import { OsError } from "../../os/os-error.ts";
import { isListening } from "../../os/socket-facts.ts";
import { type Operator, tagOf, type UringLoop } from "./loop.ts";
import { openStream } from "./opened.ts";
import type { PacedTask } from "./paced-work.ts";
import { tuneSocket } from "./socket-tuning.ts";

const ACCEPTING = 1;

export class Acceptor implements AcceptHandle, Operator, PacedTask {
  private readonly loop: UringLoop;
  private readonly fd: number;
  private readonly tuning: SocketTuning;
  private readonly onStream: (stream: Stream) => StreamEvents | null;
  private readonly onShort: (reason: string) => void;
  private readonly id: number;
  private isPolled = false;
  private isStopped = false;
  /** Who has connected before the socket was tuned may still wait: connections have what it had then. */
  private mustTune = true;
  /** It is among the paced work of the loop. */
  private isWaiting = false;
  private cancelRetry: (() => void) | null = null;

  /**
   * @param fd is owned from now on
   * @param onShort clients wait because this process is short of something
   * @throws OsError: it does not listen
   */
  constructor(
    loop: UringLoop,
    fd: number,
    tuning: SocketTuning,
    onStream: (stream: Stream) => StreamEvents | null,
    onShort: (reason: string) => void,
  ) {
    if (!isListening(fd)) throw new OsError("accept4", "EINVAL");
    this.loop = loop;
    this.fd = fd;
    this.tuning = tuning;
    this.onStream = onStream;
    this.onShort = onShort;
    this.id = loop.register(this);
    setNonBlocking(fd);
    tuneSocket(fd, tuning);
    this.poll();
  }

  private poll(): void {
    this.isPolled = true;
    const tag = tagOf(this.id, ACCEPTING);
    this.loop.ring.prepare(POLL, this.fd, 0, POLL_CHANGES, POLLIN, tag);
  }

  onCompletion(_kind: number, _result: number, flags: number): void {
    this.isPolled = (flags & CQE_MORE) !== 0;
    if (!this.isStopped) {
      if (!this.isPolled) this.poll();
      if (this.cancelRetry === null) this.goOnLater();
    } else if (!this.isPolled) this.loop.unregister(this.id);
  }

  private goOnLater(): void {
    if (this.isWaiting) return;
    this.isWaiting = true;
    this.loop.paced.add(this);
  }

  /** See PacedTask: accepts one client. */
  goOn(): void {
    this.isWaiting = false;
    if (this.isStopped) return;
    const connection = this.acceptOne();
    if (connection === null) return;
    if (this.mustTune) tuneSocket(connection, this.tuning);
    openStream(this.loop, connection, this.tuning, this.onStream);
    this.goOnLater();
  }

  /** Null: no client waits (any more), or none can be accepted now. */
  private acceptOne(): number | null {
    try {
      const connection = acceptConnection(this.fd);
      if (connection === null) this.mustTune = false;
      return connection;
    } catch (error) {
      if (!(error instanceof OsError) || !error.isPassing) throw error;
      this.onShort(error.message);
      this.cancelRetry = this.loop.timer(ACCEPT_RETRY_MS, () => {
        this.cancelRetry = null;
        this.goOnLater();
      });
      return null;
    }
  }

  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.cancelRetry?.();
    const { ring } = this.loop;
    if (this.isPolled) ring.prepare(CANCEL, -1, tagOf(this.id, ACCEPTING), 0, 0, 0);
    else this.loop.unregister(this.id);
    ring.prepare(CLOSE, this.fd, 0, 0, 0, 0);
  }
}
