/** SharedSubscriptions that come from other processes: in many packets, with the event loop free in between. */
import type { Upstream } from "../../../../api/upstream.ts";
import { PUBSUB_ARRIVAL_MS } from "../../../../base/limits.ts";
import type { SliceQueue } from "../../../../base/slice-queue.ts";
import { closeFd } from "../../../../os/fd.ts";
import { KINDS, type Kind } from "./kinds.ts";
import { NameCursor } from "./names.ts";
import type { SavedSubscriptions } from "./saved-subscriptions.ts";
import type { ServerSubscriptionOptions } from "./server-subscription.ts";
import type { LeftConnection } from "./server-subscriptions.ts";
import type { SharedSubscription } from "./shared-subscription.ts";
import type { Subscriber } from "./subscriber.ts";

/** Names that are subscribed on the connections to these servers. */
export interface NamesOnServers {
  readonly kind: Kind;
  readonly names: readonly string[];
  readonly upstreams: readonly Upstream[];
}

interface Arrival {
  readonly subscriptions: LeftConnection[];
  readonly lists: NamesOnServers[];
  /** By the client's id: names of clients whose connection is still being adopted. */
  readonly early: Map<number, (readonly [Kind, readonly string[]])[]>;
  /** When something came last. */
  sinceMs: number;
}

interface Incomplete {
  readonly subscriber: Subscriber;
  readonly onComplete: () => void;
  /** Names. */
  toCome: number;
}

export class Arrivals {
  private readonly options: Pick<ServerSubscriptionOptions, "turn" | "lookBy">;
  private readonly slices: SliceQueue;
  private readonly find: (id: string) => SharedSubscription | undefined;
  /** By the shared subscription's id: what came for shared subscriptions whose clients are still to come. */
  private readonly arrivals: Map<string, Arrival> = new Map();
  /** By the client's id: those of whose names some are still to come. */
  private readonly incomplete: Map<number, Incomplete> = new Map();

  constructor(
    options: Pick<ServerSubscriptionOptions, "turn" | "lookBy">,
    slices: SliceQueue,
    find: (id: string) => SharedSubscription | undefined,
  ) {
    this.options = options;
    this.slices = slices;
    this.find = find;
  }

  /** What came for shared subscription `id`, as far as it came; null: nothing did. */
  subscriptionsOf(id: string): readonly LeftConnection[] | null {
    return this.arrivals.get(id)?.subscriptions ?? null;
  }

  /** A line to a server; the clients of shared subscription `id` follow, and then `start`. */
  addConnection(id: string, subscription: LeftConnection): void {
    this.of(id).subscriptions.push(subscription);
  }

  /** What is subscribed on lines to servers. */
  addList(id: string, list: NamesOnServers): void {
    this.of(id).lists.push(list);
  }

  private of(id: string): Arrival {
    const arrival = this.arrivals.get(id) ?? {
      subscriptions: [],
      lists: [],
      early: new Map(),
      sinceMs: 0,
    };
    this.arrivals.set(id, arrival);
    this.touch(id);
    return arrival;
  }

  /** More may be coming. */
  private touch(id: string): void {
    const arrival = this.arrivals.get(id);
    if (arrival === undefined) return;
    const { turn, lookBy } = this.options;
    arrival.sinceMs = turn.nowMs;
    lookBy(turn.nowMs + PUBSUB_ARRIVAL_MS);
  }

  /** Subscribes a client that has come to what it was subscribed to. `onComplete` is called when that is done, maybe at once. */
  restore(subscriber: Subscriber, saved: SavedSubscriptions, onComplete: () => void): void {
    const { client, shared } = subscriber;
    const { channels, patterns, shards, toCome = 0 } = saved;
    // Of an arrival the end is heard of, or it is waited for in vain: no client waits for ever.
    if (toCome > 0) this.of(shared.id);
    else this.touch(shared.id);
    shared.subscribers.add(subscriber);
    subscriber.isComplete = false;
    this.incomplete.set(client.state.id, {
      ...{ subscriber, onComplete },
      toCome: toCome + channels.length + patterns.length + shards.length,
    });
    for (const [kind, names] of this.arrivals.get(shared.id)?.early.get(client.state.id) ?? []) {
      this.addNames(shared.id, client.state.id, kind, names);
    }
    const lists = { channel: channels, pattern: patterns, shard: shards };
    this.slices.run(this.addAll(subscriber, lists));
  }

  private *addAll(
    { shared, client }: Subscriber,
    lists: Readonly<Record<Kind, readonly string[]>>,
  ): Generator<void, void> {
    for (const kind of KINDS) {
      const names = new NameCursor(lists[kind]);
      while (!names.isDone) {
        this.addNames(shared.id, client.state.id, kind, names.take());
        if (!names.isDone) yield;
      }
    }
    this.finishIfComplete(client.state.id);
  }

  /** Some of the names of a client of shared subscription `id`. */
  addNames(id: string, client: number, kind: Kind, names: readonly string[]): void {
    const found = this.incomplete.get(client);
    if (found === undefined) {
      const { early } = this.of(id);
      early.set(client, [...(early.get(client) ?? []), [kind, names]]);
      return;
    }
    const { subscriber } = found;
    this.touch(id);
    if (subscriber.isGone) {
      this.incomplete.delete(client);
      return;
    }
    subscriber.shared.restore(subscriber, kind, names);
    found.toCome -= names.length;
    this.finishIfComplete(client);
  }

  private finishIfComplete(client: number): void {
    const found = this.incomplete.get(client);
    if (found === undefined || found.toCome > 0) return;
    this.incomplete.delete(client);
    found.subscriber.isComplete = true;
    found.onComplete();
  }

  /** All of shared subscription `id` has come, or will not come any more. */
  start(id: string): void {
    const arrival = this.arrivals.get(id);
    if (arrival === undefined) return;
    this.arrivals.delete(id);
    // After what is still being restored.
    this.slices.run(this.finish(id, arrival));
  }

  private *finish(id: string, { subscriptions, lists }: Arrival): Generator<void, void> {
    const shared = this.find(id);
    if (shared !== undefined && !shared.isRunning) {
      for (const { kind, names, upstreams } of lists) {
        for (const { upstream } of subscriptions) {
          if (upstreams.includes(upstream)) shared.setOn(upstream, kind, names);
        }
        yield;
      }
    }
    // It would miss messages without a word.
    for (const [client, { subscriber }] of this.incomplete) {
      if (subscriber.shared !== shared) continue;
      this.incomplete.delete(client);
      subscriber.close();
    }
    // Its clients may have left by now.
    if (shared !== undefined && this.find(id) === shared && !shared.isRunning) shared.start();
    else for (const { left } of subscriptions) closeFd(left.fd);
  }

  /** Goes on without what is late by now. @returns when to look next; Infinity: nothing can be late */
  look(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [id, { sinceMs }] of this.arrivals) {
      const dueMs = sinceMs + PUBSUB_ARRIVAL_MS;
      // Its sender has died on the way.
      if (dueMs <= nowMs) this.start(id);
      else nextMs = Math.min(nextMs, dueMs);
    }
    return nextMs;
  }
}
