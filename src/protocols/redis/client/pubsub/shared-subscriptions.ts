/** The shared subscriptions of one pool in one worker: one for each user that clients are, and those that came from other processes. */

import type { ConnectionKind, Route } from "../../../../api/upstream.ts";
import type { WorkerBus } from "../../../../api/worker-bus.ts";
import type { Deadline, Deadlines } from "../../../../base/deadlines.ts";
import { PUBSUB_IDLE_MS } from "../../../../base/limits.ts";
import { SliceQueue } from "../../../../base/slice-queue.ts";
import type { Turn } from "../../../../base/turn.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import type { Variant } from "../identity/variant.ts";
import type { VariantTable } from "../identity/variant-table.ts";
import { Allowance } from "./allowance.ts";
import { Arrivals } from "./arrivals.ts";
import { Census, type CensusQuestion, type Reach } from "./census.ts";
import type { Kind } from "./kinds.ts";
import { reachOf, subscribersOf } from "./reach.ts";
import type { SavedSubscriptions, ServerUser } from "./saved-subscriptions.ts";
import type { LeftConnection } from "./server-subscriptions.ts";
import { SharedSubscription } from "./shared-subscription.ts";
import { type SubscribedClient, Subscriber } from "./subscriber.ts";

export interface SharedSubscriptionsOptions {
  readonly route: Route;
  /** See RedisPool. */
  readonly cluster: Cluster | null;
  readonly timeoutMs: () => number | null;
  readonly variants: VariantTable;
  readonly turn: Turn;
  /** On the clock of `turn`. */
  readonly deadlines: Deadlines;
  /** The same pool in other workers. */
  readonly bus: WorkerBus;
  /** Counts subscriptions beyond the first to the same topic in one shared subscription: these are what servers do not see. */
  countShared(by: number): void;
  /** How many there are in other workers. */
  sharedElsewhere(): number;
  /** A number that no client in any process gets twice. */
  nextId(): number;
}

export class SharedSubscriptions {
  private readonly options: SharedSubscriptionsOptions;
  private readonly census: Census;
  private readonly sharedSubscriptions: Map<string, SharedSubscription> = new Map();
  readonly slices: SliceQueue;
  /** What other processes have left. */
  readonly arrivals: Arrivals;
  /** When to look at what may be late. */
  private readonly looking: Deadline;
  private readonly lookBy = (atMs: number): void => this.looking.setNoLater(atMs);
  private readonly allowance: Allowance = new Allowance();

  constructor(options: SharedSubscriptionsOptions) {
    this.options = options;
    this.slices = new SliceQueue(options.turn);
    this.looking = options.deadlines.create((nowMs) => this.look(nowMs));
    const { turn } = options;
    const { lookBy } = this;
    this.arrivals = new Arrivals({ turn, lookBy }, this.slices, (id) =>
      this.sharedSubscriptions.get(id),
    );
    this.census = new Census(options.turn, options.bus, (question) => this.count(question));
  }

  /** Those with clients. */
  get all(): SharedSubscription[] {
    return [...this.sharedSubscriptions.values()].filter(({ subscribers }) => subscribers.size > 0);
  }

  /** The client as a subscriber, to nothing yet; null: too many kinds of connections are in use. */
  createSubscriber(client: SubscribedClient): Subscriber | null {
    for (const shared of this.sharedSubscriptions.values()) {
      if (shared.takesClients && isFor(shared, client)) return new Subscriber(client, shared);
    }
    const { user, password } = client.state;
    const as = { user, password };
    const { variants } = this.options;
    const variant = variants.hold(kindOf(as), client.session.origin);
    const shared =
      variant < 0 ? null : this.createShared(String(this.options.nextId()), as, variant, null);
    return shared === null ? null : new Subscriber(client, shared);
  }

  /**
   * The client as another process left it; null: too many kinds of connections are in use.
   * @param onComplete called once, maybe at once: the client is subscribed to all that was saved
   */
  restoreSubscriber(
    client: SubscribedClient,
    saved: SavedSubscriptions,
    onComplete: () => void,
  ): Subscriber | null {
    const { hub: id, as } = saved;
    let shared = this.sharedSubscriptions.get(id);
    if (shared === undefined) {
      const variant = this.options.variants.keep(kindOf(as), client.session.origin);
      if (variant < 0) return null;
      shared = this.createShared(id, as, variant, this.arrivals.subscriptionsOf(id));
    }
    const subscriber = new Subscriber(client, shared);
    this.arrivals.restore(subscriber, saved, onComplete);
    return subscriber;
  }

  private createShared(
    id: string,
    as: ServerUser,
    variant: ConnectionKind,
    arrivals: readonly LeftConnection[] | null,
  ): SharedSubscription {
    const { slices, allowance, lookBy } = this;
    const shared = new SharedSubscription(
      { ...this.options, slices, allowance, lookBy, id, as, variant },
      arrivals,
    );
    this.sharedSubscriptions.set(id, shared);
    // Its client may leave before it has a server subscription.
    lookBy(this.options.turn.nowMs + PUBSUB_IDLE_MS);
    return shared;
  }

  onRouteChange(): void {
    for (const shared of this.sharedSubscriptions.values()) shared.onRouteChange();
  }

  /** Deals with what is late by now. */
  private look(nowMs: number): void {
    let nextMs = this.arrivals.look(nowMs);
    for (const [id, shared] of this.sharedSubscriptions) {
      nextMs = Math.min(nextMs, shared.look(nowMs));
      if (shared.isUnused) {
        this.sharedSubscriptions.delete(id);
        this.options.variants.release(shared.options.variant);
      } else if (shared.subscribers.size === 0 || shared.subscriptions.all.length === 0) {
        nextMs = Math.min(nextMs, nowMs + PUBSUB_IDLE_MS);
      }
    }
    this.looking.setNoLater(nextMs);
  }

  /**
   * How many clients there are, of which servers have `counted` so many, shared subscriptions for clients among them. Calls back once, maybe
   * at once.
   */
  countClients(question: CensusQuestion, counted: number, onDone: (clients: number) => void): void {
    const own = this.count(question);
    const others = counted - own.copies;
    const mayBeShared = question[2] === null || this.options.sharedElsewhere() > 0;
    if (others <= 0) onDone(own.clients);
    else if (!mayBeShared) onDone(own.clients + others);
    else {
      this.census.ask(question, ({ copies, clients }) => {
        onDone(own.clients + Math.max(others - copies, 0) + clients);
      });
    }
  }

  /** In this worker. */
  private count([kind, name, server]: CensusQuestion): Reach {
    let copies = 0;
    let clients = 0;
    for (const shared of this.sharedSubscriptions.values()) {
      const subscriptions = shared.subscriptions.all;
      const reach =
        server === null
          ? subscribersOf(shared.topics.find(kind, name), subscriptions)
          : reachOf(shared.topics, subscriptions, [kind, name, server]);
      copies += reach.copies;
      clients += reach.clients;
    }
    return { copies, clients };
  }

  /** A server may count as one client what is more than one, for a message for `name`. False is sure. */
  mayMiscount(kind: Kind, name: string): boolean {
    if (this.options.sharedElsewhere() > 0) return true;
    for (const shared of this.sharedSubscriptions.values())
      if (shared.topics.mayReach(kind, name)) return true;
    return false;
  }

  close(): void {
    for (const shared of this.sharedSubscriptions.values()) shared.subscriptions.closeAll();
    this.sharedSubscriptions.clear();
    this.looking.cancel();
  }
}

/** A client that gives another password than others before is not taken for the same user. */
export function isFor(
  { options: { as } }: SharedSubscription,
  { state }: SubscribedClient,
): boolean {
  return as.user === state.user && as.password === state.password;
}

/** All users speak RESP2 here, and the database does not matter. */
function kindOf(as: ServerUser): Variant {
  return { version: 2, database: 0, ...as };
}
