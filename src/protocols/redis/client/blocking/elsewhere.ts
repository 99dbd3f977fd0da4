/** A blocking command on a cluster: it is sent again when its node says that its keys are elsewhere, or that it waits no more. */
import { ACCESS, PlainFacts } from "../../../../api/request-facts.ts";
import type { Lease, Upstream } from "../../../../api/upstream.ts";
import { CLUSTER_DOWN_WAIT_MS } from "../../../../base/limits.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { encodeError } from "../../codec/encode.ts";
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
  private readonly cluster: Cluster;
  /** Since when nodes do not serve it, and when it was sent again last. */
  private sinceMs = Number.NEGATIVE_INFINITY;
  private sentMs = Number.NEGATIVE_INFINITY;

  /** @param keys one character per byte @param restart sends the command over another connection */
  constructor(client: RedisClient, keys: readonly string[], cluster: Cluster, restart: Restart) {
    this.client = client;
    this.keys = keys;
    this.restart = restart;
    this.cluster = cluster;
  }

  /**
   * @param error what `server` has answered; the command was not executed
   * @param token the slot of the session that is still owed
   * @returns false: the client is to get the error
   */
  tryAgain(error: Buffer, server: string, token: number): boolean {
    const { turn, deadlines } = this.client.pool;
    const isDemoted = DEMOTED.test(error.toString("latin1", 0, 64));
    const redirection = isDemoted ? ({ type: "down" } as const) : this.cluster.note(error, server);
    if (redirection === null) return false;
    // It has waited at a node meanwhile.
    if (turn.nowMs - this.sentMs > SERVED_MS) this.sinceMs = turn.nowMs;
    this.sentMs = turn.nowMs;
    if (turn.nowMs - this.sinceMs >= CLUSTER_DOWN_WAIT_MS) return false;
    if (redirection.type === "ask") {
      this.cluster.admit(redirection.to);
      const { upstreams } = this.client.pool.route;
      this.send(upstreams.find(({ name }) => name === redirection.to) ?? null, token, true);
    } else if (redirection.type === "moved") this.send(this.picked, token, false);
    else {
      const again = deadlines.create(() => this.send(this.picked, token, false));
      again.set(turn.nowMs + AGAIN_MS);
    }
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
    const { refusal } = client.connectionTo(upstream);
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
