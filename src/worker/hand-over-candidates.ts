/** Which clients of a worker are handed over. */
import type { Session } from "../client/session.ts";
import type { Candidate } from "./hand-over.ts";

type Pools = ReadonlyMap<string, { readonly sessions: Iterable<Session> }>;

/** Sessions of the pools `names` that may go, at most `most` of them, idle ones first. All are looked at only when they are asked for. */
export function candidatesOf(
  pools: Pools,
  names: readonly string[],
  most: number | null,
): Iterable<Candidate> {
  const all = sessionsOf(pools, names);
  if (most === null) return all;
  const idle: Candidate[] = [];
  const busy: Candidate[] = [];
  for (const candidate of all) {
    const { session } = candidate;
    if (!session.canMove || session.frontend.prefersToStay) continue;
    if (session.isIdle) idle.push(candidate);
    else if (busy.length < most) busy.push(candidate);
    if (idle.length >= most) break;
  }
  return [...idle, ...busy].filter((_, index) => index < most);
}

function* sessionsOf(pools: Pools, names: readonly string[]): Generator<Candidate, void> {
  for (const pool of names) {
    for (const session of pools.get(pool)?.sessions ?? []) yield { pool, session };
  }
}
