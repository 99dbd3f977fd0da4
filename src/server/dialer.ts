/** Makes the connection to a server, and after a loss makes it again; see CONNECTION for the states. */
import type { ConnectAttempt } from "../api/engine.ts";
import type { ReplyScanner, UpstreamProtocol } from "../api/protocol.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Failure } from "../api/upstream.ts";
import { KEPT } from "../base/byte-use.ts";
import type { InputBuffer } from "../base/input-buffer.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { ConnectionRole } from "./connection-role.ts";
import { CLOSED, CONNECTING, CONNECTION, DOWN, IDLE, READY } from "./connection-states.ts";
import type { ConnectionStatistics } from "./connection-statistics.ts";
import { cannotConnect, connectionLost, handshakeRefused } from "./failures.ts";
import { Handshake } from "./handshake.ts";

/** The connection. */
export interface DialerUser extends StreamEvents {
  readonly owner: ConnectionOwner;
  readonly protocol: UpstreamProtocol;
  readonly role: ConnectionRole;
  readonly statistics: ConnectionStatistics;
  /** Requests wait for replies. */
  readonly isBusy: boolean;
  /** The connection stands, and its handshake is answered. @param wasDown until now requests were refused */
  onReady(wasDown: boolean): void;
  /** Nothing more comes: fails what waits, with word on whether it was sent. */
  failWaiting(sent: Failure, unsent: Failure): void;
  /** `dueMs` may have become earlier. */
  watch(): void;
}

export type AdoptSocket = (
  fd: number,
  onStream: (stream: Stream) => StreamEvents | null,
  onError: () => void,
) => void;

export class Dialer {
  refusal: Failure | null = null;
  /** Null while the connection does not stand. */
  stream: Stream | null = null;
  /** Not null while the server has not answered it. */
  handshake: Handshake | null = null;
  private readonly user: DialerUser;
  private state: number = IDLE;
  private attempt: ConnectAttempt | null = null;
  private cancelRetry: () => void = () => {};
  private failedAttempts = 0;
  /** Connections lost since the last reply. */
  private losses = 0;
  private startedMs = 0;
  /** When the handshake was sent. */
  private greetedMs = 0;

  constructor(user: DialerUser) {
    this.user = user;
  }

  get isIdle(): boolean {
    return this.state === IDLE;
  }

  get isReady(): boolean {
    return this.state === READY;
  }

  get isClosed(): boolean {
    return this.state === CLOSED;
  }

  /** -1 when it does not stand. */
  get fd(): number {
    return this.isReady && this.stream !== null ? this.stream.fd : -1;
  }

  /** Another process can go on with it. */
  get isMovable(): boolean {
    const { stream } = this;
    return this.fd >= 0 && stream!.isMovable && stream!.unsent.length === 0;
  }

  // Opening

  /** Starts connecting, unless that is under way or done. */
  open(): void {
    if ((this.state & (IDLE | DOWN)) === 0) return;
    const { user } = this;
    const { owner, role } = user;
    role.onOpen();
    this.cancelRetry();
    this.start();
    this.attempt = owner.connect(
      {
        onOpen: (stream) => this.onOpen(stream),
        onError: (cause) => this.attemptFailed(cannotConnect(owner.name, cause)),
      },
      user,
      role.isWatched,
    );
  }

  /** Goes on with a connection that stands already. `onError` is called when that cannot be. */
  adopt(fd: number, adoptSocket: AdoptSocket, onError: () => void): void {
    this.start();
    adoptSocket(
      fd,
      (stream) => {
        if (this.state !== CONNECTING) return null;
        this.stream = stream;
        this.user.statistics.count("server_connections", 1);
        this.ready();
        return this.user;
      },
      () => {
        if (this.state === CONNECTING) onError();
      },
    );
  }

  private start(): void {
    this.go(CONNECTING);
    this.startedMs = this.user.owner.turn.nowMs;
    this.user.watch();
  }

  private onOpen(stream: Stream): void {
    const { protocol, owner, statistics } = this.user;
    if (this.state !== CONNECTING) {
      stream.close();
      return;
    }
    this.attempt = null;
    this.stream = stream;
    statistics.count("server_connections", 1);
    statistics.count("server_connections_total", 1);
    const mustProve = this.failedAttempts > 0 || this.refusal !== null;
    this.handshake = new Handshake(protocol, mustProve);
    this.greetedMs = owner.turn.nowMs;
    this.user.watch();
    const { bytes, isDone } = this.handshake;
    // A fresh socket takes these few bytes, or is no good.
    if (isDone) this.ready();
    else if (stream.write(bytes, 0, bytes.length) !== bytes.length) {
      this.attemptFailed(cannotConnect(owner.name, "ECONNRESET"));
    }
  }

  /** Looks at what has come as long as there is a handshake. @returns whether what follows are replies to requests */
  scanHandshake(input: InputBuffer, scanner: ReplyScanner): boolean {
    const handshake = this.handshake!;
    input.use = KEPT;
    const fault = handshake.scan(input, scanner);
    if (fault !== null) {
      this.attemptFailed(handshakeRefused(this.user.owner.name, fault, handshake.refusalReply));
    } else if (handshake.isDone) this.ready();
    return fault === null && handshake.isDone;
  }

  private ready(): void {
    const { user } = this;
    this.go(READY);
    this.handshake = null;
    const wasDown = this.refusal !== null;
    this.failedAttempts = 0;
    this.refusal = null;
    user.onReady(wasDown);
    user.watch();
    user.role.onReady();
  }

  /** The connection under way cannot be made. */
  attemptFailed(failure: Failure): void {
    if (this.state !== CONNECTING) return;
    const { owner, role, statistics } = this.user;
    if (role.endsBy(failure)) return;
    statistics.count("server_err", 1);
    this.refusal = failure;
    this.lose(failure, failure);
    if (failure.reply !== undefined) {
      // A session that was told may have closed it.
      if (this.state === CONNECTING) {
        this.go(IDLE);
        this.refusal = null;
      }
    } else {
      this.failedAttempts++;
      this.stayDown(failure);
      owner.onLost();
      owner.onTrouble(failure);
    }
    role.onFailed(failure);
  }

  // Losing

  /** The stream has ended; `cause` as in `StreamEvents.onClose`. */
  onEnd(cause: string): void {
    const { name } = this.user.owner;
    if (this.stream === null) return;
    if (this.state === CONNECTING) {
      this.attemptFailed(cannotConnect(name, cause === "" ? "ECONNRESET" : cause));
      return;
    }
    this.user.statistics.count(cause === "" ? "server_eof" : "server_err", 1);
    this.lost(connectionLost(name, true), connectionLost(name, false));
  }

  /**
   * A standing connection is gone. An idle one may go in peace; with requests on it that tells against the server, unless
   * that was counted already.
   */
  lost(sent: Failure, unsent: Failure, isTrouble: boolean = this.user.isBusy): void {
    const { owner, role } = this.user;
    this.go(IDLE);
    this.refusal = null;
    owner.onLost();
    this.lose(sent, unsent);
    role.onLost(sent, isTrouble);
  }

  /** Until the next request, which opens it again. */
  rest(unsent: Failure): void {
    this.go(IDLE);
    this.lose(unsent, unsent);
  }

  /** Gives the connection up. `sent` and `unsent` are told to waiting requests; it stays `down` with `unsent` as refusal. */
  takeDown(sent: Failure, unsent: Failure): void {
    this.refusal = unsent;
    this.user.owner.onLost();
    this.lose(sent, unsent);
    this.stayDown(unsent);
  }

  /** Gives the connection up for good. */
  close(sent: Failure, unsent: Failure): void {
    if (this.state === CLOSED) return;
    this.go(CLOSED);
    this.refusal = unsent;
    this.lose(sent, unsent);
    this.cancelRetry();
  }

  /** Another process has the connection. */
  leave(): void {
    const { stream } = this;
    this.stream = null;
    if (stream === null) return;
    this.user.statistics.count("server_connections", -1);
    stream.detach();
  }

  private lose(sent: Failure, unsent: Failure): void {
    this.user.role.onHungUp();
    this.hangUp();
    this.user.failWaiting(sent, unsent);
  }

  /** Nothing more is heard of the stream, or of the attempt to have one. */
  private hangUp(): void {
    this.attempt?.abandon();
    this.attempt = null;
    const { stream } = this;
    this.stream = null;
    this.handshake = null;
    if (stream === null) return;
    this.user.statistics.count("server_connections", -1);
    stream.close();
  }

  // Opening again

  private stayDown(refusal: Failure): void {
    if (this.state === CLOSED) return;
    if (this.state !== DOWN) this.go(DOWN);
    this.refusal = refusal;
    this.openAfter(this.failedAttempts);
  }

  /** Unless a request did so already. Not at once: a server that accepts and hangs up would be called without end. */
  openAgain(): void {
    if (this.state === IDLE) this.openAfter(++this.losses);
  }

  private openAfter(failures: number): void {
    const { owner } = this.user;
    this.cancelRetry();
    const delayMs = owner.retryDelayMs(failures);
    // Infinity: it is opened when the server is known to be up.
    if (Number.isFinite(delayMs)) this.cancelRetry = owner.schedule(delayMs, () => this.open());
  }

  /** The server accepts connections and does not answer: that counts like an attempt that failed. */
  countFailedAttempt(): void {
    this.failedAttempts++;
  }

  /** It has answered. */
  onReply(): void {
    this.losses = 0;
  }

  /** When an attempt to connect takes too long; Infinity: none is under way. */
  get dueMs(): number {
    if (this.state !== CONNECTING) return Number.POSITIVE_INFINITY;
    const { connectTimeoutMs, timeoutMs } = this.user.owner;
    const dueMs = this.startedMs + connectTimeoutMs;
    // A handshake is a request: a server that accepts and says nothing is found out as soon as one that stops answering.
    if (this.stream === null || timeoutMs === null) return dueMs;
    return Math.min(dueMs, this.greetedMs + timeoutMs);
  }

  private go(next: number): void {
    this.state = CONNECTION.step(this.state, next);
  }
}
