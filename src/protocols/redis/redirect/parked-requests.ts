/** Requests that wait until a server can be asked again, in the order in which they came. */
import type { Failure, ReplySink } from "../../../api/upstream.ts";

/** What has become of a request so far. */
export interface History {
  /** How often it was sent on from node to node. */
  readonly tries: number;
  /** Since when it waits for nodes to serve; 0: it does not. */
  readonly sinceMs: number;
  /** Its place among those that wait; 0: it has not waited so far. */
  readonly order: number;
}

/** One request that is to be sent again. */
export interface Again extends History {
  /** The request is bytes[start, end). */
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly sink: ReplySink;
  readonly token: number;
}

export interface Parked extends Again {
  /** What its client gets when it has waited in vain: why it failed, or the error of a server. */
  readonly why: Failure | Buffer;
}

export class ParkedRequests {
  /** Oldest first. */
  private list: Parked[] = [];

  get size(): number {
    return this.list.length;
  }

  add(request: Parked): void {
    const { list } = this;
    let at = list.length;
    // As a rule it is the youngest.
    while (at > 0 && list[at - 1]!.order > request.order) at--;
    if (at === list.length) list.push(request);
    else list.splice(at, 0, request);
  }

  /** Takes up to `count` of the oldest. */
  take(count: number): Parked[] {
    return this.list.splice(0, count);
  }
}
