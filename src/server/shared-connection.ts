/** A connection for the requests of all clients that need its kind: how it fares tells about the server, and it may be kept up. */
import type { UpstreamProtocol } from "../api/protocol.ts";
import type { Failure } from "../api/upstream.ts";
import type { Deadline } from "../base/deadlines.ts";
import { HEAVY_IDLE_MS } from "../base/fairness-limits.ts";
import { Connection } from "./connection.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { ConnectionRole } from "./connection-role.ts";
import { stopping } from "./failures.ts";

/** @param isHeavy only heavy clients use it, and it stands only while they do */
export function createSharedConnection(
  owner: ConnectionOwner,
  protocol: UpstreamProtocol,
  isHeavy: boolean,
): Connection {
  return new SharedRole(owner, protocol, isHeavy).connection;
}

class SharedRole implements ConnectionRole {
  readonly isWatched = false;
  readonly isAskable = true;
  readonly messages = null;
  readonly connection: Connection;
  private readonly owner: ConnectionOwner;
  /** When to look whether it is unused; null: it may be unused for ever. */
  private readonly idling: Deadline | null;
  private readonly idleMs: number;
  /** It is made again as soon as it is lost. */
  private readonly isEager: boolean;
  private holdsDescriptor = false;

  constructor(owner: ConnectionOwner, protocol: UpstreamProtocol, isHeavy: boolean) {
    const idleMs = isHeavy ? HEAVY_IDLE_MS : protocol.idleMs;
    this.owner = owner;
    this.isEager = owner.isEager && !isHeavy;
    this.idleMs = idleMs ?? 0;
    this.idling =
      idleMs === undefined ? null : owner.deadlines.create((nowMs) => this.closeIfUnused(nowMs));
    this.connection = new Connection(owner, protocol, this);
  }

  get timeoutMs(): number | null {
    return this.owner.timeoutMs;
  }

  get firstByteMs(): number | null {
    return this.owner.firstByteMs;
  }

  get queueMs(): number | null {
    return this.owner.queueMs;
  }

  get pendingMax(): number {
    return this.owner.pendingMax;
  }

  onOpen(): void {
    this.holdDescriptor(true);
  }

  onReady(): void {
    this.idling?.set(this.owner.turn.nowMs + this.idleMs);
    this.owner.onUp();
  }

  onHungUp(): void {
    this.holdDescriptor(false);
    this.idling?.cancel();
  }

  private holdDescriptor(holds: boolean): void {
    if (holds === this.holdsDescriptor) return;
    this.holdsDescriptor = holds;
    this.owner.onDescriptor(holds ? 1 : -1);
  }

  onLost(failure: Failure, isTrouble: boolean): void {
    if (isTrouble) this.owner.onTrouble(failure);
    if (this.isEager) this.connection.dialer.openAgain();
  }

  endsBy(): boolean {
    return false;
  }

  onFailed(): void {}

  takeDown(sent: Failure, unsent: Failure): void {
    this.connection.takeDown(sent, unsent);
  }

  private closeIfUnused(nowMs: number): void {
    const { connection, idleMs } = this;
    const dueMs = idleMs + (connection.isBusy ? nowMs : connection.quietSinceMs);
    if (dueMs <= nowMs) connection.dialer.rest(stopping(this.owner.name, false));
    else this.idling!.set(dueMs);
  }
}
