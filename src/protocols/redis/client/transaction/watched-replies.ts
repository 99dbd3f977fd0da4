/**
 * What servers that change places say over the connection on which keys are watched: that a key is elsewhere counts as a change of it. So its
 * client, whose EXEC says that nothing was executed, begins anew, and finds the key where it is.
 */
import type { Failure, ReplySink } from "../../../../api/upstream.ts";
import { copyOf } from "../../../../base/copy-of.ts";
import type { RedisClient } from "../redis-client.ts";
import type { TransactionProgress } from "./client-transaction.ts";

const MINUS = 0x2d;

/**
 * For what the client sends over its pin.
 * @param instead of an error that says that the key is elsewhere
 */
export function watchedReplies(
  client: RedisClient,
  progress: TransactionProgress,
  instead: Buffer,
): ReplySink {
  const isFollowed = client.pool.follower !== null && progress.isWatching;
  return isFollowed ? new WatchedReplies(client, progress, instead) : client.session;
}

class WatchedReplies implements ReplySink {
  readonly takesRuns = false;
  private readonly client: RedisClient;
  private readonly progress: TransactionProgress;
  private readonly instead: Buffer;
  private readonly server: string;

  constructor(client: RedisClient, progress: TransactionProgress, instead: Buffer) {
    this.client = client;
    this.progress = progress;
    this.instead = instead;
    this.server = client.pin!.upstream.name;
  }

  onReplies(token: number, count: number, bytes: Buffer, start: number, end: number): void {
    const { session, pool } = this.client;
    const isElsewhere =
      bytes[start] === MINUS && pool.follower?.note(copyOf(bytes, start, end), this.server) != null;
    if (!isElsewhere) {
      session.onReplies(token, count, bytes, start, end);
      return;
    }
    this.progress.isWatchLost = true;
    session.reply(token, this.instead);
  }

  onFailure(token: number, count: number, failure: Failure): void {
    this.client.session.onFailure(token, count, failure);
  }
}
