/**
 * PUBLISH and SPUBLISH go to the server that the channel's name belongs to: so the messages of a channel stay in order. The
 * server counts a shared subscription as one client; the reply is put right. A client that gets its own message (RESP3) gets it before the
 * reply, as from Redis.
 */
import type { Failure, ReplySink, Upstream } from "../../../../api/upstream.ts";
import { encodeInteger } from "../../codec/encode.ts";
import { parseLength } from "../../codec/reply-scanner.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { awaitsRecovery } from "../awaits-recovery.ts";
import type { RedisClient } from "../redis-client.ts";
import { NO_SERVER } from "../refusals.ts";
import type { Kind } from "./kinds.ts";

const COLON = 0x3a;

export function publish(client: RedisClient, kind: Kind, view: RequestView): boolean {
  const { sharedSubscriptions, route } = client.pool;
  const name = view.text(1);
  if (!sharedSubscriptions.mayMiscount(kind, name)) return client.forward(view, 1);
  const upstream = route.pick(view.key(1));
  if (upstream === null) {
    client.refuse(NO_SERVER);
    return true;
  }
  const connection = client.connectionTo(upstream);
  const { session } = client;
  if (awaitsRecovery(client, connection)) return false;
  if (connection.refusal !== null) {
    session.onFailure(session.open(), 1, connection.refusal);
    return true;
  }
  if (connection.isFull) {
    session.waitFor(connection);
    return false;
  }
  client.flushRun();
  const reply = new PublishReply(client, kind, name, upstream, session.open());
  connection.send(view.bytes, view.start, view.end, reply, 0, 1);
  return true;
}

class PublishReply implements ReplySink {
  readonly takesRuns = false;
  private readonly client: RedisClient;
  private readonly kind: Kind;
  private readonly name: string;
  private readonly upstream: Upstream;
  private readonly token: number;

  constructor(client: RedisClient, kind: Kind, name: string, upstream: Upstream, token: number) {
    this.client = client;
    this.kind = kind;
    this.name = name;
    this.upstream = upstream;
    this.token = token;
  }

  onReplies(_token: number, _count: number, bytes: Buffer, start: number, end: number): void {
    const { session, features } = this.client;
    const { subscriber } = features;
    const counted = bytes[start] === COLON ? parseLength(bytes, start + 1, end - 2) : -1;
    if (counted < 0) session.onReplies(this.token, 1, bytes, start, end);
    else if (subscriber === null) this.settle(counted);
    else subscriber.shared.subscriptions.barrier(this.upstream, () => this.settle(counted));
  }

  private settle(counted: number): void {
    const { client, kind, name, upstream, token } = this;
    client.pool.sharedSubscriptions.countClients(
      [kind, name, upstream.name],
      counted,
      (clients) => {
        client.session.reply(token, encodeInteger(clients));
      },
    );
  }

  onFailure(_token: number, _count: number, failure: Failure): void {
    this.client.session.onFailure(this.token, 1, failure);
  }
}
