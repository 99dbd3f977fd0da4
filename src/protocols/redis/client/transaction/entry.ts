/**
 * How a transaction is opened at its server: MULTI and what was kept until the server was known, with replies that no client sees.
 *
 * Not every user may be permitted MULTI. For one of whom that is not known, nothing follows before the server has answered.
 */
import type { Upstream } from "../../../../api/upstream.ts";
import type { RedisClient } from "../redis-client.ts";
import type { TransactionProgress } from "./client-transaction.ts";
import type { TransactionPin } from "./pin.ts";
import type { TransactionQueue } from "./queue.ts";
import { MULTI } from "./requests.ts";
import { UnseenReplies } from "./unseen-replies.ts";

/** The transaction that is to be opened. Both fields are others for the next one. */
export interface Entering {
  readonly now: TransactionProgress;
  readonly queue: TransactionQueue;
  /** The transaction's server is known, and the pin leads there. */
  readonly isChosen: boolean;
}

export class TransactionEntry {
  /** Whether the server lets the client have a transaction is not known yet. */
  isAsking = false;
  private readonly client: RedisClient;
  private readonly pin: TransactionPin;
  private readonly transaction: Entering;

  constructor(client: RedisClient, pin: TransactionPin, transaction: Entering) {
    this.client = client;
    this.pin = pin;
    this.transaction = transaction;
  }

  /**
   * Sees to it that the transaction is open at `upstream`, and that there is room on the connection. Results as of
   * `TransactionPin.obtain`.
   */
  enter(upstream: Upstream): boolean | Buffer {
    const { client } = this;
    const { now, isChosen } = this.transaction;
    const pinned = this.pin.obtain(upstream, isChosen);
    if (pinned !== true) return pinned;
    if (now.isAtServer) return this.isOpenThere();
    client.flushRun();
    const unseen = new UnseenReplies((fault) => this.onOpened(now, fault));
    client.pin!.send(MULTI, 0, MULTI.length, unseen, 0, 1);
    now.isAtServer = true;
    // Then nothing must be executed without it. Users differ, all others are alike.
    this.isAsking =
      client.state.password !== null || !client.pool.variants.access.opensTransactions;
    if (!this.isAsking) this.sendKept();
    return this.isOpenThere();
  }

  private sendKept(): void {
    const { queue } = this.transaction;
    const { keptCount } = queue;
    if (keptCount === 0) return;
    const kept = queue.takeKept();
    this.client.pin!.send(kept, 0, kept.length, new UnseenReplies(), 0, keptCount);
  }

  /** False: not known yet. */
  private isOpenThere(): boolean {
    if (this.isAsking) this.client.session.waitForWake();
    return !this.isAsking;
  }

  private onOpened(asked: TransactionProgress, fault: string | null): void {
    const { session, pool, state } = this.client;
    if (state.password === null) pool.variants.access.learnMulti(fault);
    if (fault !== null) {
      this.pin.isClean = false;
      asked.lost ??= fault;
    }
    if (!this.isAsking) return;
    this.isAsking = false;
    if (fault === null) this.sendKept();
    pool.turn.wake(session);
    pool.turn.mark(session);
  }
}
