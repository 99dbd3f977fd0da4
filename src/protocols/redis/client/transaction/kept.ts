/**
 * A transaction that is kept here until EXEC: where servers change places, because its keys may be at another by then, and where it may be split
 * over servers. What is watched is watched on one.
 */
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import type { RedisClient } from "../redis-client.ts";
import type { EndObserver } from "./end.ts";
import type { Entering } from "./entry.ts";
import type { Change } from "./queue.ts";
import { NO_CHANGE, TOO_LONG } from "./replies.ts";
import { firstKeyOf, isSamePlace, secondServer } from "./rules.ts";
import { isSplitAwaited, sendSplit, splitOf } from "./split.ts";
import { isAwaited, sendWhole } from "./whole.ts";

export class KeptTransaction {
  private readonly client: RedisClient;
  private readonly transaction: Pick<Entering, "now" | "queue">;

  constructor(client: RedisClient, transaction: Pick<Entering, "now" | "queue">) {
    this.client = client;
    this.transaction = transaction;
  }

  get isOn(): boolean {
    const { isWatching, isAtServer } = this.transaction.now;
    if (isWatching || isAtServer) return false;
    return this.isSplit || this.client.pool.follower !== null;
  }

  /** What is queued, or the next transaction, is split. What was queued so is, whatever holds by now. */
  get isSplit(): boolean {
    const { splitsTransactions, route } = this.client.pool;
    return this.transaction.queue.isSplit || (splitsTransactions && route.upstreams.length > 1);
  }

  /**
   * @param change what the client becomes by it, when the servers have executed it
   * @returns why it is not kept, as an error; null: it is
   */
  keep(
    command: Command,
    view: RequestView,
    isDeferred: boolean,
    change: Change | null,
  ): Buffer | null {
    const { route, hashTag } = this.client.pool;
    const { queue } = this.transaction;
    if (this.isSplit) {
      if (change !== null) return NO_CHANGE;
      queue.isSplit = true;
    } else {
      const key = isDeferred ? null : firstKeyOf(command, view);
      if (key !== null && !isSamePlace(route, key, queue.key ?? key)) {
        return secondServer(command, hashTag);
      }
      queue.key ??= key;
    }
    if (change !== null) queue.change(queue.count, change);
    return queue.keep(view, isDeferred) ? null : TOO_LONG;
  }

  /**
   * Sends it, in place of the client's EXEC. `leave` is called before; the transaction is another one from then on.
   * @returns false: not now
   */
  execute(leave: () => void, observer: Omit<EndObserver, "onEnd">): boolean {
    const { client } = this;
    const { queue } = this.transaction;
    if (!client.settleFirst()) return false;
    if (!queue.isSplit) {
      if (isAwaited(client, queue)) return false;
      leave();
      return sendWhole(client, queue, observer);
    }
    const split = splitOf(client, queue);
    if (isSplitAwaited(client, split)) return false;
    leave();
    return sendSplit(client, queue, split, observer);
  }
}
