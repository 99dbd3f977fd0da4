/** What operators are told of a client, and what of it moves along with its session. */
import type { ClientState } from "../api/inspection.ts";
import type { ClientRecord } from "../api/move.ts";
import { awaitsHeader } from "./header-frontend.ts";
import type { Session } from "./session.ts";

/** Names the client for operators; unique over all workers. */
export function idOf(session: Session): number {
  const { facts } = session.frontend;
  if (facts !== undefined) return facts.id;
  session.ownId ??= session.host.nextClientId();
  return session.ownId;
}

export function recordOf(session: Session): ClientRecord {
  const { intake, out, turn, ownId, openedMs, sentBefore, address, stream } = session;
  return {
    id: ownId,
    ageMs: turn.nowMs - openedMs,
    idleMs: turn.nowMs - intake.heardMs,
    requests: intake.requests,
    received: intake.received,
    sent: sentBefore + out.appended - out.size,
    ...(address === stream ? {} : { address }),
    ...(session.way.isHeavy ? { isHeavy: true } : {}),
    ...(awaitsHeader(session) ? { awaitsHeader: true } : {}),
  };
}

/** The session goes on from what was known and counted before its client came here. To be called before it has a frontend. */
export function restoreRecord(session: Session, record: ClientRecord): void {
  const { intake, out } = session;
  const { nowMs } = session.turn;
  session.ownId = record.id;
  if (record.address !== undefined) session.address = record.address;
  session.openedMs = nowMs - record.ageMs;
  session.sentBefore = record.sent - (out.appended - out.size);
  if (record.isHeavy === true) session.way.goOnAsHeavy();
  intake.heardMs = nowMs - record.idleMs;
  intake.requests = record.requests;
  intake.received = record.received;
}

/** How long the oldest request has waited for its reply, in milliseconds; 0: none does, or it is not measured. */
export function waitOf({ ring, turn }: Pick<Session, "ring" | "turn">): number {
  const oldestMs = ring.pending === 0 ? -1 : (ring.stamps?.oldestMs ?? -1);
  return oldestMs < 0 ? 0 : Math.max(0, turn.nowMs - oldestMs);
}

export function stateOf(session: Session): ClientState {
  const { life, move, frontend, intake, throttle, out, isSettled } = session;
  if (!life.takesRequests || move.isUnderWay) return "leaving";
  const { state = null } = frontend.facts ?? {};
  if (state !== null) return state;
  if (intake.isPausedByOperator) return "paused";
  if (throttle?.isDelayed === true) return "throttled";
  if (out.size > 0) return "unread";
  return isSettled ? "idle" : "waiting";
}
