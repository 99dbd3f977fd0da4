/**
 * One client's transactions: MULTI … EXEC, and the WATCH before it.
 *
 *            WATCH                    MULTI
 *   none ──────────▶ watching ────────────────────▶ open ──EXEC, DISCARD──▶ ending ──reply──▶ none
 *    │                  └─────────── UNWATCH ─────────│────────────────────────▲
 *    └──────────────────── MULTI ─────────────────────┘
 *
 * A transaction runs on one server, over a connection that the client has for itself (the pin). Which server that is says the
 * first key; until then requests without a key are kept here and answered +QUEUED. Then the server gets MULTI and what was
 * kept, whose replies no client sees, and from there on everything as it comes: it queues, and it judges.
 *
 * While open or ending this is the client's mode. While ending, the next transaction may begin over the same connection
 * without a wait; everything else waits for the last reply, and the connection is given back.
 */
import { encodeError } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { anyServer } from "../any-server.ts";
import type { Mode } from "../mode.ts";
import type { RedisClient } from "../redis-client.ts";
import { NO_SERVER } from "../refusals.ts";
import { isReadyFor } from "../scripts/handler.ts";
import {
  type ClientTransaction,
  type SavedTransaction,
  startProgress,
  type TransactionProgress,
} from "./client-transaction.ts";
import { type EndObserver, TransactionEnd } from "./end.ts";
import { type Entering, TransactionEntry } from "./entry.ts";
import { KeptTransaction } from "./kept.ts";
import { TransactionPin } from "./pin.ts";
import { type Change, PLACEHOLDER, TransactionQueue } from "./queue.ts";
import {
  ABORTED,
  abortedBecause,
  CHANGED,
  DISCARD_WITHOUT,
  EMPTY,
  EXEC_WITHOUT,
  KEYS_MOVE,
  lossOf,
  NESTED,
  NO_WATCH,
  OK,
  QUEUED,
  TOO_MUCH_KEPT,
  WATCH_INSIDE,
} from "./replies.ts";
import { DISCARD, EXEC, UNWATCH } from "./requests.ts";
import {
  changeBy,
  IMMEDIATE,
  isAnsweredAtExec,
  secondServer,
  serverFor,
  whyNotQueued,
} from "./rules.ts";
import { watchedReplies } from "./watched-replies.ts";

export function handleTransaction(
  client: RedisClient,
  command: Command,
  view: RequestView,
): boolean {
  return transactionOf(client).control(command, view);
}

/** EXEC that is refused at once ends its transaction too; `fault` is the error that Redis words. */
export function refuseExec(client: RedisClient, fault: Buffer): void {
  transactionOf(client).giveUp(abortedBecause(fault.toString("latin1", 1, fault.length - 2)));
}

/** Goes on with what another process saved, with the client's pin if that could be moved. */
export function restoreTransaction(client: RedisClient, saved: SavedTransaction): void {
  client.features.transaction = new Transaction(client, saved);
}

function transactionOf(client: RedisClient): ClientTransaction {
  client.features.transaction ??= new Transaction(client);
  return client.features.transaction;
}

class Transaction implements ClientTransaction, Mode, EndObserver, Entering {
  private readonly client: RedisClient;
  now: TransactionProgress = startProgress();
  queue: TransactionQueue;
  /** So many ends are awaited. */
  private ends = 0;
  private readonly pin: TransactionPin;
  private readonly entry: TransactionEntry;
  private readonly kept: KeptTransaction;

  /** @param saved by another process: then the client's pin is there, if it could be moved */
  constructor(client: RedisClient, saved?: SavedTransaction) {
    this.client = client;
    this.queue = new TransactionQueue(client.session);
    this.pin = new TransactionPin(client, (upstream) =>
      this.onLost(lossOf(upstream, client.pool.route)),
    );
    this.entry = new TransactionEntry(client, this.pin, this);
    this.kept = new KeptTransaction(client, this);
    if (saved !== undefined) this.resume(saved);
  }

  // What comes from the client

  handle(command: Command, view: RequestView): boolean {
    const { disposition, name } = command;
    if (disposition === "transaction" && !(this.now.isOpen && name === "UNWATCH")) {
      return this.control(command, view);
    }
    if (this.now.isOpen && !IMMEDIATE.test(name)) return this.enqueue(command, view);
    // With the last reply the mode has ended.
    if (!this.now.isOpen && !this.client.settleFirst()) return false;
    return this.client.dispatch(command, view);
  }

  onRefused(): void {
    if (this.now.isOpen) this.now.isDirty = true;
  }

  /** A request may or may not have been queued, and its client knows that only of those that were told. */
  onFailed(): void {
    this.onRefused();
  }

  control(command: Command, view: RequestView): boolean {
    if (command.name === "MULTI") return this.begin();
    if (command.name === "EXEC") return this.execute();
    if (command.name === "WATCH") return this.watch(command, view);
    if (command.name === "UNWATCH" || this.now.isOpen) return this.giveUp(OK);
    this.client.answer(DISCARD_WITHOUT);
    return true;
  }

  private begin(): boolean {
    this.client.answer(this.now.isOpen ? NESTED : OK);
    this.now.isOpen = true;
    this.client.setMode(this);
    return true;
  }

  private execute(): boolean {
    const { client } = this;
    if (!this.now.isOpen) {
      client.answer(EXEC_WITHOUT);
      return true;
    }
    if (this.now.lost !== null) return this.giveUp(abortedBecause(this.now.lost));
    if (this.now.isDirty) return this.giveUp(ABORTED);
    if (this.now.isWatchLost) return this.giveUp(CHANGED[client.state.version - 2]!);
    if (this.kept.isOn) return this.executeKept();
    if (!this.now.isAtServer || this.entry.isAsking) {
      if (this.queue.count === 0 && !this.now.isWatching) return this.end(null, EMPTY);
      const entered = this.enterAny();
      if (entered !== true) return entered === false ? false : this.giveUp(entered);
    }
    return this.end(EXEC, null, this.queue);
  }

  private watch(command: Command, view: RequestView): boolean {
    const { client } = this;
    const { route, hashTag } = client.pool;
    if (this.now.isOpen) {
      client.answer(WATCH_INSIDE);
      return true;
    }
    if (this.kept.isOn && this.kept.isSplit) return this.refused(NO_WATCH);
    const upstream = serverFor(command, view, route, hashTag);
    if (upstream === "any" || Buffer.isBuffer(upstream)) {
      client.refuse(upstream === "any" ? NO_SERVER : upstream);
      return true;
    }
    if (this.now.isWatching && client.pin?.upstream !== upstream) {
      client.refuse(secondServer(command, hashTag));
      return true;
    }
    const pinned = this.pin.obtain(upstream, this.isChosen);
    if (pinned !== true) return this.refused(pinned);
    // Ordinary requests go their ways again, for the pin's server over the pin.
    this.now.isWatching = true;
    if (client.mode === this) client.setMode(null);
    return client.forwardTo(client.pin!, view, watchedReplies(client, this.now, OK));
  }

  /** Anything else, between MULTI and EXEC. */
  private enqueue(command: Command, view: RequestView): boolean {
    const { client } = this;
    const { route, hashTag } = client.pool;
    if (this.now.lost !== null) return this.refused(encodeError(this.now.lost));
    const refusal = whyNotQueued(command, view, route.upstreams.length);
    if (refusal !== null) return this.refused(refusal);
    if (this.now.isWatchLost) {
      // Nothing of it will be executed.
      client.answer(QUEUED);
      return true;
    }
    const isDeferred = isAnsweredAtExec(command, client.pool);
    const upstream = isDeferred ? "any" : serverFor(command, view, route, hashTag);
    if (Buffer.isBuffer(upstream)) return this.refused(upstream);
    const chosen = this.isChosen ? client.pin!.upstream : null;
    if (upstream !== "any" && chosen !== null && upstream !== chosen) {
      return this.refused(secondServer(command, hashTag));
    }
    const server = upstream === "any" ? chosen : upstream;
    const mayRunAt = server === null ? route.upstreams : [server];
    if (!mayRunAt.every((place) => isReadyFor(client, command, view, place))) return false;
    const change = isDeferred ? null : changeBy(command, view, client.pool);
    if (this.kept.isOn) {
      return this.queuedUnless(this.kept.keep(command, view, isDeferred, change));
    }
    if (change !== null) this.queue.change(this.queue.count, change);
    if (server === null) return this.keep(view, isDeferred);
    const entered = this.entry.enter(server);
    if (entered !== true) return this.refused(entered);
    return isDeferred ? this.defer(view) : this.forward(view);
  }

  // What goes to the server

  get isChosen(): boolean {
    return this.client.pin !== null && (this.now.isAtServer || this.now.isWatching);
  }

  private forward(view: RequestView): boolean {
    const { client, now } = this;
    this.queue.count++;
    return client.forwardTo(client.pin!, view, watchedReplies(client, now, QUEUED));
  }

  /** What the proxy will answer itself: the server gets a placeholder. */
  private defer(view: RequestView): boolean {
    const { client } = this;
    const { session } = client;
    if (!this.queue.defer(view)) return this.refused(TOO_MUCH_KEPT);
    client.flushRun();
    client.pin!.send(PLACEHOLDER, 0, PLACEHOLDER.length, session, session.open(), 1);
    return true;
  }

  /** Keeps a request until the server is known. */
  private keep(view: RequestView, isDeferred: boolean): boolean {
    return this.queuedUnless(this.queue.keep(view, isDeferred) ? null : TOO_MUCH_KEPT);
  }

  /** @param fault why it cannot be kept; null: it is */
  private queuedUnless(fault: Buffer | null): true {
    if (fault === null) this.client.answer(QUEUED);
    else this.client.refuse(fault);
    return true;
  }

  private executeKept(): boolean {
    if (this.queue.count === 0) return this.end(null, EMPTY);
    return this.kept.execute(() => {
      this.forget();
      this.leaveMode();
    }, this);
  }

  /** As `TransactionPin.obtain`, when no key was named. */
  private enterAny(): boolean | Buffer {
    const upstream = this.isChosen ? this.client.pin!.upstream : anyServer(this.client);
    return upstream === null ? NO_SERVER : this.entry.enter(upstream);
  }

  /** Answers the request at hand with `fault`, unless that is false: not now. */
  private refused(fault: false | Buffer): boolean {
    if (fault !== false) this.client.refuse(fault);
    return fault !== false;
  }

  // How it ends

  giveUp(reply: Buffer): boolean {
    if (this.client.pin === null) return this.end(null, reply);
    if (this.now.isAtServer) return this.end(DISCARD, reply);
    return this.end(this.now.isWatching ? UNWATCH : null, reply);
  }

  /** @param request asks the server for the end; null: it knows of nothing
   * @param reply to the request at hand; null: what the server says */
  private end(request: Buffer | null, reply: Buffer | null, queue?: TransactionQueue): boolean {
    const { client } = this;
    const { session, pin } = client;
    const { now } = this;
    const hasPart = queue !== undefined && queue.deferred.size + queue.changes.size > 0;
    if (!hasPart) this.queue.drop();
    this.forget();
    if (request === null) {
      if (this.ends === 0) this.leaveMode();
      client.answer(reply!);
      return true;
    }
    this.ends++;
    client.setMode(this);
    client.flushRun();
    // What it has become is no other client's.
    if (hasPart && queue.changes.size > 0) this.pin.isClean = false;
    const end = new TransactionEnd(session, this, reply, hasPart ? queue : null, () =>
      now.isWatchLost ? CHANGED[client.state.version - 2]! : null,
    );
    pin!.send(request, 0, request.length, end, session.open(), 1);
    return true;
  }

  onEnd(reply: Buffer | null): void {
    if (reply === null) this.pin.isClean = false;
    if (--this.ends > 0) return;
    if (!this.now.isOpen) this.leaveMode();
    if (!this.isChosen) this.pin.giveBack();
  }

  answerDeferred(request: Buffer): Buffer {
    return this.client.answerTo(request);
  }

  onChanged(change: Change): void {
    const { client } = this;
    const { name, ...variant } = change;
    if (name !== undefined) client.state.name = name;
    // The client believes it is another user now: no request may go as who it was.
    if (!client.switchTo(variant)) client.session.close();
  }

  private forget(): void {
    this.now = startProgress();
    this.queue = new TransactionQueue(this.client.session);
  }

  private leaveMode(): void {
    if (this.client.mode === this) this.client.setMode(null);
  }

  abandon(): void {
    this.queue.drop();
    this.forget();
    this.leaveMode();
    this.pin.isClean = false;
    this.pin.giveBack();
  }

  markPinDirty(): void {
    this.pin.isClean = false;
  }

  get queued(): number {
    return this.now.isOpen ? this.queue.count : -1;
  }

  onRouteChange(): void {
    if (this.pin.endsWithRing()) this.onLost(KEYS_MOVE);
    const { pin, pool } = this.client;
    if (pin === null || !this.now.isAtServer || pool.route.all.includes(pin.upstream)) return;
    // What it would write there is looked for elsewhere from now on.
    this.now.lost ??= lossOf(pin.upstream, pool.route);
  }

  /** @param loss the error that tells of it */
  private onLost(loss: string): void {
    if (this.now.isWatching) this.now.isWatchLost = true;
    if (this.now.isAtServer) this.now.lost = loss;
    this.now.isWatching = false;
    this.now.isAtServer = false;
  }

  // Moving to another process

  /** There is something to tell another process. */
  get isGoingOn(): boolean {
    return this.now.isOpen || this.now.isWatching || this.now.isWatchLost;
  }

  save(): SavedTransaction | null {
    if (!this.isGoingOn) return null;
    return { ...this.now, queue: this.queue.save() };
  }

  private resume(saved: SavedTransaction): void {
    const { queue, ...now } = saved;
    this.now = now;
    this.queue = TransactionQueue.restore(this.client.session, queue);
    const { client } = this;
    if (this.now.isOpen) client.setMode(this);
    if (client.pin !== null) this.pin.watchOver(client.pin);
    else this.onLost("ERR the connection to the server was lost");
  }
}
