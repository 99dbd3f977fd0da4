/** The hubs of one pool in one worker: one for each user that clients are, and those that came from other processes. */
import type { Route, Upstream } from "../../../api/upstream.ts";
import type { RedisFrontend } from "../redis-frontend.ts";
import type { VariantTable } from "../variant-table.ts";
import { Hub, type Reach } from "./hub.ts";
import type { Kind } from "./kinds.ts";
import type { LeftLink } from "./links.ts";
import { type SavedSubscriptions, Subscriber } from "./subscriber.ts";

export interface HubsOptions {
  readonly route: Route;
  /** See LinksOptions. */
  readonly isScattered: boolean;
  readonly timeoutMs: number | null;
  readonly variants: VariantTable;
  /** A number that nobody in any process gets twice. */
  nextId(): number;
}

export class Hubs {
  private readonly options: HubsOptions;
  private readonly hubs: Map<string, Hub> = new Map();
  /** Links that came for hubs none of whose clients has come yet. */
  private readonly arrivals: Map<string, LeftLink[]> = new Map();

  constructor(options: HubsOptions) {
    this.options = options;
  }

  /** Some client may be subscribed to something. */
  get isActive(): boolean {
    return this.hubs.size > 0;
  }

  get all(): Iterable<Hub> {
    return this.hubs.values();
  }

  /** The client as a subscriber, to nothing yet; null: too many kinds of connections are in use. */
  createSubscriber(client: RedisFrontend): Subscriber | null {
    const variant = this.holdVariant(client);
    if (variant < 0) return null;
    for (const hub of this.hubs.values()) {
      if (!hub.isRunning || hub.options.variant !== variant) continue;
      this.options.variants.release(variant);
      return new Subscriber(client, hub);
    }
    const hub = this.createHub(String(this.options.nextId()), variant, null);
    return new Subscriber(client, hub);
  }

  /** The client as another process left it; null: too many kinds of connections are in use. */
  restoreSubscriber(client: RedisFrontend, saved: SavedSubscriptions): Subscriber | null {
    const { hub: id } = saved;
    let hub = this.hubs.get(id);
    if (hub === undefined) {
      const variant = this.holdVariant(client);
      if (variant < 0) return null;
      hub = this.createHub(id, variant, this.arrivals.get(id) ?? null);
      this.arrivals.delete(id);
    }
    const subscriber = new Subscriber(client, hub);
    hub.restore(subscriber, saved);
    return subscriber;
  }

  /** All users speak RESP2 here, and the database does not matter. */
  private holdVariant({ state: { user, password } }: RedisFrontend): number {
    return this.options.variants.hold({ version: 2, database: 0, user, password });
  }

  private createHub(id: string, variant: number, arrivals: LeftLink[] | null): Hub {
    const { route, isScattered, timeoutMs } = this.options;
    const hub = new Hub({ id, variant, route, isScattered, timeoutMs }, arrivals);
    this.hubs.set(id, hub);
    return hub;
  }

  onRouteChange(): void {
    for (const hub of this.hubs.values()) hub.onRouteChange();
  }

  checkDeadlines(nowMs: number): void {
    for (const [id, hub] of this.hubs) {
      hub.checkDeadlines(nowMs);
      if (!hub.isUnused) continue;
      this.hubs.delete(id);
      this.options.variants.release(hub.options.variant);
    }
  }

  /** See Hub; the sum of all. */
  reach(kind: Kind, name: string, upstream: Upstream): Reach {
    return sumOf([...this.all].map((hub) => hub.reach(kind, name, upstream)));
  }

  subscribersOf(kind: Kind, name: string): Reach {
    return sumOf([...this.all].map((hub) => hub.subscribersOf(kind, name)));
  }

  mayReach(kind: Kind, name: string): boolean {
    for (const hub of this.hubs.values()) if (hub.mayReach(kind, name)) return true;
    return false;
  }

  close(): void {
    for (const hub of this.hubs.values()) hub.links.closeAll();
    this.hubs.clear();
  }
}

function sumOf(all: readonly Reach[]): Reach {
  return {
    copies: all.reduce((sum, { copies }) => sum + copies, 0),
    clients: all.reduce((sum, { clients }) => sum + clients, 0),
  };
}
