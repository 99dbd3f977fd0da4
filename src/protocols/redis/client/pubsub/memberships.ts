/**
 * Which client of a shared subscription belongs to which topic, and which topics are still wanted.
 *
 * A topic counts its members: clients that are subscribed, and those that wait for servers to confirm it. One without members is
 * taken from the servers, and is forgotten when its last subscriber has left it.
 */
import { SUBSCRIBE_NAMES_MAX } from "../../../../base/limits.ts";
import type { Allowance } from "./allowance.ts";
import { KINDS, type Kind } from "./kinds.ts";
import type { ServerSubscriptions } from "./server-subscriptions.ts";
import type { Subscriber } from "./subscriber.ts";
import type { Topic } from "./topic.ts";
import { TopicTable } from "./topic-table.ts";

export interface MembershipsOptions {
  readonly allowance: Allowance;
  /** Told of each subscription beyond a topic's first, and of its end (-1). */
  countShared(by: number): void;
}

const nothing = (): void => {};

export class Memberships {
  readonly topics: TopicTable = new TopicTable();
  /**
   * They are about to go to another process, with all topics that are on servers now: it compares those with what its clients
   * want, and until then nothing is forgotten.
   */
  isLeaving = false;
  private readonly options: MembershipsOptions;
  private readonly subscriptions: ServerSubscriptions;

  constructor(options: MembershipsOptions, subscriptions: ServerSubscriptions) {
    this.options = options;
    this.subscriptions = subscriptions;
  }

  /** Counts one member more. */
  join(kind: Kind, name: string): Topic {
    let topic = this.topics.find(kind, name);
    if (topic === undefined) {
      topic = this.topics.create(kind, name);
      topic.place = this.subscriptions.placeOf(kind, name);
      this.options.allowance.onCreated(topic);
    }
    this.count(topic, 1);
    return topic;
  }

  /** Counts members more, or fewer. */
  count(topic: Topic, by: number): void {
    topic.members += by;
    this.options.allowance.subscriptions += by;
  }

  /** `subscriber`, which `join` has counted, gets the topic's messages from now on. */
  add(topic: Topic, subscriber: Subscriber): void {
    subscriber.add(topic);
    topic.add(subscriber);
    if (topic.subscriberCount > 1) this.options.countShared(1);
  }

  /** `subscriber`, which is counted no more, gets no messages of the topic from now on. */
  remove(topic: Topic, subscriber: Subscriber): void {
    subscriber.remove(topic);
    this.take(topic, subscriber);
    this.forgetIfUnused(topic);
  }

  private take(topic: Topic, subscriber: Subscriber): void {
    if (!topic.has(subscriber)) return;
    topic.remove(subscriber);
    if (topic.subscriberCount > 0) this.options.countShared(-1);
  }

  /** `subscriber` is gone: ends all that it has; in slices, see SliceQueue. */
  *takeAll(subscriber: Subscriber): Generator<void, void> {
    for (const kind of KINDS) {
      let left: Topic[] = [];
      for (const topic of subscriber.topics[kind]) {
        this.take(topic, subscriber);
        left.push(topic);
        // Those that it is leaving are no members any more.
        if (!subscriber.leaving.has(topic)) this.count(topic, -1);
        if (left.length < SUBSCRIBE_NAMES_MAX) continue;
        this.forget(left);
        left = [];
        yield;
      }
      this.forget(left);
    }
  }

  /** Ends the memberships of `joined`, from number `from` on, which got no messages yet; in slices. */
  *part(joined: readonly Topic[], from: number): Generator<void, void> {
    let topics: Topic[] = [];
    for (let at = from; at < joined.length; at++) {
      topics.push(joined[at]!);
      this.count(joined[at]!, -1);
      if (topics.length < SUBSCRIBE_NAMES_MAX) continue;
      this.forget(topics);
      topics = [];
      yield;
    }
    this.forget(topics);
  }

  /** Takes those that have no members from the servers. */
  private forget(topics: readonly Topic[]): void {
    if (this.isLeaving) return;
    const unwanted = topics.filter(({ members }) => members === 0);
    if (unwanted.length === 0) return;
    for (const kind of KINDS) {
      const ofKind = unwanted.filter((topic) => topic.kind === kind && topic.number >= 0);
      for (const [subscription, ofSubscription] of this.subscriptions.share([...new Set(ofKind)])) {
        subscription.unsubscribe(kind, ofSubscription, nothing);
      }
    }
    for (const topic of unwanted) this.forgetIfUnused(topic);
  }

  private forgetIfUnused(topic: Topic): void {
    const isUsed = topic.members > 0 || topic.subscriberCount > 0;
    if (isUsed || topic.number < 0 || this.isLeaving) return;
    for (const subscription of this.subscriptions.all) subscription.forget(topic);
    this.topics.forget(topic);
    this.options.allowance.onForgotten(topic);
  }
}
