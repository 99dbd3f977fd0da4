/**
 * Gives client connections to another worker, through the supervisor.
 *
 *   candidates ─begin─▶ unsettled ─no reply is owed─▶ outbox ─packet─▶ supervisor
 *
 * A session is asked to take no more requests; when no reply is owed to its client it is packed up and sent, and from
 * then on belongs to its receiver. What the client sends meanwhile waits in the kernel, with the connection. So does what
 * the server sends on a connection that the session has of its own and takes along.
 *
 * Clients are held back only for the moment in which they move: a few are asked at a time, and only so many packets are sent as
 * the supervisor takes. A system that is short of something for a moment delays the move; what cannot be sent stays, and is told
 * to the log.
 */
import { PACKET_FORMATS } from "../api/control.ts";
import { SETTLING_CLIENTS_MAX } from "../base/limits.ts";
import type { Schedule } from "../base/schedule.ts";
import { endOfSlice, inSlices, isSliceOver } from "../base/slices.ts";
import type { Session } from "../client/session.ts";
import { GroupMoves } from "./group-moves.ts";
import { Outbox } from "./outbox.ts";
import { sendSession } from "./packet.ts";
import { PacketLine, type PacketLineOptions, type SendResult } from "./packet-line.ts";
import type { OutgoingPacket, PoolGroup } from "./pool-group.ts";

/** A session and the pool it belongs to. */
export interface Candidate {
  readonly pool: string;
  readonly session: Session;
}

export interface HandOverOptions extends Omit<PacketLineOptions, "onAnnounced" | "onLost"> {
  readonly timeoutMs: number;
  readonly schedule: Schedule;
  /** The end: `moved` sessions are gone. */
  onDone(moved: number): void;
}

/** A session may become ready to move because of its own connection to a server, of which it hears nothing: look so often. */
const LOOK_MS = 20;
/** As parts of the time-out: groups wait so long for all others to be asked first. */
const OTHERS_PART = 1 / 8;
/** Who moves in a group is not kept for longer: by a server, by another client. */
const SERVERS_PART = 1 / 4;
const CLIENTS_PART = 1 / 2;
/** The supervisor takes packets off the socket quickly, and what the system is short of comes back: try again after this. */
const RETRY_MS = 1;
/** So often it is tried to make a memory file for a packet that others of its group wait for. */
const TRIES_MAX = 2_000;
const FORMAT_BEST = Math.max(...PACKET_FORMATS);

export class HandOver {
  private readonly options: HandOverOptions;
  /** Not asked yet. */
  private readonly candidates: Iterator<Candidate>;
  private areAllAsked = false;
  /** Asked to settle, and not sent yet. */
  private readonly waiting: Map<Session, string> = new Map();
  /** Of those: who was not ready when it was looked at last. */
  private readonly unsettled: Set<Session> = new Set();
  /** Of the unsettled: so many were asked since the last look at them. */
  private fresh = 0;
  /** Clients that are sent next, in this order. */
  private readonly clients: Outbox<Session | OutgoingPacket> = new Outbox();
  /** What is sent when no client waits: groups, each with all of its names. */
  private readonly parts: Outbox<Session | OutgoingPacket> = new Outbox();
  private readonly groups: GroupMoves;
  private readonly line: PacketLine;
  private moved = 0;
  private isPumping = false;
  private isPaused = false;
  private isDone = false;
  private readonly timeouts: (() => void)[] = [];
  private cancelLook: () => void = () => {};

  constructor(
    candidates: Iterable<Candidate>,
    options: HandOverOptions,
    moves: readonly PoolGroup[] = [],
  ) {
    this.options = options;
    this.line = new PacketLine({
      ...options,
      onAnnounced: () => this.finishIfEmpty(),
      onLost: () => this.finish(),
    });
    this.groups = new GroupMoves(moves);
    this.candidates = this.inOrder(moves, candidates);
    this.after(1, () => this.finish());
    this.after(OTHERS_PART, () => {
      inSlices(this.options, this.membersOf(this.groups.left), ({ session, pool }) =>
        this.ask(session, pool),
      );
    });
    this.after(SERVERS_PART, () => {
      for (const move of this.groups.left) {
        move.abandonServers();
        this.beginIfReady(move);
      }
      this.pump();
    });
    this.after(CLIENTS_PART, () => {
      for (const move of this.groups.left) this.leaveBehind(move);
      this.pump();
    });
    this.lookSoon();
    this.pump();
  }

  /**
   * Clients of groups go last: what a group shares may be hundreds of thousands of names, and a client that moved behind these
   * would wait until they are all there.
   */
  private *inOrder(
    moves: readonly PoolGroup[],
    candidates: Iterable<Candidate>,
  ): Generator<Candidate, void> {
    for (const candidate of candidates) {
      if (this.groups.nameOf(candidate.session) === undefined) yield candidate;
    }
    yield* this.membersOf(moves);
  }

  private *membersOf(moves: readonly PoolGroup[]): Generator<Candidate, void> {
    for (const { pool, members } of moves) {
      for (const session of members) yield { pool, session };
    }
  }

  private after(part: number, action: () => void): void {
    this.timeouts.push(this.options.schedule(this.options.timeoutMs * part, action));
  }

  private lookSoon(): void {
    if (this.isDone) return;
    this.cancelLook = this.options.schedule(LOOK_MS, () => {
      this.fresh = 0;
      inSlices(
        this.options,
        this.unsettled,
        (session) => {
          if (!this.isDone && session.isReadyToMove) this.queue(session);
        },
        () => {
          for (const move of this.groups.left) this.beginIfReady(move);
          this.pump();
          this.lookSoon();
        },
      );
    });
  }

  /** A client has left by itself. */
  forget(session: Session): void {
    const move = this.groups.moveOf(session);
    if (this.waiting.delete(session)) this.settle(session);
    else if (move === undefined) return;
    else this.groups.onReady(session);
    this.groups.remove(session);
    if (move !== undefined) this.beginIfReady(move);
    this.pump();
  }

  private onSettled(session: Session): void {
    if (!this.waiting.has(session) || !this.unsettled.has(session)) return;
    this.queue(session);
    this.pump();
  }

  private queue(session: Session): void {
    this.settle(session);
    const move = this.groups.moveOf(session);
    if (move === undefined) this.clients.push(session);
    else this.beginIfReady(move);
  }

  /** It does not count as unsettled any more. */
  private settle(session: Session): void {
    if (!this.unsettled.delete(session)) return;
    this.fresh = Math.max(this.fresh - 1, 0);
    this.groups.onReady(session);
  }

  private beginIfReady(move: PoolGroup): void {
    if (!this.groups.tryBegin(move)) return;
    for (const next of move.begin()) this.parts.push(next);
    move.members.clear();
  }

  /** Those that are not ready get their replies here, and are closed: they would miss messages. */
  private leaveBehind(move: PoolGroup): void {
    for (const session of move.members) this.ask(session, move.pool);
    const late = this.groups.leaveBehind(move);
    for (const session of late) {
      this.unsettled.delete(session);
      this.waiting.delete(session);
    }
    this.beginIfReady(move);
    inSlices(this.options, late, (session) => {
      if (session.canMove) session.move.cancel();
      session.drain();
    });
    this.finishIfEmpty();
  }

  /** Sends what is ready, and asks more when there is little of that. */
  private pump(): void {
    if (this.isPumping || this.isPaused || this.isDone) return;
    this.isPumping = true;
    const endMs = endOfSlice(this.options);
    while (!this.isDone) {
      const outbox = this.clients.isEmpty ? this.parts : this.clients;
      const next = outbox.first;
      if (next === undefined) {
        // Who was asked is heard of at the end of the turn.
        if (this.askSome()) this.pumpAfter(0);
        break;
      }
      if (isSliceOver(this.options, endMs)) {
        this.pumpAfter(0);
        break;
      }
      if (!this.line.hasRoom || !this.sendFirst(outbox, next)) {
        this.pumpAfter(RETRY_MS);
        break;
      }
    }
    this.isPumping = false;
    this.finishIfEmpty();
  }

  private pumpAfter(delayMs: number): void {
    this.isPaused = true;
    const pump = (): void => {
      this.isPaused = false;
      this.pump();
    };
    if (delayMs > 0) this.options.schedule(delayMs, pump);
    else this.options.later(pump);
  }

  /** @returns whether any was asked */
  private askSome(): boolean {
    let asked = 0;
    while (asked < this.line.batch && this.fresh < SETTLING_CLIENTS_MAX && !this.areAllAsked) {
      const next = this.candidates.next();
      if (next.done === true) {
        this.areAllAsked = true;
        break;
      }
      const { pool, session } = next.value;
      if (this.ask(session, pool)) asked++;
    }
    return asked > 0;
  }

  /** False: it was asked before, or is about to end and stays. */
  private ask(session: Session, pool: string): boolean {
    if (this.waiting.has(session)) return false;
    if (!session.canMove) {
      this.groups.onReady(session);
      this.groups.remove(session);
      return false;
    }
    this.waiting.set(session, pool);
    this.unsettled.add(session);
    this.fresh++;
    session.move.begin(() => this.onSettled(session));
    return true;
  }

  /** False: nothing can be sent now. */
  private sendFirst(
    outbox: Outbox<Session | OutgoingPacket>,
    next: Session | OutgoingPacket,
  ): boolean {
    if ("send" in next) {
      const result = this.send(outbox, (socket, format) => next.send(socket, format));
      if (result === "wait" || (result === "short" && outbox.tries < TRIES_MAX)) return false;
      if (result === "sent" && next.hasMore === true) outbox.tries = 0;
      else outbox.shift();
      return true;
    }
    const pool = this.waiting.get(next);
    if (pool === undefined || !this.mayGo(next)) {
      outbox.shift();
      return true;
    }
    const result = this.sendSession(outbox, next, pool);
    if (result === "wait") return false;
    if (result === "short") {
      // Others may well be sent, when it is only this one that takes more than there is.
      if (this.groups.nameOf(next) === undefined) this.unsettled.add(next);
      else if (outbox.tries < TRIES_MAX) return false;
      else this.stay(next);
    }
    outbox.shift();
    return true;
  }

  /** It may have changed since it settled: its client left, or half of what is owed to it came. */
  private mayGo(session: Session): boolean {
    const { format } = this.options;
    const isKnown = format >= FORMAT_BEST || session.frontend.needsFormat <= format;
    if (!session.canMove || !isKnown) {
      this.stay(session);
      return false;
    }
    if (session.isReadyToMove) session.move.quiesce();
    // What was received until now may have changed that, or closed it.
    if (session.isReadyToMove) return true;
    if (session.canMove) this.unsettled.add(session);
    else this.stay(session);
    return false;
  }

  private stay(session: Session): void {
    this.waiting.delete(session);
    this.cancel(session);
  }

  /** It is not sent. One whose group has begun to move ends: it would miss messages without a word. */
  private cancel(session: Session): void {
    if (session.canMove) session.move.cancel();
    if (this.groups.hasBegun(session)) session.drain();
  }

  private sendSession(
    outbox: Outbox<Session | OutgoingPacket>,
    session: Session,
    pool: string,
  ): SendResult {
    const group = this.groups.nameOf(session);
    const { format } = this.options;
    const result = this.send(outbox, (socket) => {
      const marks = group === undefined ? { format, pool } : { format, pool, group };
      return sendSession(socket, marks, session.fd, session.move.save());
    });
    if (result === "stays") this.stay(session);
    if (result !== "sent") return result;
    // Before `leave`: that tells the owner, which may ask how things stand.
    this.waiting.delete(session);
    session.move.leave();
    this.moved++;
    return result;
  }

  private send(outbox: Outbox<Session | OutgoingPacket>, send: OutgoingPacket["send"]): SendResult {
    const result = this.line.send(send);
    if (result === "short") outbox.tries++;
    return result;
  }

  private finishIfEmpty(): void {
    const isEmpty = this.clients.isEmpty && this.parts.isEmpty;
    const areAllSent = isEmpty && this.areAllAsked && this.waiting.size === 0;
    if (areAllSent && this.line.isAnnounced) this.finish();
  }

  private finish(): void {
    if (this.isDone) return;
    this.isDone = true;
    for (const cancel of this.timeouts) cancel();
    this.cancelLook();
    this.line.close(this.waiting.size > 0);
    inSlices(
      this.options,
      this.waiting.keys(),
      (session) => this.cancel(session),
      () => this.options.onDone(this.moved),
    );
  }
}
