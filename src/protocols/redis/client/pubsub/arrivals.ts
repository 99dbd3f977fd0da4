/** Hubs that come from other processes: in many packets, with the event loop free in between. */
import type { Upstream } from "../../../../api/upstream.ts";
import { PUBSUB_ARRIVAL_MS } from "../../../../base/limits.ts";
import type { SliceQueue } from "../../../../base/slice-queue.ts";
import { closeFd } from "../../../../os/fd.ts";
import type { Hub } from "./hub.ts";
import { KINDS, type Kind } from "./kinds.ts";
import type { LinkOptions } from "./link.ts";
import type { LeftLink } from "./links.ts";
import { NameCursor } from "./names.ts";
import type { SavedSubscriptions } from "./saved-subscriptions.ts";
import type { Subscriber } from "./subscriber.ts";

/** Names that are subscribed on the connections to these servers. */
export interface NamesOnServers {
  readonly kind: Kind;
  readonly names: readonly string[];
  readonly upstreams: readonly Upstream[];
}

interface Arrival {
  readonly links: LeftLink[];
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
  private readonly options: Pick<LinkOptions, "turn" | "lookBy">;
  private readonly slices: SliceQueue;
  private readonly find: (id: string) => Hub | undefined;
  /** By the hub's id: what came for hubs whose clients are still to come. */
  private readonly arrivals: Map<string, Arrival> = new Map();
  /** By the client's id: those of whose names some are still to come. */
  private readonly incomplete: Map<number, Incomplete> = new Map();

  constructor(
    options: Pick<LinkOptions, "turn" | "lookBy">,
    slices: SliceQueue,
    find: (id: string) => Hub | undefined,
  ) {
    this.options = options;
    this.slices = slices;
    this.find = find;
  }

  /** What came for hub `id`, as far as it came; null: nothing did. */
  linksOf(id: string): readonly LeftLink[] | null {
    return this.arrivals.get(id)?.links ?? null;
  }

  /** A line to a server; the clients of hub `id` follow, and then `start`. */
  addLink(id: string, link: LeftLink): void {
    this.of(id).links.push(link);
  }

  /** What is subscribed on lines to servers. */
  addList(id: string, list: NamesOnServers): void {
    this.of(id).lists.push(list);
  }

  private of(id: string): Arrival {
    const arrival = this.arrivals.get(id) ?? {
      links: [],
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
    const { client, hub } = subscriber;
    const { channels, patterns, shards, toCome = 0 } = saved;
    // Of an arrival the end is heard of, or it is waited for in vain: no client waits for ever.
    if (toCome > 0) this.of(hub.id);
    else this.touch(hub.id);
    hub.subscribers.add(subscriber);
    subscriber.isComplete = false;
    this.incomplete.set(client.state.id, {
      ...{ subscriber, onComplete },
      toCome: toCome + channels.length + patterns.length + shards.length,
    });
    for (const [kind, names] of this.arrivals.get(hub.id)?.early.get(client.state.id) ?? []) {
      this.addNames(hub.id, client.state.id, kind, names);
    }
    const lists = { channel: channels, pattern: patterns, shard: shards };
    this.slices.run(this.addAll(subscriber, lists));
  }

  private *addAll(
    { hub, client }: Subscriber,
    lists: Readonly<Record<Kind, readonly string[]>>,
  ): Generator<void, void> {
    for (const kind of KINDS) {
      const names = new NameCursor(lists[kind]);
      while (!names.isDone) {
        this.addNames(hub.id, client.state.id, kind, names.take());
        if (!names.isDone) yield;
      }
    }
    this.finishIfComplete(client.state.id);
  }

  /** Some of the names of a client of hub `id`. */
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
    subscriber.hub.restore(subscriber, kind, names);
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

  /** All of hub `id` has come, or will not come any more. */
  start(id: string): void {
    const arrival = this.arrivals.get(id);
    if (arrival === undefined) return;
    this.arrivals.delete(id);
    // After what is still being restored.
    this.slices.run(this.finish(id, arrival));
  }

  private *finish(id: string, { links, lists }: Arrival): Generator<void, void> {
    const hub = this.find(id);
    if (hub !== undefined && !hub.isRunning) {
      for (const { kind, names, upstreams } of lists) {
        for (const { upstream } of links) {
          if (upstreams.includes(upstream)) hub.setOn(upstream, kind, names);
        }
        yield;
      }
    }
    // It would miss messages without a word.
    for (const [client, { subscriber }] of this.incomplete) {
      if (subscriber.hub !== hub) continue;
      this.incomplete.delete(client);
      subscriber.close();
    }
    // Its clients may have left by now.
    if (hub !== undefined && this.find(id) === hub && !hub.isRunning) hub.start();
    else for (const { left } of links) closeFd(left.fd);
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
