/** A shared subscription's lines to the servers of its pool, and which of them a topic is subscribed on. */
import { ACCESS, PlainFacts } from "../../../../api/request-facts.ts";
import type { LeftSubscriber, Route, Upstream } from "../../../../api/upstream.ts";
import type { Kind } from "./kinds.ts";
import {
  ServerSubscription,
  type ServerSubscriptionEvents,
  type ServerSubscriptionOptions,
} from "./server-subscription.ts";
import type { Place, Topic } from "./topic.ts";

/** Each node of a cluster tells of its own keys only. */
const NOTIFICATION = /^__key(space|event)@/;

export interface ServerSubscriptionsOptions extends ServerSubscriptionOptions {
  readonly route: Route;
}

/** A line to a server that another process has left. */
export interface LeftConnection {
  readonly upstream: Upstream;
  readonly left: LeftSubscriber;
}

const channel: PlainFacts = new PlainFacts();

export class ServerSubscriptions {
  private readonly options: ServerSubscriptionsOptions;
  private readonly events: ServerSubscriptionEvents;
  /** By the server's index; made when first needed. */
  private readonly subscriptions: (ServerSubscription | undefined)[] = [];
  private isOpen: boolean;
  /** They go to another process. Their shared subscription takes no clients any more, so this stays as it is. */
  private arePaused = false;

  /** @param isOpen false: nothing is connected until `open` */
  constructor(
    options: ServerSubscriptionsOptions,
    events: ServerSubscriptionEvents,
    isOpen: boolean,
  ) {
    this.options = options;
    this.events = events;
    this.isOpen = isOpen;
  }

  /** Goes on with what another process has left, and connects to the other servers that are needed. */
  open(arrivals: readonly LeftConnection[]): void {
    this.isOpen = true;
    const adopted = new Set<ServerSubscription>();
    for (const { upstream, left } of arrivals) {
      const subscription = this.make(upstream);
      adopted.add(subscription);
      subscription.adopt(left);
    }
    for (const subscription of this.all)
      if (!adopted.has(subscription)) subscription.connection.open();
  }

  get all(): ServerSubscription[] {
    return this.subscriptions.filter((subscription) => subscription !== undefined);
  }

  /** One whose server has too much to take in already, or null. */
  get full(): ServerSubscription | null {
    return this.all.find((subscription) => subscription.connection.isFull) ?? null;
  }

  /** Calls back when all that `upstream` had sent has been delivered. Maybe at once. */
  barrier(upstream: Upstream, onDone: () => void): void {
    const subscription = this.subscriptions[upstream.id];
    if (subscription === undefined) onDone();
    else subscription.barrier(onDone);
  }

  /**
   * Where a topic is to be subscribed; nowhere when every server is ejected. A shard channel is on the server that its name
   * belongs to, as a key is; on a cluster, whose nodes pass messages on to each other, so is any other channel or pattern but of
   * keyspace notifications. All else is on all servers, because scripts, transactions and servers themselves (keyspace
   * notifications) publish wherever their keys are.
   */
  placeOf(kind: Kind, name: string): Place {
    const { route, cluster } = this.options;
    const isOnOne = kind === "shard" || (cluster !== null && !NOTIFICATION.test(name));
    if (!isOnOne || !route.isStable) return "everywhere";
    const upstream = route.pick(channel.ofKey(Buffer.from(name, "latin1"), ACCESS.write));
    if (upstream === null) return "nowhere";
    this.need(upstream);
    return upstream;
  }

  /** Lines to all servers. */
  get everywhere(): ServerSubscription[] {
    return this.options.route.upstreams.map((upstream) => this.need(upstream));
  }

  /** Those of `topics` that are on a line, for each line. */
  share(topics: readonly Topic[]): [subscription: ServerSubscription, topics: readonly Topic[]][] {
    const isEverywhere = topics.some(({ place }) => place === "everywhere");
    const subscriptions = isEverywhere ? this.everywhere : this.all;
    return subscriptions
      .map((subscription): [ServerSubscription, Topic[]] => [
        subscription,
        topics.filter((topic) => topic.isAt(subscription.upstream)),
      ])
      .filter(([, ofSubscription]) => ofSubscription.length > 0);
  }

  /** Of topics of one kind some may be everywhere, and others on one server. */
  get areMixed(): boolean {
    return this.options.cluster !== null;
  }

  /** Servers of the pool to which there is no line. */
  get missing(): Upstream[] {
    const { upstreams } = this.options.route;
    return upstreams.filter(({ id }) => this.subscriptions[id] === undefined);
  }

  /** Has `topics`, of one kind, subscribed on `upstream`, unless that has left meanwhile. */
  want(upstream: Upstream, kind: Kind, topics: readonly Topic[]): void {
    if (this.arePaused || !this.options.route.all.includes(upstream)) return;
    this.need(upstream).want(kind, topics);
  }

  /** Gives up the lines to servers that are no longer the pool's. */
  dropLeft(): void {
    if (this.arePaused || !this.isOpen) return;
    const { all } = this.options.route;
    for (const subscription of this.all) {
      const { upstream } = subscription;
      if (all.includes(upstream)) continue;
      this.subscriptions[upstream.id] = undefined;
      subscription.abandon(`server ${upstream.name} was taken out of the pool`);
    }
  }

  need(upstream: Upstream): ServerSubscription {
    const subscription = this.subscriptions[upstream.id];
    if (subscription !== undefined) return subscription;
    const made = this.make(upstream);
    if (this.isOpen) made.connection.open();
    return made;
  }

  private make(upstream: Upstream): ServerSubscription {
    const subscription =
      this.subscriptions[upstream.id] ??
      new ServerSubscription(upstream, this.options, this.events);
    this.subscriptions[upstream.id] = subscription;
    return subscription;
  }

  /** Nothing is asked that is not answered, and everything is sent. */
  get areQuiet(): boolean {
    return this.all.every(({ connection, isQuiet }) => {
      return !connection.isUp || (isQuiet && connection.isMovable);
    });
  }

  /** Does without those that keep `areQuiet` from being true: another process makes new ones. */
  abandonBusy(): void {
    for (const subscription of this.all) {
      const { connection, isQuiet } = subscription;
      if (isQuiet && (!connection.isUp || connection.isMovable)) continue;
      const { name } = subscription.upstream;
      subscription.abandon(`server ${name} did not answer before its clients were moved`);
    }
  }

  /** Reads nothing from now on. While `areQuiet`. @returns those that another process can go on with */
  pause(): ServerSubscription[] {
    this.arePaused = true;
    const standing = this.all.filter(({ connection }) => connection.isUp);
    for (const { connection } of standing) connection.pause();
    return standing;
  }

  /** Deals with what is late by now. @returns when to look next; Infinity: nothing can be late */
  look(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    if (this.arePaused) return nextMs;
    for (const subscription of this.all) {
      subscription.checkSilence(nowMs);
      if (subscription.hasIdled(nowMs)) this.close(subscription);
      else nextMs = Math.min(nextMs, subscription.dueMs);
    }
    return nextMs;
  }

  private close(subscription: ServerSubscription): void {
    subscription.connection.discard();
    this.subscriptions[subscription.upstream.id] = undefined;
  }

  closeAll(): void {
    for (const subscription of this.all) this.close(subscription);
  }
}
