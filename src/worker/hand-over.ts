/**
 * Gives client connections to another worker, through the supervisor.
 *
 * A session is asked to take no more requests; when no reply is owed to its client it is packed up and sent, and from
 * then on belongs to its receiver. What the client sends meanwhile waits in the kernel, with the connection. So does what
 * the server sends on a connection that the session has of its own and takes along.
 */
import { schedule } from "../base/schedule.ts";
import type { Session } from "../session/session.ts";
import type { HubMove, Packet } from "./hub-move.ts";
import { sendSession } from "./parcel.ts";

/** A session and the pool it belongs to. */
export interface Candidate {
  readonly pool: string;
  readonly session: Session;
}

export interface HandOverOptions {
  /** The SEQPACKET socket to the supervisor. */
  readonly socket: number;
  readonly format: number;
  readonly timeoutMs: number;
  /** So many more parcels are on the socket. */
  onParcels(count: number): void;
  /** The end: `moved` sessions are gone. */
  onDone(moved: number): void;
}

/** A session may become ready to move because of its own connection to a server, of which it hears nothing: look so often. */
const LOOK_MS = 20;
/** Who moves in a group is not kept for longer, as parts of the time-out: by a server, by another client. */
const SERVERS_PART = 1 / 4;
const CLIENTS_PART = 1 / 2;
/** The supervisor takes parcels off the socket quickly; when it is full, try again after this. */
const RETRY_MS = 2;

export class HandOver {
  private readonly options: HandOverOptions;
  /** Asked to settle, or settled and waiting for room on the socket. */
  private readonly waiting: Map<Session, string> = new Map();
  /** What is sent next, in this order. */
  private readonly settled: (Session | Packet)[] = [];
  /** Of those that are waiting: what they move with, all at once. */
  private readonly moves: Map<Session, HubMove> = new Map();
  /** The groups that sessions belong to, for their parcels. */
  private readonly groups: Map<Session, string> = new Map();
  private moved = 0;
  private announced = 0;
  private isRetrying = false;
  private isDone = false;
  private readonly timeouts: (() => void)[] = [];
  private cancelLook: () => void = () => {};

  constructor(
    candidates: readonly Candidate[],
    options: HandOverOptions,
    moves: readonly HubMove[] = [],
  ) {
    this.options = options;
    for (const move of moves) {
      for (const session of move.members) {
        this.moves.set(session, move);
        this.groups.set(session, move.id);
      }
    }
    this.after(1, () => this.finish());
    this.after(SERVERS_PART, () => {
      for (const move of new Set(this.moves.values())) {
        move.forsakeServers();
        this.beginIfReady(move);
      }
    });
    this.after(CLIENTS_PART, () => {
      for (const move of new Set(this.moves.values())) this.leaveBehind(move);
    });
    for (const { pool, session } of candidates) this.waiting.set(session, pool);
    for (const { session } of candidates) session.beginMove(() => this.onSettled(session));
    this.lookSoon();
    this.finishIfEmpty();
  }

  private after(part: number, action: () => void): void {
    this.timeouts.push(schedule(this.options.timeoutMs * part, action));
  }

  private lookSoon(): void {
    if (this.isDone) return;
    this.cancelLook = schedule(LOOK_MS, () => {
      for (const session of [...this.waiting.keys()]) {
        if (session.isReadyToMove) this.onSettled(session);
      }
      this.lookSoon();
    });
  }

  /** A client has left by itself. */
  forget(session: Session): void {
    if (!this.waiting.delete(session)) return;
    const move = this.moves.get(session);
    this.moves.delete(session);
    move?.members.delete(session);
    if (move !== undefined) this.beginIfReady(move);
    this.finishIfEmpty();
  }

  private onSettled(session: Session): void {
    if (!this.waiting.has(session) || this.settled.includes(session)) return;
    const move = this.moves.get(session);
    if (move !== undefined) {
      this.beginIfReady(move);
      return;
    }
    this.settled.push(session);
    if (!this.isRetrying) this.sendSettled();
  }

  private beginIfReady(move: HubMove): void {
    const { members } = move;
    if (members.size === 0 || !move.isReady) return;
    // From now on whoever is not sent with the others goes alone.
    for (const session of members) this.moves.delete(session);
    for (const next of move.begin()) this.settled.push(next);
    members.clear();
    if (!this.isRetrying) this.sendSettled();
  }

  /** Those that are not ready get their replies here, and are closed: they would miss messages. */
  private leaveBehind(move: HubMove): void {
    const late = move.leaveBehind();
    for (const session of late) {
      this.moves.delete(session);
      this.waiting.delete(session);
    }
    this.beginIfReady(move);
    for (const session of late) {
      if (session.canMove) session.cancelMove();
      session.drain();
    }
    this.finishIfEmpty();
  }

  private sendSettled(): void {
    while (this.settled.length > 0 && !this.isDone) {
      const next = this.settled[0]!;
      if ("send" in next) {
        if (!this.trySend((socket, format) => next.send(socket, format))) return;
        if (next.hasMore === true) continue;
      } else {
        const pool = this.waiting.get(next);
        if (pool !== undefined && this.mayGo(next) && !this.trySendSession(next, pool)) return;
      }
      this.settled.shift();
    }
    this.finishIfEmpty();
  }

  /** It may have changed since it settled: its client left, or half of what is owed to it came. */
  private mayGo(session: Session): boolean {
    if (session.canMove && session.frontend.needsFormat <= this.options.format)
      return session.isReadyToMove;
    this.waiting.delete(session);
    if (session.canMove) session.cancelMove();
    return false;
  }

  /** False: not now. */
  private trySendSession(session: Session, pool: string): boolean {
    const group = this.groups.get(session);
    const isSent = this.trySend((socket, format) => {
      const marks = group === undefined ? { format, pool } : { format, pool, group };
      return sendSession(socket, marks, session.fd, session.save());
    });
    if (!isSent) return false;
    // Before `leave`: that tells the owner, which may ask how things stand.
    this.waiting.delete(session);
    session.leave();
    this.moved++;
    return true;
  }

  private trySend(send: Packet["send"]): boolean {
    const { socket, format } = this.options;
    let isSent: boolean;
    try {
      isSent = send(socket, format);
    } catch {
      // The supervisor is gone: everybody stays.
      this.finish();
      return false;
    }
    if (isSent) {
      this.announceSoon();
      return true;
    }
    this.isRetrying = true;
    schedule(RETRY_MS, () => {
      this.isRetrying = false;
      if (!this.isDone) this.sendSettled();
    });
    return false;
  }

  private announceSoon(): void {
    if (this.announced++ > 0) return;
    setImmediate(() => {
      if (this.announced > 0) this.options.onParcels(this.announced);
      this.announced = 0;
      this.finishIfEmpty();
    });
  }

  private finishIfEmpty(): void {
    const isEmpty = this.waiting.size === 0 && this.settled.length === 0;
    if (isEmpty && this.announced === 0) this.finish();
  }

  private finish(): void {
    if (this.isDone) return;
    this.isDone = true;
    for (const cancel of this.timeouts) cancel();
    this.cancelLook();
    for (const session of this.waiting.keys()) session.cancelMove();
    if (this.announced > 0) this.options.onParcels(this.announced);
    this.announced = 0;
    this.options.onDone(this.moved);
  }
}
