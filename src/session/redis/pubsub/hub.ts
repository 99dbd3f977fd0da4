/**
 * Shares subscriptions among those clients of one worker that are the same user for the servers: one line to each server,
 * however many clients have subscribed.
 *
 * Whatever a client changes is confirmed to it only when the servers concerned have answered. So it gets no message from
 * before its subscription, misses none from after it, and gets all from before it unsubscribed.
 */
import type { Failure } from "../../../api/upstream.ts";
import { encodeError } from "../../../protocol/redis/encode.ts";
import { matchesGlob } from "../../../protocol/redis/glob.ts";
import { NO_SERVER } from "../refusals.ts";
import type { Reach } from "./census.ts";
import { KINDS, type Kind } from "./kinds.ts";
import type { LinkEvents, Outcome } from "./link.ts";
import { type LeftLink, Links, type LinksOptions } from "./links.ts";
import type { SavedSubscriptions, ServerUser, Subscriber } from "./subscriber.ts";
import { byLink, type Home, Topic } from "./topic.ts";

export interface HubOptions extends LinksOptions {
  /** No other hub of any process has the same. */
  readonly id: string;
  /** Who its clients are; `variant` is that user's. */
  readonly as: ServerUser;
  /** How long servers may take to confirm; null: as long as they like. */
  readonly timeoutMs: number | null;
  /** Told of each subscription beyond a topic's first, and of its end (-1). */
  countShared(by: number): void;
}

/** Why a client's wish came to nothing: a server's error or the proxy's, or a failure; null: it did not. */
export type Fault = Buffer | Failure | null;

/** A client's wish that is under way. */
interface Change {
  readonly topics: readonly Topic[];
  readonly subscriber: Subscriber;
  readonly isLeaving: boolean;
  readonly onDone: (fault: Fault) => void;
  /** Requests to servers that are not answered. */
  pending: number;
  isDone: boolean;
  /** -1: not known yet. */
  startedMs: number;
  /** The first that went wrong. */
  fault: Fault;
}

type Topics = Readonly<Record<Kind, Map<string, Topic>>>;

const MOVED: Buffer = encodeError("ERR The servers of the pool changed meanwhile; try again");
const nothing = (): void => {};

export class Hub implements LinkEvents {
  readonly options: HubOptions;
  readonly links: Links;
  readonly subscribers: Set<Subscriber> = new Set();

  private readonly topics: Topics = {
    channel: new Map(),
    pattern: new Map(),
    shard: new Map(),
  };
  private readonly changes: Set<Change> = new Set();
  /** What another process has left, while its clients are still to come; null: the hub runs. */
  private arrivals: readonly LeftLink[] | null;

  /** @param arrivals for a hub that other process had: it waits for `start` */
  constructor(options: HubOptions, arrivals: readonly LeftLink[] | null) {
    this.options = options;
    this.arrivals = arrivals;
    this.links = new Links(options, this, arrivals === null);
  }

  get id(): string {
    return this.options.id;
  }

  // What clients want

  /** Calls back once: with null when `subscriber` gets the messages of all `names`, else with why of none. Maybe at once. */
  subscribe(
    subscriber: Subscriber,
    kind: Kind,
    names: Iterable<string>,
    onDone: (fault: Fault) => void,
  ): void {
    this.subscribers.add(subscriber);
    const topics = [...new Set(names)].map((name) => this.join(kind, name));
    const change = this.begin({ topics, subscriber, isLeaving: false, onDone });
    for (const [link, homes] of byLink(homesOf(topics))) {
      change.pending++;
      link.subscribe(kind, homes, (outcome) => this.answered(change, outcome));
    }
    this.answered(change, null);
  }

  /** Calls back once, when `subscriber` gets no more messages of all `names`, which it was subscribed to. Maybe at once. */
  unsubscribe(
    subscriber: Subscriber,
    kind: Kind,
    names: Iterable<string>,
    onDone: () => void,
  ): void {
    const topics = [...new Set(names)].map((name) => subscriber.topics[kind].get(name)!);
    for (const topic of topics) {
      topic.members--;
      subscriber.leaving.add(topic);
    }
    const change = this.begin({ topics, subscriber, isLeaving: true, onDone });
    const onAnswer = (): void => this.answered(change, null);
    for (const [link, homes] of byLink(homesOf(topics))) {
      const unwanted = homes.filter(({ topic }) => topic.members === 0);
      change.pending++;
      if (unwanted.length > 0) link.unsubscribe(kind, unwanted, onAnswer);
      else link.barrier(onAnswer);
    }
    this.answered(change, null);
  }

  /** The client is gone. */
  drop(subscriber: Subscriber): void {
    subscriber.isGone = true;
    this.subscribers.delete(subscriber);
    const left: Topic[] = [];
    for (const kind of KINDS) {
      for (const topic of subscriber.topics[kind].values()) {
        this.take(topic, subscriber);
        if (subscriber.leaving.has(topic)) continue;
        topic.members--;
        left.push(topic);
      }
    }
    this.forget(left);
  }

  /** Goes on with a client of another process, which was subscribed to that. */
  restore(subscriber: Subscriber, { channels, patterns, shards }: SavedSubscriptions): void {
    this.subscribers.add(subscriber);
    const names = { channel: channels, pattern: patterns, shard: shards };
    for (const kind of KINDS) {
      const topics = names[kind].map((name) => this.join(kind, name));
      for (const topic of topics) this.give(topic, subscriber);
      for (const [link, homes] of byLink(homesOf(topics))) link.want(kind, homes);
    }
  }

  /** All of its clients have come from the other process. */
  start(): void {
    const { arrivals } = this;
    this.arrivals = null;
    if (arrivals !== null) this.links.open(arrivals);
  }

  get isRunning(): boolean {
    return this.arrivals === null;
  }

  /** Nobody needs it, and it has no connection. */
  get isUnused(): boolean {
    return this.subscribers.size === 0 && this.links.all.length === 0;
  }

  /** Counts one member more. */
  private join(kind: Kind, name: string): Topic {
    let topic = this.topics[kind].get(name);
    if (topic === undefined) {
      topic = new Topic(kind, name);
      topic.settleOn(this.links.of(kind, name));
      this.topics[kind].set(name, topic);
    }
    topic.members++;
    return topic;
  }

  private begin(wish: Pick<Change, "topics" | "subscriber" | "isLeaving" | "onDone">): Change {
    const change: Change = { ...wish, pending: 1, isDone: false, startedMs: -1, fault: null };
    this.changes.add(change);
    return change;
  }

  private answered(change: Change, outcome: Outcome): void {
    change.fault ??= outcome;
    if (--change.pending === 0) this.end(change);
  }

  private end(change: Change): void {
    if (change.isDone) return;
    change.isDone = true;
    this.changes.delete(change);
    if (change.isLeaving) this.endLeaving(change);
    else this.endJoining(change);
  }

  private endJoining({ topics, subscriber, fault, onDone }: Change): void {
    // One server that is there is enough; the others follow when they are back.
    const missing = topics.find((topic) => !topic.isOn);
    const hasFailed = Buffer.isBuffer(fault) || missing !== undefined;
    if (hasFailed || subscriber.isGone) {
      for (const topic of topics) topic.members--;
      this.forget(topics);
    } else {
      for (const topic of topics) {
        if (topic.subscribers.has(subscriber)) topic.members--;
        else this.give(topic, subscriber);
      }
    }
    if (subscriber.total === 0) this.subscribers.delete(subscriber);
    const reason = fault ?? (missing?.homes.length === 0 ? NO_SERVER : MOVED);
    onDone(hasFailed ? reason : null);
  }

  private endLeaving({ topics, subscriber, onDone }: Change): void {
    for (const topic of topics) {
      subscriber.leaving.delete(topic);
      this.take(topic, subscriber);
      subscriber.topics[topic.kind].delete(topic.name);
      this.forgetIfUnused(topic);
    }
    if (subscriber.total === 0) this.subscribers.delete(subscriber);
    onDone(null);
  }

  private give(topic: Topic, subscriber: Subscriber): void {
    subscriber.topics[topic.kind].set(topic.name, topic);
    topic.subscribers.add(subscriber);
    if (topic.subscribers.size > 1) this.options.countShared(1);
  }

  private take(topic: Topic, subscriber: Subscriber): void {
    if (topic.subscribers.delete(subscriber) && topic.subscribers.size > 0) {
      this.options.countShared(-1);
    }
  }

  /** Takes those that nobody wants any more from the servers. */
  private forget(topics: readonly Topic[]): void {
    const unwanted = topics.filter(({ members }) => members === 0);
    for (const kind of KINDS) {
      const homes = homesOf(unwanted.filter((topic) => topic.kind === kind));
      for (const [link, ofLink] of byLink(homes)) link.unsubscribe(kind, ofLink, nothing);
    }
    for (const topic of unwanted) this.forgetIfUnused(topic);
  }

  private forgetIfUnused({ kind, name, members, subscribers }: Topic): void {
    if (members === 0 && subscribers.size === 0) this.topics[kind].delete(name);
  }

  // What servers say

  onMessage(kind: Kind, name: string, bytes: Buffer, start: number, end: number): void {
    const topic = this.topics[kind].get(name);
    if (topic === undefined) return;
    for (const subscriber of topic.subscribers) subscriber.deliver(bytes, start, end);
  }

  /** As Redis does with those whose permission was taken away. */
  onBarred({ topic }: Home): void {
    for (const { client } of [...topic.subscribers]) client.session.close();
  }

  /** Servers were ejected or came back: shard channels move as keys do. */
  onRouteChange(): void {
    for (const kind of KINDS) {
      const left: Home[] = [];
      const found: Home[] = [];
      for (const topic of this.topics[kind].values()) {
        const links = this.links.of(kind, topic.name);
        // Without any server left it stays where it is.
        if (links.length !== 1 || topic.homes[0]?.link === links[0]) continue;
        left.push(...topic.homes);
        topic.settleOn(links);
        if (topic.members > 0) found.push(...topic.homes);
      }
      for (const [link, homes] of byLink(found)) link.want(kind, homes);
      for (const [link, homes] of byLink(left)) link.unsubscribe(kind, homes, nothing);
    }
  }

  checkDeadlines(nowMs: number): void {
    const { timeoutMs } = this.options;
    for (const change of this.changes) {
      if (change.startedMs < 0) change.startedMs = nowMs;
      if (timeoutMs === null || nowMs - change.startedMs <= timeoutMs) continue;
      const text = `Connection timed out (no confirmation from the servers within ${timeoutMs} ms)`;
      change.fault ??= { kind: "timeout", wasSent: true, text };
      this.end(change);
    }
    this.links.checkDeadlines(nowMs);
  }

  // Who gets what

  /** What a message for `name` that is published on the server called `server` comes to. */
  reach(kind: Kind, name: string, server: string): Reach {
    let copies = 0;
    let clients = 0;
    for (const { homes, subscribers } of this.topicsOf(kind, name)) {
      if (!homes.some(({ isOn, link }) => isOn && link.upstream.name === server)) continue;
      copies++;
      clients += subscribers.size;
    }
    return { copies, clients };
  }

  /** Everything that a message for `name` belongs to. */
  private *topicsOf(kind: Kind, name: string): Generator<Topic> {
    const topic = this.topics[kind].get(name);
    if (topic !== undefined) yield topic;
    if (kind !== "channel") return;
    for (const pattern of this.topics.pattern.values()) {
      if (matchesGlob(pattern.name, name)) yield pattern;
    }
  }

  /** Subscriptions to exactly `name`: those that this hub has with servers, and those that clients have with it. */
  subscribersOf(kind: Kind, name: string): Reach {
    const topic = this.topics[kind].get(name);
    const copies = topic?.homes.filter(({ isOn }) => isOn).length ?? 0;
    return { copies, clients: topic?.subscribers.size ?? 0 };
  }

  /** False: no message for `name` comes to clients of this hub. */
  mayReach(kind: Kind, name: string): boolean {
    const { channel, shard, pattern } = this.topics;
    return kind === "shard" ? shard.has(name) : channel.has(name) || pattern.size > 0;
  }
}

function* homesOf(topics: Iterable<Topic>): Generator<Home> {
  for (const topic of topics) yield* topic.homes;
}
