/** The hubs of one pool in one worker: one for each user that clients are, and those that came from other processes. */

import type { Route } from "../../../../api/upstream.ts";
import type { WorkerBus } from "../../../../api/worker-bus.ts";
import type { Deadline, Deadlines } from "../../../../base/deadlines.ts";
import { PUBSUB_IDLE_MS } from "../../../../base/limits.ts";
import { SliceQueue } from "../../../../base/slice-queue.ts";
import type { Turn } from "../../../../base/turn.ts";
import type { Variant } from "../identity/variant.ts";
import type { VariantTable } from "../identity/variant-table.ts";
import { Allowance } from "./allowance.ts";
import { Arrivals } from "./arrivals.ts";
import { Census, type Question, type Reach } from "./census.ts";
import { Hub } from "./hub.ts";
import type { Kind } from "./kinds.ts";
import type { LeftLink } from "./links.ts";
import { reachOf, subscribersOf } from "./reach.ts";
import type { SavedSubscriptions, ServerUser } from "./saved-subscriptions.ts";
import { type SubscribedClient, Subscriber } from "./subscriber.ts";

export interface HubsOptions {
  readonly route: Route;
  readonly timeoutMs: number | null;
  readonly variants: VariantTable;
  readonly turn: Turn;
  /** On the clock of `turn`. */
  readonly deadlines: Deadlines;
  /** The same pool in other workers. */
  readonly bus: WorkerBus;
  /** Counts subscriptions beyond the first to the same topic in one hub: these are what servers do not see. */
  countShared(by: number): void;
  /** How many there are in other workers. */
  sharedElsewhere(): number;
  /** A number that no client in any process gets twice. */
  nextId(): number;
}

export class Hubs {
  private readonly options: HubsOptions;
  private readonly census: Census;
  private readonly hubs: Map<string, Hub> = new Map();
  readonly slices: SliceQueue;
  /** What other processes have left. */
  readonly arrivals: Arrivals;
  /** When to look at what may be late. */
  private readonly looking: Deadline;
  private readonly lookBy = (atMs: number): void => this.looking.setNoLater(atMs);
  private readonly allowance: Allowance = new Allowance();

  constructor(options: HubsOptions) {
    this.options = options;
    this.slices = new SliceQueue(options.turn);
    this.looking = options.deadlines.create((nowMs) => this.look(nowMs));
    const { turn } = options;
    const { lookBy } = this;
    this.arrivals = new Arrivals({ turn, lookBy }, this.slices, (id) => this.hubs.get(id));
    this.census = new Census(options.turn, options.bus, (question) => this.count(question));
  }

  /** Those with clients. */
  get all(): Hub[] {
    return [...this.hubs.values()].filter(({ subscribers }) => subscribers.size > 0);
  }

  /** The client as a subscriber, to nothing yet; null: too many kinds of connections are in use. */
  createSubscriber(client: SubscribedClient): Subscriber | null {
    for (const hub of this.hubs.values()) {
      if (hub.takesClients && isFor(hub, client)) return new Subscriber(client, hub);
    }
    const { user, password } = client.state;
    const as = { user, password };
    const { variants } = this.options;
    const variant = variants.hold(kindOf(as), client.session.origin);
    const hub =
      variant < 0 ? null : this.createHub(String(this.options.nextId()), as, variant, null);
    return hub === null ? null : new Subscriber(client, hub);
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
    let hub = this.hubs.get(id);
    if (hub === undefined) {
      const variant = this.options.variants.keep(kindOf(as), client.session.origin);
      if (variant < 0) return null;
      hub = this.createHub(id, as, variant, this.arrivals.linksOf(id));
    }
    const subscriber = new Subscriber(client, hub);
    this.arrivals.restore(subscriber, saved, onComplete);
    return subscriber;
  }

  private createHub(
    id: string,
    as: ServerUser,
    variant: number,
    arrivals: readonly LeftLink[] | null,
  ): Hub {
    const { slices, allowance, lookBy } = this;
    const hub = new Hub({ ...this.options, slices, allowance, lookBy, id, as, variant }, arrivals);
    this.hubs.set(id, hub);
    // Its client may leave before it has a link.
    lookBy(this.options.turn.nowMs + PUBSUB_IDLE_MS);
    return hub;
  }

  onRouteChange(): void {
    for (const hub of this.hubs.values()) hub.onRouteChange();
  }

  /** Deals with what is late by now. */
  private look(nowMs: number): void {
    let nextMs = this.arrivals.look(nowMs);
    for (const [id, hub] of this.hubs) {
      nextMs = Math.min(nextMs, hub.look(nowMs));
      if (hub.isUnused) {
        this.hubs.delete(id);
        this.options.variants.release(hub.options.variant);
      } else if (hub.subscribers.size === 0 || hub.links.all.length === 0) {
        nextMs = Math.min(nextMs, nowMs + PUBSUB_IDLE_MS);
      }
    }
    this.looking.setNoLater(nextMs);
  }

  /**
   * How many clients there are, of which servers have `counted` so many, hubs for clients among them. Calls back once, maybe
   * at once.
   */
  countClients(question: Question, counted: number, onDone: (clients: number) => void): void {
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
  private count([kind, name, server]: Question): Reach {
    let copies = 0;
    let clients = 0;
    for (const hub of this.hubs.values()) {
      const links = hub.links.all;
      const reach =
        server === null
          ? subscribersOf(hub.topics.find(kind, name), links)
          : reachOf(hub.topics, links, [kind, name, server]);
      copies += reach.copies;
      clients += reach.clients;
    }
    return { copies, clients };
  }

  /** A server may count as one client what is more than one, for a message for `name`. False is sure. */
  mayMiscount(kind: Kind, name: string): boolean {
    if (this.options.sharedElsewhere() > 0) return true;
    for (const hub of this.hubs.values()) if (hub.topics.mayReach(kind, name)) return true;
    return false;
  }

  close(): void {
    for (const hub of this.hubs.values()) hub.links.closeAll();
    this.hubs.clear();
    this.looking.cancel();
  }
}

/** A client that gives another password than others before is not taken for the same user. */
export function isFor({ options: { as } }: Hub, { state }: SubscribedClient): boolean {
  return as.user === state.user && as.password === state.password;
}

/** All users speak RESP2 here, and the database does not matter. */
function kindOf(as: ServerUser): Variant {
  return { version: 2, database: 0, ...as };
}
