/** A client that has come from another process, and whose subscriptions are still to come: its requests wait for them. */
import type { Mode } from "../mode.ts";
import type { RedisClient } from "../redis-client.ts";
import { updateMode } from "./subscribed-mode.ts";

class RestoredMode implements Mode {
  /** What it goes on with. */
  readonly next: Mode | null;
  private readonly client: RedisClient;

  constructor(client: RedisClient) {
    this.client = client;
    this.next = client.mode;
  }

  handle(): boolean {
    this.client.session.waitForWake();
    return false;
  }

  onRefused(): void {}
}

/** Lets its requests wait. */
export function holdRequests(client: RedisClient): void {
  client.setMode(new RestoredMode(client));
}

/** Its subscriptions are all there. */
export function releaseRequests(client: RedisClient): void {
  const { mode } = client;
  if (mode instanceof RestoredMode) client.setMode(mode.next);
  updateMode(client);
  client.pool.turn.wake(client.session);
}
