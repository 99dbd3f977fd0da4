/** The hubs of one pool in one worker: one for each user that clients are, and those that came from other processes. */
import type { Colleagues } from "../../../api/colleagues.ts";
import type { Route } from "../../../api/upstream.ts";
import { PUBSUB_ARRIVAL_MS } from "../../../base/limits.ts";
import type { Turn } from "../../../base/turn.ts";
import { closeFd } from "../../../os/fd.ts";
import type { VariantTable } from "../identity/variant-table.ts";
import type { RedisFrontend } from "../redis-frontend.ts";
import { Census, type Question, type Reach } from "./census.ts";
import { Hub } from "./hub.ts";
import type { Kind } from "./kinds.ts";
import type { LeftLink } from "./links.ts";
import { type SavedSubscriptions, type ServerUser, Subscriber } from "./subscriber.ts";

export interface HubsOptions {
  readonly route: Route;
  readonly timeoutMs: number | null;
  readonly variants: VariantTable;
  readonly turn: Turn;
  /** The same pool in other workers. */
  readonly colleagues: Colleagues;
  /** Counts subscriptions beyond the first to the same topic in one hub: these are what servers do not see. */
  countShared(by: number): void;
  /** How many there are in other workers. */
  sharedElsewhere(): number;
  /** A number that nobody in any process gets twice. */
  nextId(): number;
}

interface Arrival {
  readonly links: LeftLink[];
  /** Since when nothing has come; -1: not known yet. */
  sinceMs: number;
}

export class Hubs {
  private readonly options: HubsOptions;
  private readonly census: Census;
  private readonly hubs: Map<string, Hub> = new Map();
  /** What came for hubs whose clients are still to come. */
  private readonly arrivals: Map<string, Arrival> = new Map();

  constructor(options: HubsOptions) {
    this.options = options;
    this.census = new Census(options.turn, options.colleagues, (question) => this.count(question));
  }

  /** Those with clients. */
  get all(): Hub[] {
    return [...this.hubs.values()].filter(({ subscribers }) => subscribers.size > 0);
  }

  /** The client as a subscriber, to nothing yet; null: too many kinds of connections are in use. */
  createSubscriber(client: RedisFrontend): Subscriber | null {
    for (const hub of this.hubs.values()) {
      if (hub.isRunning && isFor(hub, client)) return new Subscriber(client, hub);
    }
    const { user, password } = client.state;
    const hub = this.createHub(String(this.options.nextId()), { user, password }, null);
    return hub === null ? null : new Subscriber(client, hub);
  }

  /** The client as another process left it; null: too many kinds of connections are in use. */
  restoreSubscriber(client: RedisFrontend, saved: SavedSubscriptions): Subscriber | null {
    const { hub: id, as } = saved;
    const arrival = this.arrivals.get(id);
    // More may be coming.
    if (arrival !== undefined) arrival.sinceMs = -1;
    const hub = this.hubs.get(id) ?? this.createHub(id, as, arrival?.links ?? null);
    if (hub === null) return null;
    const subscriber = new Subscriber(client, hub);
    hub.restore(subscriber, saved);
    return subscriber;
  }

  /** All users speak RESP2 here, and the database does not matter. */
  private createHub(id: string, as: ServerUser, arrivals: LeftLink[] | null): Hub | null {
    const variant = this.options.variants.hold({ version: 2, database: 0, ...as });
    if (variant < 0) return null;
    const hub = new Hub({ ...this.options, id, as, variant }, arrivals);
    this.hubs.set(id, hub);
    return hub;
  }

  /** A line to a server that another process has left; the clients of hub `id` follow, and then `start`. */
  arrive(id: string, link: LeftLink): void {
    const arrival = this.arrivals.get(id) ?? { links: [], sinceMs: -1 };
    this.arrivals.set(id, arrival);
    arrival.links.push(link);
  }

  /** All clients of hub `id` have come from the other process. */
  start(id: string): void {
    const arrival = this.arrivals.get(id);
    if (arrival === undefined) return;
    this.arrivals.delete(id);
    const hub = this.hubs.get(id);
    if (hub !== undefined && !hub.isRunning) hub.start();
    else for (const { left } of arrival.links) closeFd(left.fd);
  }

  onRouteChange(): void {
    for (const hub of this.hubs.values()) hub.onRouteChange();
  }

  checkDeadlines(nowMs: number): void {
    for (const [id, arrival] of this.arrivals) {
      if (arrival.sinceMs < 0) arrival.sinceMs = nowMs;
      // Whoever sent it has died on the way.
      if (nowMs - arrival.sinceMs > PUBSUB_ARRIVAL_MS) this.start(id);
    }
    for (const [id, hub] of this.hubs) {
      hub.checkDeadlines(nowMs);
      if (!hub.isUnused) continue;
      this.hubs.delete(id);
      this.options.variants.release(hub.options.variant);
    }
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
      const reach = server === null ? hub.subscribersOf(kind, name) : hub.reach(kind, name, server);
      copies += reach.copies;
      clients += reach.clients;
    }
    return { copies, clients };
  }

  /** A server counts somebody as one client who is more than one, for a message for `name`. False is sure. */
  mayMiscount(kind: Kind, name: string): boolean {
    if (this.options.sharedElsewhere() > 0) return true;
    for (const hub of this.hubs.values()) if (hub.mayReach(kind, name)) return true;
    return false;
  }

  close(): void {
    for (const hub of this.hubs.values()) hub.links.closeAll();
    this.hubs.clear();
  }
}

/** Whoever gives another password than others before is not taken for the same user. */
export function isFor({ options: { as } }: Hub, { state }: RedisFrontend): boolean {
  return as.user === state.user && as.password === state.password;
}
