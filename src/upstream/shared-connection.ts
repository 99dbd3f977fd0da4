/** A connection for the requests of all clients that need its kind. */
import { Connection } from "./connection.ts";
import { stopping } from "./failures.ts";

export class SharedConnection extends Connection {
  override checkDeadlines(nowMs: number): void {
    super.checkDeadlines(nowMs);
    const { idleMs } = this.protocol;
    if (idleMs !== undefined && nowMs - this.quietSinceMs > idleMs) this.closeIfUnused();
  }

  /** Until the next request, which opens it again. */
  private closeIfUnused(): void {
    if (this.state !== "ready" || this.pending.size > 0) return;
    this.state = "idle";
    const nobody = stopping(this.owner.name, false);
    this.lose(nobody, nobody);
  }
}
