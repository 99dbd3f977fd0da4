/**
 * What clients of one shared subscription are subscribed to: a channel, a pattern or a shard channel.
 *
 *   Subscriber ◀─▶ Topic ─▶ place: one server or all
 *
 * There is one object for each name, and there may be hundreds of thousands: what server subscriptions know of topics they keep as bits,
 * by the topics' numbers.
 */
import type { Upstream } from "../../../../api/upstream.ts";
import { add, has, membersOf, remove, type SmallSet, sizeOf } from "../../../../base/small-set.ts";
import type { Kind } from "./kinds.ts";
/** Where a topic is subscribed: on every server, on one (see ServerSubscriptions), or, when all servers are ejected, on none. */
export type Place = Upstream | "everywhere" | "nowhere";

/** What gets a topic's messages. */
export interface TopicMember {
  /** Gives it bytes[start, end), a message in RESP2; they never change. */
  deliver(bytes: Buffer, start: number, end: number): void;
  /** Closes the connection of its client. */
  close(): void;
}

export class Topic {
  readonly kind: Kind;
  /** One character per byte. */
  readonly name: string;
  /** No other topic of the shared subscription has it. -1: the shared subscription has forgotten this topic. */
  number: number;
  place: Place = "nowhere";
  /**
   * Subscriptions, without those that are about to end, and with those whose confirmation is still to come. None: the
   * topic is not to be subscribed on servers.
   */
  members = 0;

  private who: SmallSet<TopicMember> = null;

  constructor(kind: Kind, name: string, number: number) {
    this.kind = kind;
    this.name = name;
    this.number = number;
  }

  get subscribers(): Iterable<TopicMember> {
    return membersOf(this.who);
  }

  get subscriberCount(): number {
    return sizeOf(this.who);
  }

  has(subscriber: TopicMember): boolean {
    return has(this.who, subscriber);
  }

  add(subscriber: TopicMember): void {
    this.who = add(this.who, subscriber);
  }

  remove(subscriber: TopicMember): void {
    this.who = remove(this.who, subscriber);
  }

  isAt(upstream: Upstream): boolean {
    return this.place === upstream || this.place === "everywhere";
  }
}
