/** A hub's lines to the servers of its pool, and which of them a topic is subscribed on. */
import { ACCESS, PlainFacts } from "../../../../api/request-facts.ts";
import type { LeftSubscriber, Route, Upstream } from "../../../../api/upstream.ts";
import type { Kind } from "./kinds.ts";
import { Link, type LinkEvents, type LinkOptions } from "./link.ts";
import type { Place, Topic } from "./topic.ts";

export interface LinksOptions extends LinkOptions {
  readonly route: Route;
}

/** A line to a server that another process has left. */
export interface LeftLink {
  readonly upstream: Upstream;
  readonly left: LeftSubscriber;
}

const channel: PlainFacts = new PlainFacts();

export class Links {
  private readonly options: LinksOptions;
  private readonly events: LinkEvents;
  /** By the server's index; made when first needed. */
  private readonly links: (Link | undefined)[] = [];
  private isOpen: boolean;
  /** They go to another process. Their hub takes no clients any more, so this stays as it is. */
  private arePaused = false;

  /** @param isOpen false: nothing is connected until `open` */
  constructor(options: LinksOptions, events: LinkEvents, isOpen: boolean) {
    this.options = options;
    this.events = events;
    this.isOpen = isOpen;
  }

  /** Goes on with what another process has left, and connects to the other servers that are needed. */
  open(arrivals: readonly LeftLink[]): void {
    this.isOpen = true;
    const adopted = new Set<Link>();
    for (const { upstream, left } of arrivals) {
      const link = this.make(upstream);
      adopted.add(link);
      link.adopt(left);
    }
    for (const link of this.all) if (!adopted.has(link)) link.connection.open();
  }

  get all(): Link[] {
    return this.links.filter((link) => link !== undefined);
  }

  /** One whose server has too much to take in already, or null. */
  get full(): Link | null {
    return this.all.find((link) => link.connection.isFull) ?? null;
  }

  /** Calls back when all that `upstream` had sent has been delivered. Maybe at once. */
  barrier(upstream: Upstream, onDone: () => void): void {
    const link = this.links[upstream.id];
    if (link === undefined) onDone();
    else link.barrier(onDone);
  }

  /**
   * Where a topic is to be subscribed; nowhere when every server is ejected. A shard channel is on the server that its name
   * belongs to, as a key is. All else is on all servers, because scripts, transactions and servers themselves (keyspace
   * notifications) publish wherever their keys are.
   */
  placeOf(kind: Kind, name: string): Place {
    const { route } = this.options;
    if (kind !== "shard" || !route.isStable) return "everywhere";
    const upstream = route.pick(channel.ofKey(Buffer.from(name, "latin1"), ACCESS.read));
    if (upstream === null) return "nowhere";
    this.need(upstream);
    return upstream;
  }

  /** Lines to all servers. */
  get everywhere(): Link[] {
    return this.options.route.upstreams.map((upstream) => this.need(upstream));
  }

  /** Those of `topics` that are on a line, for each line. */
  share(topics: readonly Topic[]): [link: Link, topics: readonly Topic[]][] {
    const isEverywhere = topics.some(({ place }) => place === "everywhere");
    const links = isEverywhere ? this.everywhere : this.all;
    return links
      .map((link): [Link, Topic[]] => [link, topics.filter((topic) => topic.isAt(link.upstream))])
      .filter(([, ofLink]) => ofLink.length > 0);
  }

  need(upstream: Upstream): Link {
    const link = this.links[upstream.id];
    if (link !== undefined) return link;
    const made = this.make(upstream);
    if (this.isOpen) made.connection.open();
    return made;
  }

  private make(upstream: Upstream): Link {
    const link = this.links[upstream.id] ?? new Link(upstream, this.options, this.events);
    this.links[upstream.id] = link;
    return link;
  }

  /** Nothing is asked that is not answered, and everything is sent. */
  get areQuiet(): boolean {
    return this.all.every(({ connection, isQuiet }) => {
      return !connection.isUp || (isQuiet && connection.isMovable);
    });
  }

  /** Does without those that keep `areQuiet` from being true: another process makes new ones. */
  abandonBusy(): void {
    for (const link of this.all) {
      const { connection, isQuiet } = link;
      if (!isQuiet || (connection.isUp && !connection.isMovable)) link.abandon();
    }
  }

  /** Reads nothing from now on. While `areQuiet`. @returns those that another process can go on with */
  pause(): Link[] {
    this.arePaused = true;
    const standing = this.all.filter(({ connection }) => connection.isUp);
    for (const { connection } of standing) connection.pause();
    return standing;
  }

  /** Deals with what is late by now. @returns when to look next; Infinity: nothing can be late */
  look(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    if (this.arePaused) return nextMs;
    for (const link of this.all) {
      link.checkSilence(nowMs);
      if (link.hasIdled(nowMs)) this.close(link);
      else nextMs = Math.min(nextMs, link.dueMs);
    }
    return nextMs;
  }

  private close(link: Link): void {
    link.connection.discard();
    this.links[link.upstream.id] = undefined;
  }

  closeAll(): void {
    for (const link of this.all) this.close(link);
  }
}
