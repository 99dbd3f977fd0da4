/**
 * Shares subscriptions among those clients of one worker that are the same user for the servers: one line to each server,
 * however many clients have subscribed.
 *
 * Whatever a client changes is confirmed to it only when the servers concerned have answered. So it gets no message from
 * before its subscription, misses none from after it, and gets all from before it unsubscribed.
 *
 * A client may name hundreds of thousands of channels at once, or leave as many behind. All that is done for each of them is
 * done in slices, with the event loop free in between.
 */
import type { Upstream } from "../../../../api/upstream.ts";
import type { Deadlines } from "../../../../base/deadlines.ts";
import { SUBSCRIBE_NAMES_MAX } from "../../../../base/limits.ts";
import type { SliceQueue } from "../../../../base/slice-queue.ts";
import { encodeError } from "../../codec/encode.ts";
import { NO_SERVER } from "../refusals.ts";
import { Changes, type Fault } from "./changes.ts";
import { followServers } from "./follow-servers.ts";
import type { Kind } from "./kinds.ts";
import { Memberships, type MembershipsOptions } from "./memberships.ts";
import type { NameCursor } from "./names.ts";
import { subscriptionsWith } from "./reach.ts";
import type { ServerUser } from "./saved-subscriptions.ts";
import type { Done, ServerSubscription, ServerSubscriptionEvents } from "./server-subscription.ts";
import {
  type LeftConnection,
  ServerSubscriptions,
  type ServerSubscriptionsOptions,
} from "./server-subscriptions.ts";
import { moveShards } from "./shard-moves.ts";
import { SlotMoves } from "./slot-moves.ts";
import type { Subscriber } from "./subscriber.ts";
import { Topic } from "./topic.ts";
import type { TopicTable } from "./topic-table.ts";

export interface SharedSubscriptionOptions extends ServerSubscriptionsOptions, MembershipsOptions {
  /** No other shared subscription of any process has the same. */
  readonly id: string;
  /** Who its clients are; `variant` is that user's. */
  readonly as: ServerUser;
  /** How long servers may take to confirm; null: as long as they like. */
  readonly timeoutMs: () => number | null;
  /** On the clock of `turn`. */
  readonly deadlines: Deadlines;
  /** Shared by all shared subscriptions of the pool. */
  readonly slices: SliceQueue;
}

/** What a client wishes to be subscribed to, or no longer. */
export interface Wish {
  readonly subscriber: Subscriber;
  readonly kind: Kind;
  /** In the order of the request, with its repetitions. */
  readonly names: NameCursor;
  /** The subscription to `name`, the next one of `names`, has begun or ended. */
  onName(name: string): void;
  /** Some of `names` are done. */
  onSlice(): void;
  /** The end. With a fault nothing has changed, and `onName` was not called. */
  onDone(fault: Fault): void;
}

const MOVED: Buffer = encodeError("ERR The servers of the pool changed meanwhile; try again");

export class SharedSubscription implements ServerSubscriptionEvents {
  readonly options: SharedSubscriptionOptions;
  readonly subscriptions: ServerSubscriptions;
  readonly subscribers: Set<Subscriber> = new Set();
  private readonly memberships: Memberships;
  /** Null: the pool is no cluster. */
  private readonly slotMoves: SlotMoves | null;

  private readonly changes: Changes;
  /** Long work that is not done yet. */
  private jobs = 0;
  /** What another process has left, while its clients are still to come; null: the shared subscription runs. */
  private arrivals: readonly LeftConnection[] | null;
  namesFollow = false;

  /** @param arrivals for a shared subscription that other process had: it waits for `start` */
  constructor(options: SharedSubscriptionOptions, arrivals: readonly LeftConnection[] | null) {
    this.options = options;
    this.arrivals = arrivals;
    this.changes = new Changes(options);
    this.subscriptions = new ServerSubscriptions(options, this, arrivals === null);
    this.memberships = new Memberships(options, this.subscriptions);
    const { cluster, deadlines } = options;
    this.slotMoves =
      cluster === null ? null : new SlotMoves(cluster, this.subscriptions, deadlines);
  }

  get id(): string {
    return this.options.id;
  }

  get topics(): TopicTable {
    return this.memberships.topics;
  }

  // What clients want

  /** `wish.onDone` may be called at once. */
  subscribe(wish: Wish): void {
    const { subscriber, kind, names } = wish;
    this.subscribers.add(subscriber);
    const joined: Topic[] = [];
    const next = (fault: Fault): void => {
      if (fault !== null || subscriber.isGone) {
        this.run(this.memberships.part(joined, 0));
        this.dismissIfDone(subscriber);
        wish.onDone(fault);
        return;
      }
      if (names.isDone) this.run(this.give(joined, wish));
      else this.joinSome(kind, names.take(), joined, next);
    };
    next(null);
  }

  /** Counts one member more of each, and calls back when the servers have answered. */
  private joinSome(
    kind: Kind,
    names: readonly string[],
    joined: Topic[],
    onDone: (fault: Fault) => void,
  ): void {
    const refusal = this.options.allowance.refusalFor(this.topics, kind, names);
    if (refusal !== null) {
      onDone(refusal);
      return;
    }
    const topics = new Set<Topic>();
    for (const name of names) {
      const topic = this.memberships.join(kind, name);
      topics.add(topic);
      joined.push(topic);
    }
    const change = this.changes.begin([...topics], (fault) => {
      // One server that is there is enough; the others follow when they are back.
      const subscriptions = this.subscriptions.all;
      const missing = change.topics.find(
        (topic) => subscriptionsWith(topic, subscriptions).length === 0,
      );
      const reason = fault ?? (missing?.place === "nowhere" ? NO_SERVER : MOVED);
      onDone(Buffer.isBuffer(fault) || missing !== undefined ? reason : null);
    });
    for (const [subscription, ofSubscription] of this.subscriptions.share(change.topics)) {
      change.pending++;
      subscription.subscribe(kind, ofSubscription, (outcome) =>
        this.changes.answered(change, outcome),
      );
    }
    this.changes.answered(change, null);
  }

  /** Servers have confirmed all of `joined`. */
  private *give(joined: readonly Topic[], wish: Wish): Generator<void, void> {
    const { subscriber } = wish;
    for (let at = 0; at < joined.length; at++) {
      if (at > 0 && at % SUBSCRIBE_NAMES_MAX === 0) {
        wish.onSlice();
        yield;
        if (subscriber.isGone) {
          yield* this.memberships.part(joined, at);
          break;
        }
      }
      const topic = joined[at]!;
      if (topic.has(subscriber)) this.memberships.count(topic, -1);
      else this.memberships.add(topic, subscriber);
      wish.onName(topic.name);
    }
    this.dismissIfDone(subscriber);
    wish.onSlice();
    wish.onDone(null);
  }

  /** Has no fault. `wish.onDone` may be called at once. */
  unsubscribe(wish: Wish): void {
    const { subscriber, kind } = wish;
    const next = (): void => {
      if (subscriber.isGone || wish.names.isDone) {
        wish.onDone(null);
        return;
      }
      const names = wish.names.take();
      this.leaveSome(subscriber, kind, names, () => {
        for (const name of names) {
          const topic = this.topics.find(kind, name);
          if (topic !== undefined && subscriber.leaving.delete(topic))
            this.memberships.remove(topic, subscriber);
          wish.onName(name);
        }
        this.dismissIfDone(subscriber);
        wish.onSlice();
        if (wish.names.isDone) next();
        else this.run(later(next));
      });
    };
    next();
  }

  /** Calls back when `subscriber` gets no more messages of all those `names` that it is subscribed to. */
  private leaveSome(
    subscriber: Subscriber,
    kind: Kind,
    names: readonly string[],
    onDone: () => void,
  ): void {
    const topics: Topic[] = [];
    for (const name of names) {
      const topic = this.topics.find(kind, name);
      if (topic === undefined || !topic.has(subscriber) || subscriber.leaving.has(topic)) continue;
      this.memberships.count(topic, -1);
      subscriber.leaving.add(topic);
      topics.push(topic);
    }
    const change = this.changes.begin(topics, onDone);
    const onAnswer = (): void => this.changes.answered(change, null);
    for (const [subscription, ofSubscription] of this.subscriptions.share(topics)) {
      const unwanted = ofSubscription.filter(({ members }) => members === 0);
      change.pending++;
      if (unwanted.length > 0) subscription.unsubscribe(kind, unwanted, onAnswer);
      else subscription.barrier(onAnswer);
    }
    this.changes.answered(change, null);
  }

  /** The client is gone. */
  drop(subscriber: Subscriber): void {
    subscriber.isGone = true;
    this.subscribers.delete(subscriber);
    if (subscriber.total > 0) this.run(this.memberships.takeAll(subscriber));
  }

  /** Goes on with a client of another process, which was subscribed to `names`, among others. */
  restore(subscriber: Subscriber, kind: Kind, names: readonly string[]): void {
    const topics = names.map((name) => this.memberships.join(kind, name));
    for (const topic of topics) this.memberships.add(topic, subscriber);
    for (const [subscription, ofSubscription] of this.subscriptions.share(topics))
      subscription.want(kind, ofSubscription);
  }

  /** `names` are subscribed on the connection to `upstream` that another process has left. To be called before `start`. */
  setOn(upstream: Upstream, kind: Kind, names: readonly string[]): void {
    const subscription = this.subscriptions.need(upstream);
    for (const name of names)
      subscription.setOn(this.topics.find(kind, name) ?? new Topic(kind, name, -1));
  }

  /** All of its clients have come from the other process, and `setOn` was called for all that is on servers. */
  start(): void {
    const { arrivals } = this;
    this.arrivals = null;
    if (arrivals === null) return;
    this.subscriptions.open(arrivals);
    // Servers may have left since these connections were sent.
    this.onRouteChange();
  }

  get isRunning(): boolean {
    return this.arrivals === null;
  }

  /** Clients of this process may join it: what they ask servers is answered here. */
  get takesClients(): boolean {
    return this.isRunning && !this.memberships.isLeaving;
  }

  /** No client needs it, and it has no connection. */
  get isUnused(): boolean {
    return this.subscribers.size === 0 && this.subscriptions.all.length === 0 && this.jobs === 0;
  }

  /** Nothing is under way. */
  get isQuiet(): boolean {
    return this.isRunning && this.jobs === 0 && this.subscriptions.areQuiet;
  }

  /**
   * Reads nothing from now on, for good, and keeps `topics` as they are on servers. While `isQuiet`.
   * @param namesFollow what its clients are subscribed to is not saved with them, but by itself
   * @returns lines that another process can go on with
   */
  beginToLeave(namesFollow: boolean): ServerSubscription[] {
    this.memberships.isLeaving = true;
    this.namesFollow = namesFollow;
    return this.subscriptions.pause();
  }

  private dismissIfDone(subscriber: Subscriber): void {
    if (subscriber.total === 0) this.subscribers.delete(subscriber);
  }

  private run(job: Generator<void, void>): void {
    this.jobs++;
    this.options.slices.run(this.counted(job));
  }

  private *counted(job: Generator<void, void>): Generator<void, void> {
    yield* job;
    this.jobs--;
  }

  // What servers say

  onMessage(kind: Kind, name: string, bytes: Buffer, start: number, end: number): void {
    const topic = this.topics.find(kind, name);
    if (topic === undefined) return;
    for (const subscriber of topic.subscribers) subscriber.deliver(bytes, start, end);
  }

  onElsewhere(server: Upstream, topics: readonly Topic[], error: Buffer, onDone: Done): void {
    if (this.slotMoves === null) onDone(error);
    else this.slotMoves.onElsewhere(server, topics, error, onDone);
  }

  /** As Redis does with those whose permission was taken away. */
  onResubscribeDenied(topic: Topic): void {
    for (const subscriber of [...topic.subscribers]) subscriber.close();
  }

  /** Servers were ejected or came back, or others are the pool's now: shard channels move as keys do. */
  onRouteChange(): void {
    this.run(followServers(this.topics, this.subscriptions));
    this.run(moveShards(this.topics, this.subscriptions));
  }

  /** Deals with what is late by now. @returns when to look next; Infinity: nothing can be late */
  look(nowMs: number): number {
    return Math.min(this.changes.look(nowMs), this.subscriptions.look(nowMs));
  }
}

/** In the next turn of the event loop. */
function* later(action: () => void): Generator<void, void> {
  yield;
  action();
}
