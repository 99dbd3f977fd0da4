/**
 * A blocking command where servers change places: it is sent again when its server says that its keys are elsewhere, or that it waits no
 * more, or was lost before the command was sent.
 */
import { ACCESS, PlainFacts } from "../../../../api/request-facts.ts";
import type { Failure, Lease, Upstream } from "../../../../api/upstream.ts";
import { KeptBytes } from "../../../kept-bytes.ts";
import { encodeError } from "../../codec/encode.ts";
import type { ServerFollower } from "../../redirect/server-follower.ts";
import type { RedisClient } from "../redis-client.ts";
import { NO_SERVER } from "../refusals.ts";

const AGAIN_MS = 25;
const SERVED_MS = 1_000;
/** Its node has become a replica: not what CLIENT UNBLOCK does. */
const DEMOTED = /^-UNBLOCKED force unblock/;

const facts: PlainFacts = new PlainFacts();

/** @param token the slot of the session that is still owed @param isAsking the node takes the command only behind ASKING */
export type Restart = (by: Elsewhere, lease: Lease, token: number, isAsking: boolean) => void;

export class Elsewhere {
  private readonly client: RedisClient;
  private readonly keys: readonly string[];
  private readonly restart: Restart;
  private readonly follower: ServerFollower;
  /** Of the request and the keys. */
  private readonly bytes: number;
  private readonly kept: KeptBytes;
  /** Since when nodes do not serve it, and when it was sent again last. */
  private sinceMs = Number.NEGATIVE_INFINITY;
  private sentMs = Number.NEGATIVE_INFINITY;

  /** @param keys one character per byte @param restart sends the command, `request`, over another connection */
  constructor(
    client: RedisClient,
    keys: readonly string[],
    request: Buffer,
    follower: ServerFollower,
    restart: Restart,
  ) {
    this.client = client;
    this.keys = keys;
    this.restart = restart;
    this.follower = follower;
    this.bytes = keys.reduce((sum, key) => sum + key.length, request.length);
    this.kept = new KeptBytes(client.session);
  }

  /**
   * @param error what `server` has answered; the command was not executed
   * @param token the slot of the session that is still owed
   * @returns false: the client is to get the error
   */
  tryAgain(error: Buffer, server: Upstream, token: number): boolean {
    const { turn } = this.client.pool;
    const isDemoted = DEMOTED.test(error.toString("latin1", 0, 64));
    const redirection = isDemoted
      ? ({ type: "down" } as const)
      : this.follower.note(error, server.name);
    if (redirection === null) return false;
    // It has waited at a node meanwhile.
    if (turn.nowMs - this.sentMs > SERVED_MS) this.sinceMs = turn.nowMs;
    this.sentMs = turn.nowMs;
    if (turn.nowMs - this.sinceMs >= this.follower.patienceMs) return false;
    if (redirection.type === "ask") {
      this.follower.admit(redirection.to);
      const { upstreams } = this.client.pool.route;
      this.send(upstreams.find(({ name }) => name === redirection.to) ?? null, token, true);
    } else if (redirection.type === "moved") this.send(this.picked, token, false);
    else return this.wait(server, token);
    return true;
  }

  /** Sends it to where its keys are now. Only while it waits at no server. */
  follow(token: number): void {
    this.send(this.picked, token, false);
  }

  /** @param failure of `server`; the command was not sent @returns false: the client is to hear of it */
  tryAfter(failure: Failure, server: Upstream, token: number): boolean {
    const { nowMs } = this.client.pool.turn;
    if (failure.wasSent || !this.follower.waitsAfter(failure, server)) return false;
    if (this.sinceMs < 0) this.sinceMs = nowMs;
    return nowMs - this.sinceMs < this.follower.patienceMs && this.wait(server, token);
  }

  /** Sends it a little later. @returns false: too much waits already */
  private wait(server: Upstream, token: number): boolean {
    const { turn, deadlines } = this.client.pool;
    const { follower, bytes } = this;
    if (!follower.beginWait(server, bytes)) return false;
    this.kept.add(bytes);
    const again = deadlines.create(() => {
      follower.endWait(bytes);
      this.kept.drop();
      this.send(this.picked, token, false);
    });
    again.set(turn.nowMs + AGAIN_MS);
    return true;
  }

  private get picked(): Upstream | null {
    const [key = ""] = this.keys;
    return this.client.pool.route.pick(facts.ofKey(Buffer.from(key, "latin1"), ACCESS.write));
  }

  private send(upstream: Upstream | null, token: number, isAsking: boolean): void {
    const { client } = this;
    const { session } = client;
    if (!session.isOpen) return;
    if (upstream === null) {
      session.reply(token, NO_SERVER);
      return;
    }
    const { refusal, isRecovering } = client.connectionTo(upstream);
    const isLate = client.pool.turn.nowMs - this.sinceMs >= this.follower.patienceMs;
    if (refusal !== null && isRecovering === true && !isLate && this.wait(upstream, token)) return;
    const lease = refusal === null ? upstream.lease(client.variant, session.origin) : null;
    if (refusal !== null) session.onFailure(token, 1, refusal);
    else if (lease === null) {
      const reason = upstream.whyNoLease(session.origin);
      session.reply(token, encodeError(`ERR no connection of its own: ${reason}`));
    } else {
      this.restart(this, lease, token, isAsking);
    }
  }
}
