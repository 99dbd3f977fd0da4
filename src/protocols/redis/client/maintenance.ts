/**
 * Clients that have asked to be told of maintenance (CLIENT MAINT_NOTIFICATIONS ON, which node-redis, redis-py and others ask by themselves): while
 * requests wait for a server that is lost, they hear so, and wait for their replies longer than they do otherwise. They also hear where to go when an
 * operator has clients leave, see Evacuation.
 */

import type { Deadlines } from "../../../base/deadlines.ts";
import type { Turn } from "../../../base/turn.ts";
import { encodePush } from "../codec/encode.ts";
import type { RedisClientState } from "./client-state.ts";
import { type EvacuatedClient, Evacuation } from "./evacuation.ts";

const SECOND_MS = 1000;

/** What it needs of a client. */
export type NotifiedClient = EvacuatedClient;

export class Maintenance {
  private readonly clients: Set<NotifiedClient> = new Set();
  private readonly nextNumber: () => number;
  private readonly patienceMs: () => number;
  /** So many servers are waited for. */
  private outages = 0;
  readonly evacuation: Evacuation;

  /**
   * @param nextNumber of a message, which no other message of any worker has
   * @param patienceMs how long requests wait at the most
   */
  constructor(
    turn: Pick<Turn, "nowMs">,
    deadlines: Deadlines,
    nextNumber: () => number,
    patienceMs: () => number,
  ) {
    this.evacuation = new Evacuation(this.clients, turn, deadlines, nextNumber);
    this.nextNumber = nextNumber;
    this.patienceMs = patienceMs;
  }

  /** `client` is to be told, or, after a move, has been before. */
  add(client: NotifiedClient): void {
    this.clients.add(client);
    const { state } = client;
    const isOut = this.outages > 0;
    if (isOut === (state.maintenance === "told")) return;
    if (isOut) this.tell([client], "told", this.failingOver());
    else if (state.maintenance === "told") this.tell([client], "on", this.failedOver());
  }

  remove(client: NotifiedClient): void {
    this.clients.delete(client);
    this.evacuation.remove(client);
  }

  /** Requests begin to wait for a server. */
  begin(): void {
    this.outages++;
    if (this.outages === 1) this.tell(this.clients, "told", this.failingOver());
  }

  /** They wait for it no longer. */
  end(): void {
    this.outages--;
    if (this.outages === 0) this.tell(this.clients, "on", this.failedOver());
  }

  private tell(
    clients: Iterable<NotifiedClient>,
    state: RedisClientState["maintenance"],
    message: Buffer,
  ): void {
    for (const client of clients) {
      client.state.maintenance = state;
      // What it has gone back to knows no such messages.
      if (client.state.version === 3) client.session.push(message, 0, message.length);
    }
  }

  // The last element names the shards that are concerned: for its clients the proxy is one.

  private failingOver(): Buffer {
    const seconds = Math.ceil(this.patienceMs() / SECOND_MS);
    return encodePush(["FAILING_OVER", this.nextNumber(), seconds, []]);
  }

  private failedOver(): Buffer {
    return encodePush(["FAILED_OVER", this.nextNumber(), []]);
  }
}
