/** How a session takes its client's requests: it reads them, lets the frontend have them, and holds them back. See INTAKE. */
import { TOKEN_MASK } from "../api/client-port.ts";
import type { Frontend } from "../api/frontend.ts";
import type { Stream } from "../api/stream.ts";
import type { ByteQueue } from "../base/byte-queue.ts";
import { type ByteUse, beginByteUse, COPIED, endByteUse, KEPT } from "../base/byte-use.ts";
import { InputBuffer } from "../base/input-buffer.ts";
import {
  BLOCKED_END_MS,
  BLOCKED_INPUT_BYTES_MAX,
  SESSION_OUTPUT_LOW_BYTES,
} from "../base/limits.ts";
import type { Wakeable } from "../base/turn.ts";
import type { ClientLane } from "./client-lane.ts";
import type { Life } from "./life.ts";
import type { ReplyRing } from "./reply-ring.ts";
import { RequestTrace } from "./request-trace.ts";
import type { SessionHost } from "./session-host.ts";
import type { SessionMove } from "./session-move.ts";
import { BLOCKED, INTAKE, SETTLING, TAKING } from "./session-states.ts";
import type { ClientThrottle } from "./throttle.ts";
import type { Unread } from "./unread.ts";

/** The session. */
export interface IntakeOwner extends Wakeable {
  readonly host: SessionHost;
  readonly stream: Stream;
  readonly frontend: Frontend;
  readonly move: SessionMove;
  readonly life: Life;
  readonly out: Pick<ByteQueue, "size">;
  readonly ring: Pick<ReplyRing, "nextToken" | "pending" | "stamps">;
  readonly unread: Pick<Unread, "addInput">;
  readonly way: Pick<ClientLane, "asked" | "isChanging" | "isUnknown" | "limit" | "sent">;
  /** Nothing is owed to the client. */
  readonly isSettled: boolean;
  mayTakeMore(): boolean;
  readonly id: number;
  readonly peer: string;
  trace: RequestTrace | null;
  /** Null: there are no limits. */
  readonly throttle: ClientThrottle | null;
  close(): void;
  /** Whether requests are taken may have changed. */
  review(): void;
}

export class Intake {
  readonly input: InputBuffer;
  /** Bytes that the client has sent, and requests that were taken. */
  received = 0;
  requests = 0;
  /** When something came last. */
  heardMs: number;
  /** The stream is not read. */
  isPaused = false;
  private readonly session: IntakeOwner;
  /** Bytes of memory that input takes, as it was told last. */
  private told = 0;
  private state: number = TAKING;
  /** What comes waits, whatever the frontend does; see `hold`. */
  private isHeld = false;
  /** When it was blocked last. */
  private blockedAtMs = 0;
  /** Requests at hand were not taken when they came. */
  private isHeldBack = false;

  constructor(session: IntakeOwner) {
    this.session = session;
    this.heardMs = session.host.turn.nowMs;
    this.input = new InputBuffer(session.host.turn.received);
  }

  get isTaking(): boolean {
    return this.state === TAKING && !this.session.way.isChanging;
  }

  /** An operator has the client's pool wait. */
  get isPausedByOperator(): boolean {
    return this.isHeld;
  }

  get isBlocked(): boolean {
    return this.state === BLOCKED;
  }

  /** The next reply ends what it waits for. */
  get awaitsReplies(): boolean {
    return (this.state & (SETTLING | BLOCKED)) !== 0;
  }

  /** Only while the session takes requests. */
  onBytes(bytes: Buffer, start: number, end: number, isStable: boolean): void {
    this.received += end - start;
    this.heardMs = this.session.host.turn.nowMs;
    if (this.session.throttle !== null) this.session.throttle.received(end - start);
    this.input.receive(bytes, start, end, isStable, this.session.frontend.need, false);
    this.take();
  }

  /** Takes no requests until what `state` waits for has happened. */
  wait(state: number): void {
    if (state > this.state) this.go(state);
    if (state === BLOCKED) this.blockedAtMs = this.session.host.turn.nowMs;
  }

  wakeUp(): void {
    const { session, state } = this;
    // Woken for another reason, and who the client is going to be may hang on the reply that is awaited.
    if (this.awaitsReplies && !session.isSettled) {
      if (state === BLOCKED) this.setPaused(this.isUnwatchable);
      return;
    }
    if (state !== TAKING) this.go(TAKING);
    if (session.life.takesRequests) this.take();
  }

  /** Something of the client's replies was written; `isAll`: nothing is left of them. */
  onWritten(isAll: boolean): void {
    const { session } = this;
    const hasRoom = isAll || session.out.size < SESSION_OUTPUT_LOW_BYTES;
    if (this.isPaused && hasRoom && session.mayTakeMore()) session.host.turn.wake(session);
  }

  /** The client's requests wait from now on, until `letGo`: an operator has their pool wait. */
  hold(): void {
    this.isHeld = true;
  }

  letGo(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    const { session } = this;
    session.host.turn.wake(session);
  }

  /** Of a client that waits only what came in one piece is kept; the rest stays in the kernel. */
  private holdBack(): void {
    const { session, input } = this;
    if (!this.isHeldBack) {
      session.ring.stamps?.arrivedAt(session.host.turn.nowMs, session.ring.nextToken);
    }
    this.isHeldBack = input.size > 0;
    // Nothing was consumed.
    this.keepRest(COPIED);
    this.setPaused(input.size > 0);
    session.life.onTaken(input.size > 0);
  }

  private go(next: number): void {
    this.state = INTAKE.step(this.state, next);
    this.session.review();
  }

  private take(): void {
    const { session, input } = this;
    if (this.isHeld) {
      this.holdBack();
      return;
    }
    const { ring, throttle, way } = session;
    const { times, turn } = session.host;
    if (throttle !== null && !throttle.begin(turn.nowMs, ring.nextToken)) {
      this.throttled(throttle);
      return;
    }
    const { bytes, start } = input;
    const first = ring.nextToken;
    // What was held back arrived when it was held back.
    if (!this.isHeldBack) ring.stamps?.arrivedAt(turn.nowMs, first);
    const { frontend } = session;
    if (way.isUnknown) way.limit(ring.pending);
    const outer = beginByteUse();
    input.start = frontend.consume(bytes, start, input.end);
    const noted = endByteUse(outer);
    const use = frontend.keepsInput === false ? noted : KEPT;
    const taken = (ring.nextToken - first) & TOKEN_MASK;
    this.requests += taken;
    const bytesTaken = input.start - start;
    // What blocks has a server connection for itself.
    if (way.isUnknown) way.asked(this.isBlocked ? 0 : ring.pending);
    way.sent(bytesTaken, ring.pending);
    if (taken > 0 && times !== null) {
      times.taken(taken, bytesTaken, ring.pending);
      if (times.needsTape && ring.pending > 0) this.trace(first, taken, bytes, start, input.start);
      times.keys.taken(session, first, taken, bytes, start, input.start);
    }
    if (throttle !== null) throttle.end(taken, ring.nextToken, input.size > 0);
    if (!session.life.takesRequests) {
      this.forget();
      return;
    }
    const mustStop = !session.mayTakeMore();
    this.isHeldBack = mustStop && input.size > 0;
    this.keepRest(use);
    // A client whose pipeline is just as long as what it may have on its way sends nothing before it has replies: pausing it
    // would cost two system calls for each of its pipelines.
    const hasInput = input.size > 0;
    this.setPaused(mustStop && hasInput && (!this.isBlocked || this.isUnwatchable));
    session.life.onTaken(mustStop && this.mayHaveMore);
  }

  /** Something is left to take, or may come about: the frontend waits, or the session is on its way to another process. */
  private get mayHaveMore(): boolean {
    return this.input.size > 0 || this.state !== TAKING || this.session.move.isUnderWay;
  }

  /** A limit stands in the way of what is at hand. */
  private throttled(throttle: ClientThrottle): void {
    if (this.input.size > 0) throttle.over();
    if (this.session.life.takesRequests) this.holdBack();
    else this.forget();
  }

  /** So that requests can be named if they turn out to be slow, or their replies large. */
  private trace(first: number, taken: number, bytes: Buffer, start: number, end: number): void {
    const { session } = this;
    const position = session.host.times!.slow.tape.put(bytes, start, end);
    session.trace ??= new RequestTrace();
    session.trace.add(first, taken, position, end - start, session.ring.pending <= taken);
  }

  /** @param use of what was consumed */
  private keepRest(use: ByteUse): void {
    this.input.keepRest(use);
    if (this.input.held !== this.told) this.tell();
  }

  /** Input that was not taken is not wanted any more. */
  forget(): void {
    this.input.clear();
    if (this.told !== 0) this.tell();
  }

  private tell(): void {
    const by = this.input.held - this.told;
    this.told += by;
    this.session.unread.addInput(by);
  }

  /** Too much has come in to go on reading only to see the client leave. */
  private get isUnwatchable(): boolean {
    return this.session.move.isUnderWay || this.input.size > BLOCKED_INPUT_BYTES_MAX;
  }

  setPaused(mustPause: boolean): void {
    if (mustPause === this.isPaused) return;
    this.isPaused = mustPause;
    if (mustPause) this.session.stream.pause();
    else this.session.stream.resume();
  }

  /** For a client that has ended while it is blocked: no reply will come before another client does something. */
  closeIfBlocked(): void {
    const { session, blockedAtMs } = this;
    const { turn, schedule } = session.host;
    const leftMs = blockedAtMs + BLOCKED_END_MS - turn.nowMs;
    const check = (): void => {
      const isTheSame = this.isBlocked && this.blockedAtMs === blockedAtMs;
      if (isTheSame && !session.isSettled) session.close();
    };
    if (leftMs > 0) schedule(leftMs, check);
    else check();
  }
}
