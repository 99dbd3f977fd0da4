/**
 * Asks all workers what operators want to see, and joins what they answer. One question at a time, so that however many ask, a worker has
 * one at hand at most.
 */
import {
  type ClientQuery,
  type ClientReport,
  INSPECT_CLIENTS,
  KICK_CLIENTS,
  type KickedClient,
  type KickTarget,
} from "../../api/inspection.ts";
import { KEY_COUNTS, type KeyCounts } from "../../api/migration.ts";
import { CLIENTS_SHOWN_MAX, INSPECTION_ANSWER_MS, INSPECTIONS_MAX } from "../../base/limits.ts";
import { StartError } from "../start-error.ts";
import { joinClients } from "./join-clients.ts";

/** All workers. */
export interface AskedWorkers {
  /** See BusRelay.ask. */
  ask(topic: string, data: unknown, timeoutMs: number): Promise<unknown[]>;
}

export class Inspector {
  readonly #workers: AskedWorkers;
  /** The last question that was put, and how many are not answered. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(workers: AskedWorkers) {
    this.#workers = workers;
  }

  /** @throws StartError: too many ask */
  async clients(query: ClientQuery): Promise<ClientReport> {
    const limit = Math.min(query.limit, CLIENTS_SHOWN_MAX);
    const parts = await this.#inTurn(INSPECT_CLIENTS, { ...query, limit });
    return joinClients(parts as ClientReport[], { order: query.order, limit });
  }

  /** Disconnects clients. @returns those that were. @throws StartError: too many ask */
  async kick(target: KickTarget): Promise<readonly KickedClient[]> {
    return ((await this.#inTurn(KICK_CLIENTS, target)) as KickedClient[][]).flat();
  }

  /** Null: no worker knows. @throws StartError: too many ask */
  async keyCounts(pool: string): Promise<KeyCounts | null> {
    const answers = await this.#inTurn(`${pool}/${KEY_COUNTS}`, null);
    return (answers as (KeyCounts | null)[]).find((counts) => counts !== null) ?? null;
  }

  async #inTurn(topic: string, data: unknown): Promise<unknown[]> {
    if (this.#waiting >= INSPECTIONS_MAX) {
      throw new StartError(["too many look at the proxy at once; try again in a moment"]);
    }
    this.#waiting += 1;
    const answers = this.#last.then(() => this.#workers.ask(topic, data, INSPECTION_ANSWER_MS));
    this.#last = answers;
    try {
      return await answers;
    } finally {
      this.#waiting -= 1;
    }
  }
}
