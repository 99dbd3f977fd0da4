/** Stands in a session until its client's PROXY header has come; then the pool's own frontend takes its place. */
import type { Frontend } from "../api/frontend.ts";
import type { ClientAddress } from "../api/move.ts";
import type { Schedule } from "../base/schedule.ts";
import { scanProxyHeader } from "./proxy-header.ts";
import type { Session } from "./session.ts";

export interface HeaderFrontendOptions {
  readonly session: Session;
  readonly schedule: Schedule;
  /** In this time the header must have come. */
  readonly waitMs: number;
  /** The header has come: what is called gives the session its frontend. `address` null: the connection's own holds. */
  onHeader(address: ClientAddress | null): void;
  /** There will be none, as `reason` says: what is called closes the session. */
  onRefused(reason: string): void;
}

const NONE: Buffer = Buffer.alloc(0);

export class HeaderFrontend implements Frontend {
  readonly need = 0;
  readonly descriptors: readonly number[] = [];
  readonly isReadyToMove = true;
  readonly needsFormat = 1;
  readonly prefersToStay = false;
  private readonly options: HeaderFrontendOptions;
  private readonly cancelTimeout: () => void;

  constructor(options: HeaderFrontendOptions) {
    this.options = options;
    this.cancelTimeout = options.schedule(options.waitMs, () =>
      options.onRefused("it has not come in time"),
    );
  }

  consume(bytes: Buffer, start: number, end: number): number {
    const { session, onHeader, onRefused } = this.options;
    const header = scanProxyHeader(bytes, start, end);
    if (header === null) return start;
    if (typeof header === "string") {
      onRefused(header);
      return start;
    }
    this.cancelTimeout();
    onHeader(header.address);
    const next = start + header.length;
    if (next === end || !session.mayTakeMore()) return next;
    const { throttle, intake } = session;
    if (throttle === null && !intake.isPausedByOperator) {
      return session.frontend.consume(bytes, next, end);
    }
    // What holds for the client since its address is known is looked at before its requests are taken: in a moment.
    throttle?.received(end - next);
    session.waitForWake();
    session.turn.wake(session);
    return next;
  }

  failureReply(): Buffer {
    return NONE;
  }

  /** There is no client yet. That a header is awaited is said by the session's record. */
  saveState(): unknown {
    return {};
  }

  onInputEnd(): boolean {
    const { session, onRefused } = this.options;
    // One that looks whether the port is open sends nothing.
    if (session.intake.input.size > 0) onRefused("the connection ended in the middle of it");
    return false;
  }

  onRouteChange(): void {}

  leave(): void {
    this.cancelTimeout();
  }

  close(): void {
    this.cancelTimeout();
  }
}

/** The client has not said yet whose its connection is: nothing is to stand in the way of its header. */
export function awaitsHeader({ frontend }: Pick<Session, "frontend">): boolean {
  return frontend instanceof HeaderFrontend;
}
