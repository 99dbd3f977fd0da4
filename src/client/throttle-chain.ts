/** Refuses requests of one client that is over a limit of its pool (`throttle: error`). */
import type { FilterChain, RequestReader, RequestRecord } from "../api/filter.ts";
import type { Session } from "./session.ts";

const REPLY =
  "THROTTLED too many requests or bytes in a short time, of this client, its address, its user or all clients together: wait a moment";

export class ThrottleChain implements FilterChain {
  readonly hearsEnds = false;
  private readonly session: Session;
  /** The request was refused. */
  private readonly onRefused: () => void;

  constructor(session: Session, onRefused: () => void) {
    this.session = session;
    this.onRefused = onRefused;
  }

  judge(reader: RequestReader): Buffer | null {
    const { throttle, turn } = this.session;
    if (throttle === null || throttle.admits(turn.nowMs)) return null;
    this.onRefused();
    return reader.refusal(REPLY);
  }

  createRecord(): RequestRecord {
    return { command: "", startedMs: 0, notes: [], seen: 0 };
  }

  done(): void {}
}
