/** A connection for the requests of all clients that need its kind. */
import type { Failure } from "../api/upstream.ts";
import { Connection } from "./connection.ts";
import { stopping } from "./failures.ts";

export class SharedConnection extends Connection {
  /** Since when it may have been idle. */
  private idleSinceMs = 0;
  private holdsDescriptor = false;

  override open(): void {
    if (this.state === "idle" || this.state === "down") this.holdDescriptor(true);
    super.open();
  }

  protected override lose(sent: Failure, unsent: Failure): void {
    // Told are those that wait for a reply, and they may open it again.
    this.holdDescriptor(false);
    super.lose(sent, unsent);
  }

  private holdDescriptor(holds: boolean): void {
    if (holds === this.holdsDescriptor) return;
    this.holdsDescriptor = holds;
    this.owner.onDescriptor(holds ? 1 : -1);
  }

  protected override get dueMs(): number {
    const { idleMs } = this.protocol;
    if (idleMs === undefined || this.state !== "ready") return super.dueMs;
    return Math.min(super.dueMs, this.idleSinceMs + idleMs);
  }

  protected override ready(): void {
    this.idleSinceMs = this.owner.turn.nowMs;
    super.ready();
  }

  protected override checkDeadlines(nowMs: number): void {
    super.checkDeadlines(nowMs);
    const { idleMs } = this.protocol;
    if (idleMs === undefined || this.state !== "ready") return;
    this.idleSinceMs = this.pending.size > 0 ? nowMs : this.quietSinceMs;
    if (this.idleSinceMs + idleMs <= nowMs) this.closeUnused();
  }

  /** Until the next request, which opens it again. */
  private closeUnused(): void {
    this.state = "idle";
    const unused = stopping(this.owner.name, false);
    this.lose(unused, unused);
  }
}
