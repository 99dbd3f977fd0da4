/**
 * A connection for subscriptions; see SubscriberConnection. It knows of no requests that wait for replies: its owner
 * hears of everything that comes, and decides what it is. Once lost it is made again, with the pauses of all connections.
 */
import { INCOMPLETE, type UpstreamProtocol } from "../api/protocol.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type {
  Failure,
  LeftSubscriber,
  SubscriberConnection,
  SubscriberEvents,
} from "../api/upstream.ts";
import { copyOf } from "../base/copy-of.ts";
import { Connection } from "./connection.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import { GARBAGE } from "./deliver-replies.ts";
import { cannotConnect, garbageReceived, stopping, timedOut } from "./failures.ts";

export interface SubscribedOwner extends ConnectionOwner {
  /** Makes descriptor `fd` a stream, which `onStream` gets; see adoptStream. */
  adoptSocket(fd: number, onStream: (stream: Stream) => StreamEvents, onError: () => void): void;
  /** It is closed for good. */
  onSubscriberGone(connection: SubscribedConnection): void;
}

export class SubscribedConnection extends Connection implements SubscriberConnection {
  private readonly host: SubscribedOwner;
  private readonly events: SubscriberEvents;
  private isGone = false;

  constructor(host: SubscribedOwner, protocol: UpstreamProtocol, events: SubscriberEvents) {
    super(host, protocol);
    this.host = host;
    this.events = events;
  }

  adopt({ fd, unread }: LeftSubscriber): void {
    this.state = "connecting";
    this.connectStartedMs = this.owner.turn.nowMs;
    this.watch();
    this.input.add(unread, 0, true);
    this.host.adoptSocket(
      fd,
      (stream) => {
        this.stream = stream;
        this.statistics.count("server_connections", 1);
        this.ready();
        return this;
      },
      () => this.onConnectFailed(cannotConnect(this.owner.name, "ECONNRESET")),
    );
  }

  get isUp(): boolean {
    return this.state === "ready";
  }

  ask(bytes: Buffer): void {
    this.out.appendKept(bytes, 0, bytes.length);
    this.statistics.requests(1);
    this.commit();
  }

  resetProtocol(): void {
    const { name } = this.owner;
    this.lost(garbageReceived(name, true), garbageReceived(name, false));
  }

  giveUp(silentMs: number): void {
    const failure = timedOut(this.owner.name, Math.round(silentMs));
    // Refused until it has answered something.
    this.takeDown(failure, failure);
    this.owner.onTrouble(failure);
  }

  override takeDown(sent: Failure, unsent: Failure): void {
    super.takeDown(sent, unsent);
    this.events.onDown(unsent);
  }

  discard(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.close(stopping(this.owner.name, true), stopping(this.owner.name, false));
    this.host.onSubscriberGone(this);
  }

  get fd(): number {
    return this.stream === null ? -1 : this.stream.fd;
  }

  get isMovable(): boolean {
    return this.isUp && this.stream?.isMovable === true && this.out.size === 0;
  }

  get unread(): Buffer {
    return copyOf(this.input.bytes, this.input.start, this.input.end);
  }

  pause(): void {
    this.stream?.pause();
  }

  leave(): void {
    const { stream } = this;
    this.stream = null;
    if (stream !== null) {
      this.statistics.count("server_connections", -1);
      stream.detach();
    }
    this.discard();
  }

  /** What the server says names the channel that it is about, and answers to other questions would not be understood. */
  protected override get isAskable(): boolean {
    return false;
  }

  protected override ready(): void {
    super.ready();
    this.events.onUp();
  }

  protected override onGone(failure: Failure): void {
    if (this.isGone) return;
    // Others wait for the next request; subscriptions shall last.
    if (this.state === "idle") this.openLater();
    this.events.onDown(failure);
  }

  protected override takeReplies(): number {
    const { input, scanner, stream } = this;
    let messages = 0;
    while (input.start < input.end) {
      const { bytes, start } = input;
      const next = scanner.scan(bytes, start, input.end);
      if (next === INCOMPLETE) break;
      if (next < 0) return GARBAGE;
      input.start = next;
      messages++;
      this.events.onMessage(bytes, start, next);
      // The listener that heard of it may have had the connection closed, and the rest with it.
      if (this.stream !== stream) break;
    }
    return messages;
  }
}
