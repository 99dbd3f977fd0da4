/**
 * The Redis side of a session: finds requests in the client's bytes and sends each where it belongs.
 *
 * Neighbouring requests for one connection form a run: they go as one range, and cost one copy.
 */

import type { ClientPort } from "../../../api/client-port.ts";
import type { ClientFacts, Frontend } from "../../../api/frontend.ts";
import { ACCESS, type Access } from "../../../api/request-facts.ts";
import type {
  ConnectionKind,
  Failure,
  Lease,
  Link,
  ReplySink,
  Upstream,
} from "../../../api/upstream.ts";
import { Run } from "../../run.ts";
import { encodeError } from "../codec/encode.ts";
import { RequestScanner } from "../codec/request-scanner.ts";
import { RequestView } from "../codec/request-view.ts";
import type { Command } from "../commands/command.ts";
import { ClientFeatures } from "./client-features.ts";
import {
  formatFor,
  lastingState,
  type RedisClientState,
  type SavedRedisClient,
  startState,
} from "./client-state.ts";
import { factsOf } from "./facts.ts";
import { findCommand } from "./find-command.ts";
import { handleOther } from "./handlers.ts";
import type { Variant } from "./identity/variant.ts";
import { userOf } from "./local/client-line.ts";
import { ListedClient } from "./local/listed-client.ts";
import type { Mode } from "./mode.ts";
import { serverOfKeys } from "./multi-key/keys-command.ts";
import { Splitter } from "./multi-key/split.ts";
import { dropConnections, ownConnections } from "./own-connections.ts";
import { dropSubscriptions } from "./pubsub/subscribe.ts";
import { updateMode } from "./pubsub/subscribed-mode.ts";
import type { RedisClient } from "./redis-client.ts";
import type { RedisPool } from "./redis-pool.ts";
import { NO_SERVER, replyToFailure } from "./refusals.ts";
import { ReplySwitch } from "./reply-switch.ts";
import { restoreClient } from "./restore-client.ts";
import { saveClient } from "./save-client.ts";
import { endMalformed } from "./turn-away.ts";

/**
 * The request at hand, of whatever client: requests are taken one after the other, and one place for all of them stays in the
 * processor's cache. A client whose request is incomplete takes it along, and the others get another.
 */
let spareView: RequestView = new RequestView();
/** The run at hand likewise: it is sent before another client is taken. */
const run: Run = new Run();

const NO_ANSWER: Buffer = encodeError("ERR this command cannot be answered inside MULTI");

export class RedisFrontend implements Frontend, RedisClient {
  readonly state: RedisClientState;
  readonly pool: RedisPool;
  readonly session: ClientPort;
  readonly features: ClientFeatures;
  variant: ConnectionKind;
  mode: Mode | null = null;
  pin: Lease | null = null;

  private readonly scanner: RequestScanner = new RequestScanner();
  /** Has what was found of a request that is incomplete; null: none is. */
  private view: RequestView | null = null;
  private readonly splitter: Splitter;

  readonly replies: ReplySwitch;
  lastCommand: { readonly name: string } | null;
  lastRequestMs: number;
  /** When it wrote last, if reads may go to replicas. What it did at another worker may have been just now. */
  private wroteMs: number;
  readonly createdMs: number;

  keepsInput = false;
  private localCount = 0;
  /** What is answered goes here instead of to the client; null: it does not. */
  private captured: Buffer[] | null = null;

  /**
   * @param state what another process saved; absent: a new client
   * @param descriptors what came with it, see `descriptors`
   */
  constructor(
    pool: RedisPool,
    session: ClientPort,
    state?: SavedRedisClient,
    descriptors: readonly number[] = [],
  ) {
    this.pool = pool;
    this.session = session;
    const start = startState(state?.id ?? pool.nextClientId(), false);
    this.state = state === undefined ? start : { ...start, ...lastingState(state) };
    this.variant =
      state === undefined
        ? pool.variants.keepFirst()
        : pool.variants.keep(this.state, session.origin);
    if (this.variant < 0) {
      // Too many kinds are in use to take in one more, from another process. No request may go as another user.
      this.variant = pool.variants.keep(start, session.origin);
      session.finish();
    }
    this.scanner.isAuthenticated = this.mayBeAuthenticated;
    this.replies = new ReplySwitch(session, state?.replies ?? "on");
    this.lastRequestMs = pool.turn.nowMs - (state?.idleMs ?? 0);
    this.wroteMs = state === undefined ? Number.NEGATIVE_INFINITY : pool.turn.nowMs;
    this.createdMs = pool.turn.nowMs - (state?.ageMs ?? 0);
    this.lastCommand = state?.command ?? null;
    this.features = new ClientFeatures(new ListedClient(this));
    pool.directory.add(this.features.entry);
    this.splitter = new Splitter(this);
    if (state !== undefined || descriptors.length > 0) {
      restoreClient(this, state ?? start, descriptors);
    }
  }

  get need(): number {
    return this.scanner.need;
  }

  consume(bytes: Buffer, start: number, end: number): number {
    const { session, scanner } = this;
    const view = this.view ?? spareView;
    let position = start;
    let requests = 0;
    let faults = 0;
    this.keepsInput = false;
    while (session.mayTakeMore()) {
      const next = scanner.scan(bytes, position, end, view);
      if (next <= 0) {
        if (next < 0) {
          faults++;
          endMalformed(this, scanner);
        }
        break;
      }
      if (view.count > 0) {
        if (!this.handle(view) || !session.isOpen) break;
        requests++;
        if (this.replies.skipping > 0) this.replies.requestDone();
      }
      position = next;
    }
    this.flushRun();
    this.leaveView(view);
    if (requests > 0) this.lastRequestMs = this.pool.turn.nowMs;
    this.pool.count(requests, this.localCount, faults);
    this.localCount = 0;
    return position;
  }

  forgetRequest(): void {
    this.scanner.reset();
    this.view?.release();
    this.view = null;
  }

  private leaveView(view: RequestView): void {
    if (this.scanner.isWithinRequest) {
      // What was found of an incomplete request is still needed.
      if (this.view === null) spareView = new RequestView();
      this.view = view;
    } else {
      view.release();
      this.view = null;
    }
  }

  failureReply(failure: Failure): Buffer {
    this.mode?.onFailed?.();
    return replyToFailure(failure);
  }

  saveState(): SavedRedisClient {
    return saveClient(this);
  }

  get facts(): ClientFacts {
    return factsOf(this);
  }

  get user(): string {
    return userOf(this);
  }

  get descriptors(): readonly number[] {
    return ownConnections(this).map(({ fd }) => fd);
  }

  quiesce(): void {
    for (const lease of ownConnections(this)) lease.quiesce();
  }

  get isReadyToMove(): boolean {
    const { block, subscriber } = this.features;
    const isOwedMovably = block?.isMovable ?? this.session.isSettled;
    const isComplete = subscriber?.isComplete ?? true;
    return isComplete && isOwedMovably && ownConnections(this).every(({ isMovable }) => isMovable);
  }

  get needsFormat(): number {
    return formatFor(this.saveState());
  }

  get prefersToStay(): boolean {
    const { pin, mode, features } = this;
    const { block, subscriber } = features;
    return pin !== null || block !== null || mode !== null || subscriber !== null;
  }

  onRouteChange(): void {
    this.features.block?.endIfElsewhere();
    this.features.transaction?.onRouteChange();
  }

  leave(): void {
    this.features.block?.leave();
    this.pin?.leave();
    this.pin = null;
  }

  close(): void {
    const { features, pool } = this;
    const { block, nextVariant, entry, transaction } = features;
    dropSubscriptions(this);
    block?.abandon();
    transaction?.abandon();
    dropConnections(this);
    pool.variants.release(this.variant);
    if (nextVariant >= 0) pool.variants.release(nextVariant);
    pool.directory.remove(entry);
    if (this.state.maintenance !== "off") pool.maintenance.remove(this);
  }

  setMode(mode: Mode | null): void {
    this.mode = mode;
  }

  setPin(pin: Lease | null): void {
    this.pin = pin;
  }

  answer(reply: Buffer): void {
    if (this.captured !== null) {
      this.captured.push(reply);
      return;
    }
    this.localCount++;
    this.session.reply(this.session.open(), reply);
  }

  refuse(reply: Buffer): void {
    if (this.captured === null) this.mode?.onRefused();
    this.answer(reply);
  }

  answerUnseen(reply: Buffer): void {
    this.refuse(reply);
    // Of CLIENT REPLY SKIP it was the next request all the same.
    if (this.replies.skipping > 0) this.replies.requestDone();
  }

  answerTo(request: Buffer): Buffer {
    const view = new RequestView();
    new RequestScanner().scan(request, 0, request.length, view);
    const answers: Buffer[] = [];
    this.captured = answers;
    const command = findCommand(this, view);
    if (typeof command !== "string") this.dispatch(command, view);
    this.captured = null;
    return answers[0] ?? NO_ANSWER;
  }

  settleFirst(): boolean {
    if (this.session.isSettled && run.isEmpty) return true;
    this.flushRun();
    this.session.waitUntilSettled();
    return false;
  }

  connectionTo(upstream: Upstream): Link {
    const { pin } = this;
    if (pin !== null && pin.upstream === upstream) return pin;
    return upstream.connection(this.session.lane, this.variant);
  }

  setAuthenticated(isAuthenticated: boolean): void {
    this.state.isAuthenticated = isAuthenticated;
    this.scanner.isAuthenticated = this.mayBeAuthenticated;
  }

  get mayBeAuthenticated(): boolean {
    const { password, variants } = this.pool;
    const mayBe = password === null && variants.access.needsPassword !== true;
    return mayBe || this.state.isAuthenticated;
  }

  /** False: the request cannot be taken now, and nothing was done about it. */
  private handle(view: RequestView): boolean {
    const command = findCommand(this, view);
    if (typeof command === "string") {
      this.keepsInput = true;
      this.lastCommand = null;
      return command === "refused";
    }
    const { gate } = this.pool;
    if (gate !== null && !gate.isOpen) {
      const admitted = gate.admit(this, command, view);
      if (admitted === false) return false;
      if (admitted !== true) {
        this.refuse(admitted);
        return true;
      }
    }
    this.lastCommand = command;
    this.session.family = command.family;
    if (this.pool.readers !== null) this.noteWrite(command);
    if (this.mode !== null) {
      this.keepsInput = true;
      return this.mode.handle(command, view);
    }
    return this.dispatch(command, view);
  }

  dispatch(command: Command, view: RequestView): boolean {
    const { disposition } = command;
    if (disposition === "key") return this.forward(view, command.firstKey);
    if (disposition === "split") return this.splitter.handle(view, command, this.pool.route);
    if (disposition === "keys") return this.forwardKeys(view, command);
    this.keepsInput = true;
    return handleOther(this, command, view, disposition);
  }

  switchTo(change: Partial<Variant>): boolean {
    const { variants } = this.pool;
    const number = variants.hold({ ...this.state, ...change }, this.session.origin);
    if (number < 0) return false;
    variants.release(this.variant);
    this.variant = number;
    Object.assign(this.state, change);
    updateMode(this);
    return true;
  }

  /** What it changes it may be reading from now on. EXEC may write whatever its access is. */
  private noteWrite({ access, name }: Command): void {
    if (access === ACCESS.write || name === "EXEC") this.wroteMs = this.pool.turn.nowMs;
  }

  linkFor(upstream: Upstream, access: Access): Link {
    const { pool, session, pin } = this;
    const { readers } = pool;
    if (readers === null || access !== ACCESS.read || pin?.upstream === upstream) {
      return this.connectionTo(upstream);
    }
    const sinceMs = pool.turn.nowMs - this.wroteMs;
    return readers.link(upstream, this.state.id, session.lane, this.variant, sinceMs);
  }

  forward(view: RequestView, key: number): boolean {
    const upstream = this.pool.route.pick(view.key(key));
    if (upstream === null) {
      this.refuse(NO_SERVER);
      return true;
    }
    return this.forwardTo(this.linkFor(upstream, view.access), view);
  }

  forwardTo(connection: Link, view: RequestView, sink: ReplySink = this.session): boolean {
    if (connection.refusal !== null && connection.isRecovering !== true) {
      this.session.onFailure(this.session.open(), 1, connection.refusal);
      return true;
    }
    if (connection.isFull || connection.refusal !== null) {
      this.session.waitFor(connection);
      return false;
    }
    if (connection.copiesRequests !== true) this.keepsInput = true;
    const token = this.session.open();
    run.add(connection, sink, token, view.bytes, view.start, view.end);
    return true;
  }

  flushRun(): void {
    run.flush();
  }

  forwardKeys(view: RequestView, command: Command): boolean {
    const upstream = serverOfKeys(this, command, view);
    return upstream === null || this.forwardTo(this.linkFor(upstream, command.access), view);
  }
}
