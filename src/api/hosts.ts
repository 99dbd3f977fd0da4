/** Other hosts with the same servers, as `proxy status` shows them. */

/** Hosts that agree on where keys are. */
export interface HostsStatus {
  /** Of this one. */
  readonly id: string;
  /** What is in the way of agreeing; null: nothing. */
  readonly problem: string | null;
  /** Milliseconds since something was heard of the others last; null: nothing was so far. */
  readonly heardAgoMs: number | null;
  readonly hosts: readonly HostStatus[];
}

export interface HostStatus {
  readonly id: string;
  /** It was heard lately. */
  readonly isHeard: boolean;
  /** All its workers serve what its configuration says. */
  readonly isReady: boolean;
  /** Of these pools it keeps requests from servers, for a change of servers. */
  readonly holds: readonly string[];
}
