/**
 * What clients of one hub are subscribed to: a channel, a pattern or a shard channel, and the servers it is subscribed on.
 *
 *   Subscriber ◀─▶ Topic ◀─▶ Home ─▶ Link ─▶ server
 *
 * Channels and patterns have a home on every server, a shard channel on one (see Links).
 */
import type { Kind } from "./kinds.ts";
import type { Link } from "./link.ts";
import type { Subscriber } from "./subscriber.ts";

/** One topic on one server. */
export interface Home {
  readonly topic: Topic;
  readonly link: Link;
  /** The server has confirmed it, on the connection that stands now. */
  isOn: boolean;
}

export class Topic {
  readonly kind: Kind;
  /** One character per byte. */
  readonly name: string;
  readonly subscribers: Set<Subscriber> = new Set();
  /** Subscribers, without those that are leaving, and with those whose confirmation is still to come. None: nobody wants it. */
  members = 0;
  homes: readonly Home[] = [];

  constructor(kind: Kind, name: string) {
    this.kind = kind;
    this.name = name;
  }

  /** On one server at the least. */
  get isOn(): boolean {
    return this.homes.some((home) => home.isOn);
  }

  settleOn(links: readonly Link[]): void {
    this.homes = links.map((link) => ({ topic: this, link, isOn: false }));
  }
}

export function byLink(homes: Iterable<Home>): Map<Link, Home[]> {
  const found = new Map<Link, Home[]>();
  for (const home of homes) {
    const others = found.get(home.link);
    if (others === undefined) found.set(home.link, [home]);
    else others.push(home);
  }
  return found;
}
