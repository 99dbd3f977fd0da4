/**
 * The clients of this worker, for operators. There may be tens of thousands: they are looked at in slices, and only those that are shown
 * are described.
 */
import type {
  ClientOrder,
  ClientQuery,
  ClientReport,
  ClientRow,
  KickedClient,
  KickTarget,
} from "../../api/inspection.ts";
import { KICKED_SHOWN_MAX } from "../../base/limits.ts";
import { inSlices, type SliceLoop } from "../../base/slices.ts";
import { idOf, stateOf, waitOf } from "../../client/client-record.ts";
import type { Session } from "../../client/session.ts";

/** A pool in this worker. */
export interface InspectedPool {
  readonly name: string;
  readonly sessions: Iterable<Session> & { readonly size: number };
}

interface Candidate {
  readonly pool: string;
  readonly session: Session;
  readonly value: number;
}

/** @param done gets the clients that `query` asks for, at most as many as its limit */
export function listClients(
  loop: SliceLoop,
  pools: readonly InspectedPool[],
  worker: number,
  query: ClientQuery,
  done: (report: ClientReport) => void,
): void {
  const measure = VALUES[query.order];
  const best = new Best(query.limit);
  let matching = 0;
  inSlices(
    loop,
    sessionsOf(pools, query.pool),
    ({ pool, session }) => {
      if (!fits(session, query)) return;
      matching++;
      best.offer({ pool, session, value: measure(session) });
    },
    () => {
      const rows: ClientRow[] = [];
      inSlices(
        loop,
        best.all(),
        ({ pool, session }) => {
          if (session.isOpen) rows.push(rowOf(pool, session, worker));
        },
        () => {
          const total = pools.reduce((sum, { sessions }) => sum + sessions.size, 0);
          done({ total, matching, rows });
        },
      );
    },
  );
}

/** Disconnects clients. @param done gets those that were, the first of many only */
export function kickClients(
  loop: SliceLoop,
  pools: readonly InspectedPool[],
  target: KickTarget,
  done: (kicked: readonly KickedClient[]) => void,
): void {
  const kicked: KickedClient[] = [];
  inSlices(
    loop,
    sessionsOf(pools, null),
    ({ pool, session }) => {
      const isMeant =
        "id" in target ? idOf(session) === target.id : session.peer === target.address;
      if (!isMeant || !session.isOpen) return;
      if (kicked.length < KICKED_SHOWN_MAX) {
        const name = shown(session.frontend.facts?.name ?? "");
        kicked.push({ id: idOf(session), pool, address: session.peer, name });
      }
      session.close();
    },
    () => done(kicked),
  );
}

function* sessionsOf(
  pools: readonly InspectedPool[],
  only: string | null,
): Generator<{ readonly pool: string; readonly session: Session }, void> {
  for (const { name, sessions } of pools) {
    if (only !== null && name !== only) continue;
    for (const session of sessions) yield { pool: name, session };
  }
}

const VALUES: Readonly<Record<ClientOrder, (session: Session) => number>> = {
  requests: ({ intake }) => intake.requests,
  received: ({ intake }) => intake.received,
  sent: ({ record }) => record.sent,
  pending: ({ owed }) => owed,
  owed: ({ unread }) => unread.bytes,
  age: ({ record }) => record.ageMs,
  idle: ({ record }) => record.idleMs,
  wait: (session) => waitOf(session),
};

function fits(session: Session, { address, name, user, state }: ClientQuery): boolean {
  if (!session.isOpen) return false;
  if (address !== null && !session.peer.startsWith(address)) return false;
  if (state !== null && stateOf(session) !== state) return false;
  if (name === null && user === null) return true;
  const { facts } = session.frontend;
  const isNamed = name === null || shown(facts?.name ?? "") === name;
  return isNamed && (user === null || shown(facts?.user ?? "") === user);
}

function rowOf(pool: string, session: Session, worker: number): ClientRow {
  const { record } = session;
  const { facts } = session.frontend;
  return {
    ...{ id: idOf(session), pool, address: session.peer },
    ...{ name: shown(facts?.name ?? ""), user: shown(facts?.user ?? ""), worker },
    ...{ ageMs: Math.round(record.ageMs), idleMs: Math.round(record.idleMs) },
    ...{ requests: record.requests, received: record.received, sent: record.sent },
    waitMs: Math.round(waitOf(session) * 1000) / 1000,
    ...{ pending: session.owed, owed: session.unread.bytes, state: stateOf(session) },
  };
}

/** @param text one character per byte */
function shown(text: string): string {
  return Buffer.from(text, "latin1").toString();
}

/** Those with the largest values, of any number that is offered, in memory for twice as many as are wanted. */
class Best {
  private readonly most: number;
  private kept: Candidate[] = [];

  constructor(most: number) {
    this.most = most;
  }

  offer(candidate: Candidate): void {
    this.kept.push(candidate);
    if (this.kept.length >= 2 * this.most) this.kept = this.all();
  }

  all(): Candidate[] {
    this.kept.sort((a, b) => b.value - a.value);
    return this.kept.filter((_, index) => index < this.most);
  }
}
