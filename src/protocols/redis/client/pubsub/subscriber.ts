/** A client that is, or is about to be, subscribed to something. */
import type { ClientPort } from "../../../../api/client-port.ts";
import { SegmentedSet } from "../../../../base/segmented-set.ts";
import type { RedisClientState } from "../client-state.ts";
import type { Kind } from "./kinds.ts";
import type { SavedSubscriptions } from "./saved-subscriptions.ts";
import type { SharedSubscription } from "./shared-subscription.ts";
import type { Topic, TopicMember } from "./topic.ts";

/** What its subscriptions need of a client. */
export interface SubscribedClient {
  readonly session: ClientPort;
  readonly state: RedisClientState;
}

/** RESP3 clients get the same bytes as RESP2 clients, but for the first one. */
const PUSH: Buffer = Buffer.from(">");

export class Subscriber implements TopicMember {
  readonly client: SubscribedClient;
  readonly shared: SharedSubscription;
  /** What it is subscribed to, in the order in which it was. */
  readonly topics: Readonly<Record<Kind, SegmentedSet<Topic>>> = {
    channel: new SegmentedSet(),
    pattern: new SegmentedSet(),
    shard: new SegmentedSet(),
  };
  /** Their names together. */
  bytes = 0;
  /** What it is about to unsubscribe from. */
  readonly leaving: Set<Topic> = new Set();
  /** All that another process has saved of it has come. */
  isComplete = true;
  /** All its subscriptions are about to end. */
  isLeavingAll = false;
  /** The client has closed. */
  isGone = false;

  constructor(client: SubscribedClient, shared: SharedSubscription) {
    this.client = client;
    this.shared = shared;
  }

  /** @param topic it is not subscribed to that */
  add(topic: Topic): void {
    this.topics[topic.kind].add(topic);
    this.bytes += topic.name.length;
  }

  remove(topic: Topic): void {
    if (this.topics[topic.kind].delete(topic)) this.bytes -= topic.name.length;
  }

  /** It is subscribed to that. */
  knows(kind: Kind, name: string): boolean {
    const topic = this.shared.topics.find(kind, name);
    return topic?.has(this) ?? false;
  }

  /** What it is subscribed to; what begins or ends meanwhile may be met or not. */
  *names(kind: Kind): Generator<string, void> {
    for (const { name } of this.topics[kind]) yield name;
  }

  get total(): number {
    const { channel, pattern, shard } = this.topics;
    return channel.size + pattern.size + shard.size;
  }

  /** What confirmations of `kind` count: channels and patterns together, shard channels apart. */
  count(kind: Kind): number {
    const { channel, pattern, shard } = this.topics;
    return kind === "shard" ? shard.size : channel.size + pattern.size;
  }

  /** Gives the client bytes[start, end), a message in RESP2. */
  deliver(bytes: Buffer, start: number, end: number): void {
    const { session, state } = this.client;
    if (state.version === 2) {
      session.push(bytes, start, end);
      return;
    }
    session.push(PUSH, 0, 1);
    session.push(bytes, start + 1, end);
  }

  close(): void {
    this.client.session.close();
  }

  save(): SavedSubscriptions {
    const { shared, total } = this;
    const saved = { hub: shared.id, as: shared.options.as };
    if (shared.namesFollow)
      return { ...saved, channels: [], patterns: [], shards: [], toCome: total };
    return {
      ...saved,
      channels: [...this.names("channel")],
      patterns: [...this.names("pattern")],
      shards: [...this.names("shard")],
    };
  }
}
