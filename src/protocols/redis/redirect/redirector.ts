/** What the RedirectLinks of one pool share: where a request is to be sent again, and what waits until that can be done. */
import { KIND } from "../../../api/protocol.ts";
import type { PoolHost } from "../../../api/protocol-module.ts";
import { ACCESS } from "../../../api/request-facts.ts";
import type {
  ConnectionKind,
  DecorateLink,
  Failure,
  FailureKind,
  Upstream,
} from "../../../api/upstream.ts";
import type { Deadline } from "../../../base/deadlines.ts";
import { CLUSTER_FENCE_MS } from "../../../base/limits.ts";
import type { Turn } from "../../../base/turn.ts";
import type { RequestView } from "../codec/request-view.ts";
import type { Command } from "../commands/command.ts";
import type { CommandTable } from "../commands/command-table.ts";
import { Outages } from "./outages.ts";
import type { Again, Parked } from "./parked-requests.ts";
import type { Parking } from "./parking.ts";
import { RedirectLink } from "./redirect-link.ts";
import { type Redirection, readRedirection } from "./redirection.ts";
import { type Place, RequestReader } from "./request-reader.ts";
import { Retries } from "./retries.ts";

/** What waits is looked at so often. */
const TICK_MS = 25;
/** After these a request that was not sent, or is a read, may be sent again. A reply that is late is no loss of the server. */
const LOSSES: ReadonlySet<FailureKind> = new Set(["refused", "closed", "handshake", "stopping"]);

/** Where the servers of the pool are. */
export interface FollowedTopology {
  /** Servers have been asked for, so that requests can go to them. */
  readonly isKnown: boolean;
  /** A node says that `slot` is at the server `to`. */
  patch(slot: number, to: string): void;
  /** The server `name` is asked though it has no slot so far. */
  admit(name: string): void;
  /** Which server is now what `name` was; `name`, if it is there or that is not known. */
  inPlaceOf(name: string): string;
}

/** Servers that stay where they are. */
const FIXED: FollowedTopology = {
  ...{ isKnown: true, patch() {}, admit() {} },
  inPlaceOf: (name) => name,
};

export class Redirector {
  readonly turn: Turn;
  /** What servers say of their roles and places is followed. False: only what replicas do not do goes to their primaries. */
  readonly isFollowing: boolean;
  /** Asks for the servers to be looked at soon. */
  onSuspicion: () => void = () => {};
  /** Told before a request (borrowed) is sent over `link` that was meant for another server: what it calls is to be there. */
  onSentElsewhere: (command: Command, request: RequestView, link: RedirectLink) => void = () => {};
  readonly host: PoolHost;
  private readonly topology: FollowedTopology;
  private readonly reader: RequestReader;
  /** By server id. */
  private readonly links: Map<number, RedirectLink[]> = new Map();
  readonly outages: Outages;
  private readonly retries: Retries = new Retries();
  private readonly ticking: Deadline;
  private readonly fencing: Deadline;
  private isClosed = false;

  /** @param topology null: the configuration lists the servers */
  constructor(
    host: PoolHost,
    topology: FollowedTopology | null,
    commands: CommandTable,
    parking: Parking,
  ) {
    this.host = host;
    this.turn = host.turn;
    this.topology = topology ?? FIXED;
    this.isFollowing = topology !== null;
    this.reader = new RequestReader(commands);
    this.outages = new Outages(host, parking);
    this.ticking = host.deadlines.create((nowMs) => this.tick(nowMs));
    this.fencing = host.deadlines.create(() => this.giveUpFences());
  }

  readonly decorate: DecorateLink = (inner, upstream, kind, index) => {
    const link = new RedirectLink(this, inner, upstream, kind, index);
    // Nothing waits for a replica: what it does not do its primary does.
    if (upstream.isReplica) return link;
    const others = this.links.get(upstream.id) ?? [];
    const kept = others.filter((other) => other.kind !== kind || other.index !== index);
    this.links.set(upstream.id, [...kept, link]);
    return link;
  };

  private get all(): RedirectLink[] {
    return [...this.links.values()].flat();
  }

  suspect(): void {
    this.onSuspicion();
  }

  /** A node says that `slot` is at `to`. */
  learn(slot: number, to: string): void {
    this.topology.patch(slot, to);
    this.onSuspicion();
  }

  /** Requests can go to servers; false: where these are is not known yet. */
  get isKnown(): boolean {
    return this.topology.isKnown;
  }

  /** The servers are known. */
  onKnown(): void {
    for (const link of this.all) link.wakeWaiters(Number.POSITIVE_INFINITY);
  }

  /** How long a request waits at the most. */
  get patienceMs(): number {
    return this.outages.patienceMs;
  }

  /** Requests of that kind wait here: its number must not come to stand for something else. */
  hasParked(kind: ConnectionKind): boolean {
    const isParked = this.all.some((link) => link.kind === kind && link.parked.size > 0);
    return isParked || this.retries.hasAny(kind);
  }

  find(run: Parameters<RequestReader["find"]>[0]): Place | null {
    return this.reader.find(run);
  }

  prepare(place: Place, link: RedirectLink): void {
    this.reader.look(place, (command, request) => this.onSentElsewhere(command, request, link));
  }

  /** Whether the request changes nothing, so that it may be executed twice. */
  isRead(place: Place): boolean {
    return this.reader.commandOf(place)?.access === ACCESS.read;
  }

  // Waiting for a server

  /** A request to `upstream` that `failure` ended may be sent again. */
  waitsAfter(failure: Failure, upstream: Upstream): boolean {
    const isLoss = LOSSES.has(failure.kind) && failure.reply === undefined;
    if (!isLoss || this.isClosed) return false;
    return upstream.isReplica || (this.isFollowing && this.outages.mayWaitFor(upstream));
  }

  /** A client's request for a server that is down may wait, before it is taken. */
  mayWait({ upstream, inner }: RedirectLink): boolean {
    const { outages } = this;
    // A client has chosen what the server refuses.
    if (this.isClosed || !this.isFollowing || upstream.isReplica) return false;
    if (inner.refusal?.reply !== undefined) return false;
    if (!outages.mayWaitFor(upstream) || !outages.begin(upstream)) return false;
    this.ticking.setNoLater(this.turn.nowMs + TICK_MS);
    return outages.hasRoom(0);
  }

  /** `by` clients more wait before a link. */
  onWaiter(by: number): void {
    this.outages.count(by, 0);
    if (by <= 0) return;
    this.outages.countNew(by);
    this.ticking.setNoLater(this.turn.nowMs + TICK_MS);
  }

  /**
   * Has a request wait that `link` has brought back, because of `why`.
   * @returns false: it may not
   */
  park(link: RedirectLink, again: Again, why: Failure | Buffer): boolean {
    const { outages } = this;
    const size = again.end - again.start;
    const at = this.isGone(link.upstream) ? this.placeOf(again, link) : link;
    if (at === null || this.isClosed) return false;
    if (link.upstream.isReplica) {
      // It was a read.
      at.sendAgain({ ...again, tries: again.tries + 1 }, false);
      return true;
    }
    if (!outages.begin(at.upstream) || !outages.hasRoom(size)) return false;
    if (again.order === 0) outages.countNew(1);
    const order = again.order === 0 ? outages.nextOrder() : again.order;
    // What it came in may be much larger.
    const bytes = Buffer.from(again.bytes.subarray(again.start, again.end));
    outages.count(1, size);
    at.parked.add({ ...again, bytes, start: 0, end: size, order, why });
    this.ticking.setNoLater(this.turn.nowMs + TICK_MS);
    return true;
  }

  /** It waits no longer. */
  unpark({ start, end }: Parked): void {
    this.outages.count(-1, start - end);
  }

  /** See ServerFollower. */
  beginWait(upstream: Upstream, bytes: number): boolean {
    const { outages } = this;
    if (this.isClosed || !outages.begin(upstream) || !outages.hasRoom(bytes)) return false;
    outages.countNew(1);
    outages.count(1, bytes);
    this.ticking.setNoLater(this.turn.nowMs + TICK_MS);
    return true;
  }

  endWait(bytes: number): void {
    this.outages.count(-1, -bytes);
  }

  /** Keys do not go there. */
  private isGone(upstream: Upstream): boolean {
    return !this.host.route.upstreams.includes(upstream);
  }

  /** The server of `link` does what is asked of it. */
  onRecovered(link: RedirectLink): void {
    this.outages.recover(link.upstream);
    this.flow(link, this.outages.perTick(TICK_MS));
  }

  /** Lets up to `count` of what waits go on, oldest first. @returns how many did */
  private flow(link: RedirectLink, count: number): number {
    const going = link.parked.take(count);
    for (const parked of going) {
      this.unpark(parked);
      link.sendAgain(parked, false);
    }
    return going.length + link.wakeWaiters(count - going.length);
  }

  private tick(nowMs: number): void {
    this.retries.send(nowMs, (retry) => this.placeOf(retry, retry.link));
    let left = this.outages.perTick(TICK_MS);
    let isNeeded = !this.retries.isEmpty;
    for (const link of this.all) {
      const { upstream, parked } = link;
      if (this.outages.endIfLate(upstream, nowMs)) this.failParked(link);
      else if (link.inner.refusal === null && !link.isProbing) {
        const isOut = this.outages.isOut(upstream);
        if (parked.size > 0 && isOut) link.sendProbe();
        else {
          // Its connection stands again, and what was asked first on it was answered.
          if (isOut && !this.isAwaited(upstream)) this.outages.recover(upstream);
          left -= this.flow(link, left);
        }
      }
      const isUnderWay = this.outages.isUnderWay(upstream);
      // What waits asks nothing itself.
      if (isUnderWay) this.suspect();
      isNeeded ||= parked.size > 0 || link.waiting > 0 || isUnderWay;
    }
    for (const upstream of this.outages.underWay) {
      // Those with connections of their own wait for it, too.
      const isOver = this.outages.endIfLate(upstream, nowMs);
      isNeeded ||= !isOver;
    }
    if (isNeeded) this.ticking.setNoLater(nowMs + TICK_MS);
  }

  /** Requests wait for it at some link. */
  private isAwaited({ id }: Upstream): boolean {
    return (
      this.links.get(id)?.some(({ parked, isProbing }) => parked.size > 0 || isProbing) === true
    );
  }

  /** They have waited in vain. */
  private failParked(link: RedirectLink): void {
    for (const parked of link.takeParked()) {
      this.unpark(parked);
      fail(parked);
    }
    link.wakeWaiters(Number.POSITIVE_INFINITY, true);
  }

  // Servers that come and go

  /** Servers have come or gone, or slots have moved. */
  onRouteChange(): void {
    for (const [id, links] of this.links) {
      const isGone = links.length > 0 && this.isGone(links[0]!.upstream);
      for (const link of links) {
        if (link.parked.size > 0) this.moveParked(link);
        if (isGone) link.wakeWaiters(Number.POSITIVE_INFINITY, true);
      }
      if (isGone && links.every(({ requests, parked }) => requests.size + parked.size === 0)) {
        this.links.delete(id);
        this.outages.forget(id);
      }
    }
  }

  /** What waits at `link` goes to where its keys are now. */
  private moveParked(link: RedirectLink): void {
    for (const parked of link.takeParked()) {
      const to = this.placeOf(parked, link);
      if (to !== null) {
        // What comes first to it tells whether it serves.
        if (to !== link) this.outages.begin(to.upstream);
        to.parked.add(parked);
      } else {
        this.unpark(parked);
        fail(parked);
      }
    }
    this.ticking.setNoLater(this.turn.nowMs);
  }

  /** Where the keys of a request are now; without keys, where it was sent before, or what is in that place. Null: nowhere. */
  private placeOf(place: Place, link: RedirectLink): RedirectLink | null {
    const { route } = this.host;
    const picked = this.reader.pick(place, route);
    const isGone = this.isGone(link.upstream);
    const inPlace = isGone ? this.named(this.topology.inPlaceOf(link.upstream.name)) : null;
    const upstream = picked ?? inPlace;
    if (upstream !== null) return upstream.connection(link.index, link.kind) as RedirectLink;
    return isGone ? null : link;
  }

  /**
   * Sends on a request that `link` has brought back with `error` (borrowed).
   * @returns false: it cannot be sent on
   */
  sendOn(link: RedirectLink, redirection: Redirection, again: Again, error: Buffer): boolean {
    const { kind, index } = link;
    if (redirection.type === "moved" || redirection.type === "ask") {
      const target = this.linkTo(redirection.to, kind, index);
      target?.sendAgain(again, redirection.type === "ask");
      return target !== null;
    }
    // It was sent on by a clock, and not from node to node.
    const next = { ...again, tries: again.tries - 1 };
    if (redirection.type === "down") return this.park(link, next, Buffer.from(error));
    const { nowMs } = this.turn;
    const sinceMs = again.sinceMs === 0 ? nowMs : again.sinceMs;
    const isTaken = this.retries.add({ ...next, sinceMs, link, error: Buffer.from(error) }, nowMs);
    if (!isTaken) return false;
    this.ticking.setNoLater(nowMs + TICK_MS);
    return true;
  }

  /** What `error` tells of where slots are; the request that it answers is another's business. @returns it as a redirection */
  note(error: Buffer, server: string): Redirection | null {
    const redirection = readRedirection(error, 0, error.length, server);
    if (redirection?.type === "moved") this.learn(redirection.slot, redirection.to);
    else if (redirection !== null) this.suspect();
    return redirection;
  }

  /** Null: the node is not known, and cannot be made so. */
  private linkTo(name: string, kind: ConnectionKind, index: number): RedirectLink | null {
    this.topology.admit(name);
    return (this.named(name)?.connection(index, kind) ?? null) as RedirectLink | null;
  }

  private named(name: string): Upstream | null {
    return this.host.route.upstreams.find((upstream) => upstream.name === name) ?? null;
  }

  /** Keys went from one member of the topology to another: nothing is to overtake what was sent there. */
  fence(from: string, to: string): void {
    const target = this.host.route.upstreams.find(({ member }) => member === to);
    if (target === undefined) return;
    for (const link of this.all) {
      if (link.upstream.member !== from) continue;
      // Before what comes from now on.
      if (link.parked.size > 0) this.moveParked(link);
      if (link.requests.size === 0) continue;
      link.fence(target.connection(link.index, link.kind) as RedirectLink);
      this.fencing.setNoLater(this.turn.nowMs + CLUSTER_FENCE_MS);
    }
  }

  private giveUpFences(): void {
    for (const link of this.all) link.giveUpFences();
  }

  close(): void {
    this.isClosed = true;
    this.ticking.cancel();
    this.fencing.cancel();
    for (const link of this.all) {
      for (const parked of link.takeParked()) fail(parked);
    }
    this.retries.close();
  }
}

function fail({ sink, token, why }: Parked): void {
  if (Buffer.isBuffer(why)) sink.onReplies(token, 1, why, 0, why.length, KIND.error);
  else sink.onFailure(token, 1, why);
}
