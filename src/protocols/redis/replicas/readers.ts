/** Chooses the server that a read goes to: its keys' primary, or one of that one's replicas. */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { ConnectionKind, Link, Upstream } from "../../../api/upstream.ts";
import { REPLICA_LOOK_MS, REPLICA_NEWS_MS_MAX } from "../../../base/replica-limits.ts";
import { type IpRange, isInRange } from "../../../os/ip-range.ts";
import { Choice } from "./choice.ts";
import { FirstNews } from "./first-news.ts";
import type { ReadFrom } from "./read-from.ts";
import { RefusingLink } from "./refusing-link.ts";
import { ReplicaFacts, type ReplicaState } from "./replica-facts.ts";
import { ReplicaWatch } from "./replica-watch.ts";

export interface ReadingOptions {
  readFrom: ReadFrom;
  /** A replica that is further behind is not read; null: any that is linked to its primary is. */
  maxLagMs: number | null;
  /** After a write its client reads from primaries for so long. */
  ownWritesMs: number;
  /** Servers in these are read before others; null: those in the proxy's own zone. */
  near: readonly IpRange[] | null;
}

/** With `nearest`, reads move to a server that answers in less than one part in so many of the time, … */
const NEARER = 2;
/** … and sooner by at least so much: what differs less differs by chance. */
const NEARER_BY_MS = 1;
/** With `nearest`, a server that has not answered for so long is not near. */
const ANSWER_MS_MAX = 3 * REPLICA_LOOK_MS;

/** What the reads for one primary may go to. */
interface Reading {
  /** Null: they wait, see `news`. */
  readonly choice: Choice | null;
  readonly news: FirstNews | null;
  /** It holds so long, by the turn's clock. */
  readonly untilMs: number;
}

export class Readers {
  private readonly host: PoolHost;
  private readonly options: ReadingOptions;
  private readonly facts = new ReplicaFacts();
  private readonly watch: ReplicaWatch;
  /** By id of a primary. Made when it is asked for. */
  private readings: (Reading | undefined)[] = [];
  /** By id of a primary: what its first reads wait for; null: they have not to, or did already. */
  private readonly news: Map<number, FirstNews | null> = new Map();
  /** By name of a primary: where its reads go with `nearest`. */
  private readonly nearest: Map<string, string> = new Map();

  constructor(host: PoolHost, options: ReadingOptions) {
    this.host = host;
    this.options = options;
    this.watch = new ReplicaWatch(host, this.facts, {
      onStates: (states) => this.follow(states),
      onNews: () => this.renew(),
      nearestOf: (primary) =>
        options.readFrom === "nearest" ? this.readingOf(primary).choice?.first?.name : undefined,
    });
  }

  /**
   * The way of a read whose keys are at `primary`. Allocates nothing as a rule.
   * @param client a number of the client that stays the same in other workers: it decides on the replica
   * @param lane of its session
   * @param sinceMs how long ago the client wrote
   */
  link(
    primary: Upstream,
    client: number,
    lane: number,
    kind: ConnectionKind,
    sinceMs: number,
  ): Link {
    const { readFrom, ownWritesMs } = this.options;
    if (sinceMs < ownWritesMs) return primary.connection(lane, kind);
    const { choice, news } = this.readingOf(primary);
    if (news !== null) return news;
    const link = choice?.link(client, lane, kind) ?? null;
    if (link !== null) return link;
    return readFrom === "replica" ? new RefusingLink(primary.name) : primary.connection(lane, kind);
  }

  private readingOf(primary: Upstream): Reading {
    const known = this.readings[primary.id];
    if (known !== undefined && this.host.turn.nowMs < known.untilMs) return known;
    const reading = this.read(primary);
    this.readings[primary.id] = reading;
    return reading;
  }

  private read(primary: Upstream): Reading {
    const { nowMs } = this.host.turn;
    const replicas = this.host.route.replicasOf(primary);
    const news = this.newsFor(primary, replicas);
    if (news !== null) return { choice: null, news, untilMs: news.untilMs };
    const { readFrom, maxLagMs } = this.options;
    let untilMs = Number.POSITIVE_INFINITY;
    const isNews = (heardMs: number, forMs: number): boolean => {
      if (nowMs > heardMs + forMs) return false;
      untilMs = Math.min(untilMs, heardMs + forMs);
      return true;
    };
    const readable = replicas.filter(({ name }) => {
      const fact = this.facts.of(name);
      if (fact === undefined || fact.lagMs === null) return false;
      const isClose = maxLagMs === null || fact.lagMs <= maxLagMs;
      return isClose && isNews(fact.heardMs, REPLICA_NEWS_MS_MAX);
    });
    if (readFrom === "any" || readFrom === "nearest") readable.push(primary);
    if (readFrom === "nearest") {
      const isNear = new Map(readable.map((upstream) => [upstream, this.isNear(upstream)]));
      const hasNear = [...isNear.values()].includes(true);
      this.sort(primary, readable, (upstream) => {
        const { name } = upstream;
        // What is in another zone is not the nearest, however soon it answers.
        if (hasNear && isNear.get(upstream) !== true) return Number.POSITIVE_INFINITY;
        const fact = this.facts.of(name);
        const isHeard = fact !== undefined && isNews(fact.heardMs, ANSWER_MS_MAX);
        return isHeard ? fact.tookMs : Number.POSITIVE_INFINITY;
      });
    }
    return { choice: this.choiceOf(readable, readFrom === "nearest"), news: null, untilMs };
  }

  /** Those in the proxy's own zone first. */
  private choiceOf(readable: readonly Upstream[], isOrdered: boolean): Choice {
    const near = readable.filter((upstream) => this.isNear(upstream));
    if (near.length === 0 || near.length === readable.length)
      return new Choice(readable, isOrdered);
    const far = readable.filter((upstream) => !near.includes(upstream));
    return new Choice(near, isOrdered, new Choice(far, isOrdered));
  }

  private isNear({ address }: Upstream): boolean {
    const { near } = this.options;
    if (near === null) return this.host.isInOwnZone(address);
    const ip = address.substring(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
    return near.some((range) => isInRange(range, ip));
  }

  /** What reads for `primary` wait for; null: they need not wait, or not any more. */
  private newsFor(primary: Upstream, replicas: readonly Upstream[]): FirstNews | null {
    const { turn, deadlines } = this.host;
    const waited = this.news.get(primary.id);
    if (waited === null || replicas.length === 0) return null;
    const isKnown = replicas.every(({ name }) => this.facts.of(name) !== undefined);
    if (!isKnown && waited === undefined) {
      const news = new FirstNews(turn, deadlines);
      this.news.set(primary.id, news);
      this.watch.want();
      return news;
    }
    if (!isKnown && waited !== undefined && turn.nowMs < waited.untilMs) return waited;
    waited?.close();
    this.news.set(primary.id, null);
    return null;
  }

  /** The nearest first. The one where reads go stays the first, unless another is much nearer. */
  private sort(
    primary: Upstream,
    upstreams: Upstream[],
    tookMs: (upstream: Upstream) => number,
  ): void {
    const times = new Map(upstreams.map((upstream) => [upstream, tookMs(upstream)]));
    const timeOf = (upstream: Upstream): number => times.get(upstream)!;
    // Not by their difference: Infinity less Infinity is no number.
    upstreams.sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : Number(timeOf(a) > timeOf(b))));
    const name = this.nearest.get(primary.name);
    const at = upstreams.findIndex((upstream) => upstream.name === name);
    const [best] = upstreams;
    if (at > 0 && timeOf(upstreams[at]!) <= NEARER * timeOf(best!) + NEARER_BY_MS) {
      upstreams.unshift(...upstreams.splice(at, 1));
    }
    this.nearest.set(primary.name, upstreams[0]!.name);
  }

  /** All workers of a host read from the same server, which the one that asks has chosen. */
  private follow(states: readonly ReplicaState[]): void {
    for (const { name, nearest } of states) {
      if (nearest !== undefined) this.nearest.set(name, nearest);
    }
  }

  private renew(): void {
    this.readings = [];
    for (const news of this.news.values()) news?.wake();
  }

  /** Servers have come or gone, or the options have changed. */
  onChange(): void {
    this.watch.onRouteChange();
    const ids = new Set(this.host.route.upstreams.map(({ id }) => id));
    for (const [id, news] of this.news) {
      if (ids.has(id)) continue;
      news?.close();
      this.news.delete(id);
    }
    this.renew();
  }

  close(): void {
    this.watch.close();
    for (const news of this.news.values()) news?.close();
  }
}
