/**
 * What clients of one hub are subscribed to: a channel, a pattern or a shard channel.
 *
 *   Subscriber ◀─▶ Topic ─▶ place: one Link or all ─▶ servers
 *
 * There is one object for each name, and there may be hundreds of thousands: what links know of topics they keep as bits,
 * by the topics' numbers.
 */
import { add, has, membersOf, remove, type SmallSet, sizeOf } from "../../../../base/small-set.ts";
import type { Kind } from "./kinds.ts";
import type { Link } from "./link.ts";
import type { Subscriber } from "./subscriber.ts";

/** Where a topic is subscribed: on every server, on one (see Links), or, when all servers are ejected, on none. */
export type Place = Link | "everywhere" | "nowhere";

export class Topic {
  readonly kind: Kind;
  /** One character per byte. */
  readonly name: string;
  /** No other topic of the hub has it. -1: the hub has forgotten this topic. */
  number: number;
  place: Place = "nowhere";
  /**
   * Subscriptions, without those that are about to end, and with those whose confirmation is still to come. None: the
   * topic is not to be subscribed on servers.
   */
  members = 0;

  private who: SmallSet<Subscriber> = null;

  constructor(kind: Kind, name: string, number: number) {
    this.kind = kind;
    this.name = name;
    this.number = number;
  }

  get subscribers(): Iterable<Subscriber> {
    return membersOf(this.who);
  }

  get subscriberCount(): number {
    return sizeOf(this.who);
  }

  has(subscriber: Subscriber): boolean {
    return has(this.who, subscriber);
  }

  add(subscriber: Subscriber): void {
    this.who = add(this.who, subscriber);
  }

  remove(subscriber: Subscriber): void {
    this.who = remove(this.who, subscriber);
  }

  isAt(link: Link): boolean {
    return this.place === link || this.place === "everywhere";
  }
}
