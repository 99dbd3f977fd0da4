/**
 * A connection for subscriptions; see SubscriberConnection. It knows of no requests that wait for replies: its owner
 * hears of everything that comes, and decides what it is. Once lost it is made again, with the pauses of all connections.
 */
import type { UpstreamProtocol } from "../api/protocol.ts";
import type {
  Failure,
  LeftSubscriber,
  SubscriberConnection,
  SubscriberEvents,
} from "../api/upstream.ts";
import { copyOf } from "../base/copy-of.ts";
import type { Wakeable } from "../base/turn.ts";
import { Connection } from "./connection.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { ConnectionRole } from "./connection-role.ts";
import type { AdoptSocket } from "./dialer.ts";
import { cannotConnect, garbageReceived, stopping, timedOut } from "./failures.ts";

export interface SubscribedOwner extends ConnectionOwner {
  /** Makes descriptor `fd` a stream, which `onStream` gets and may refuse with null; see adoptStream. */
  readonly adoptSocket: AdoptSocket;
  /** It is closed for good. */
  onSubscriberGone(connection: SubscribedConnection): void;
}

export class SubscribedConnection implements SubscriberConnection, ConnectionRole {
  readonly isWatched = false;
  /** What the server says names the channel that it is about, and answers to other questions would not be understood. */
  readonly isAskable = false;
  readonly firstByteMs = null;
  readonly queueMs = null;
  readonly pendingMax: number = Number.POSITIVE_INFINITY;
  readonly messages: SubscriberEvents;
  private readonly connection: Connection;
  private readonly owner: SubscribedOwner;
  private isGone = false;

  constructor(owner: SubscribedOwner, protocol: UpstreamProtocol, events: SubscriberEvents) {
    this.owner = owner;
    this.messages = events;
    this.connection = new Connection(owner, protocol, this);
  }

  open(): void {
    this.connection.open();
  }

  adopt({ fd, unread }: LeftSubscriber): void {
    const { owner, connection } = this;
    connection.input.add(unread, 0, true);
    connection.dialer.adopt(
      fd,
      (...adoption) => owner.adoptSocket(...adoption),
      () => connection.dialer.attemptFailed(cannotConnect(owner.name, "ECONNRESET")),
    );
  }

  get timeoutMs(): number | null {
    return this.owner.timeoutMs;
  }

  get isUp(): boolean {
    return this.connection.dialer.isReady;
  }

  get refusal(): Failure | null {
    return this.connection.refusal;
  }

  get isFull(): boolean {
    return this.connection.isFull;
  }

  waitForRoom(waiter: Wakeable): void {
    this.connection.waitForRoom(waiter);
  }

  ask(bytes: Buffer): void {
    this.connection.out.appendKept(bytes, 0, bytes.length);
    this.connection.requested++;
    this.connection.commit();
  }

  resetProtocol(): void {
    const { name } = this.owner;
    if (!this.isUp) return;
    this.connection.dialer.lost(garbageReceived(name, true), garbageReceived(name, false));
  }

  giveUp(silentMs: number): void {
    const failure = timedOut(this.owner.name, Math.round(silentMs));
    // Refused until it has answered something.
    this.takeDown(failure, failure);
    this.owner.onTrouble(failure);
  }

  takeDown(sent: Failure, unsent: Failure): void {
    this.connection.takeDown(sent, unsent);
    this.messages.onDown(unsent);
  }

  discard(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.connection.close(stopping(this.owner.name, true), stopping(this.owner.name, false));
    this.owner.onSubscriberGone(this);
  }

  get fd(): number {
    return this.connection.dialer.fd;
  }

  get isMovable(): boolean {
    return this.connection.dialer.isMovable && this.connection.out.size === 0;
  }

  get unread(): Buffer {
    const { bytes, start, end } = this.connection.input;
    return copyOf(bytes, start, end);
  }

  pause(): void {
    const { stream } = this.connection.dialer;
    stream?.pause();
    stream?.quiesce();
  }

  leave(): void {
    this.connection.dialer.leave();
    this.discard();
  }

  // What happens to the connection

  onOpen(): void {}

  onReady(): void {
    this.owner.onUp();
    this.messages.onUp();
  }

  onHungUp(): void {}

  onLost(failure: Failure): void {
    this.onGone(failure);
  }

  endsBy(): boolean {
    return false;
  }

  onFailed(failure: Failure): void {
    this.onGone(failure);
  }

  private onGone(failure: Failure): void {
    if (this.isGone) return;
    // Others wait for the next request; subscriptions shall last.
    this.connection.dialer.openAgain();
    this.messages.onDown(failure);
  }
}
