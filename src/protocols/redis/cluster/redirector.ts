/** What the RedirectLinks of one pool share: where slots are, and what waits until it can be sent again. */
import { KIND } from "../../../api/protocol.ts";
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { ConnectionKind, DecorateLink, ReplySink, Upstream } from "../../../api/upstream.ts";
import type { Deadline } from "../../../base/deadlines.ts";
import {
  CLUSTER_DOWN_WAIT_MS,
  CLUSTER_FENCE_MS,
  CLUSTER_PARKED_MAX,
} from "../../../base/limits.ts";
import type { Turn } from "../../../base/turn.ts";
import { RequestScanner } from "../codec/request-scanner.ts";
import { RequestView } from "../codec/request-view.ts";
import type { Command } from "../commands/command.ts";
import type { CommandTable } from "../commands/command-table.ts";
import { findKeys } from "../commands/find-keys.ts";
import type { ClusterTopology } from "./cluster-topology.ts";
import { RedirectLink } from "./redirect-link.ts";
import { type Redirection, readRedirection } from "./redirection.ts";

/** What waits is sent again after so long. */
const RETRY_MS = 25;

/** One request that is to be sent again. */
export interface Again {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly sink: ReplySink;
  readonly token: number;
  /** How often it was sent on. */
  readonly tries: number;
  /** Since when it waits for nodes to serve; 0: it does not. */
  readonly sinceMs: number;
}

interface Parked extends Again {
  readonly link: RedirectLink;
  /** The error that it got last. */
  readonly error: Buffer;
  readonly isDown: boolean;
}

const keys: number[] = [];

export class Redirector {
  readonly turn: Turn;
  /** Asks for the cluster to be looked at soon. */
  onSuspicion: () => void = () => {};
  private readonly host: PoolHost;
  private readonly topology: ClusterTopology;
  private readonly commands: CommandTable;
  private readonly scanner: RequestScanner = new RequestScanner();
  private readonly view: RequestView = new RequestView();
  /** By server id. */
  private readonly links: Map<number, RedirectLink[]> = new Map();
  private parked: Parked[] = [];
  /** By number of a link among those of its kind: requests that wait because nodes do not serve. */
  private readonly downs: (number | undefined)[] = [];
  private readonly retrying: Deadline;
  private readonly fencing: Deadline;

  constructor(host: PoolHost, topology: ClusterTopology, commands: CommandTable) {
    this.host = host;
    this.turn = host.turn;
    this.topology = topology;
    this.commands = commands;
    this.retrying = host.deadlines.create((nowMs) => this.retry(nowMs));
    this.fencing = host.deadlines.create(() => this.giveUpFences());
    topology.onMoved = (from, to) => this.fence(from, to);
  }

  readonly decorate: DecorateLink = (inner, upstream, kind, index) => {
    const link = new RedirectLink(this, inner, upstream, kind, index);
    const others = this.links.get(upstream.id) ?? [];
    const kept = others.filter((other) => other.kind !== kind || other.index !== index);
    this.links.set(upstream.id, [...kept, link]);
    return link;
  };

  suspect(): void {
    this.onSuspicion();
  }

  /** A node says that `slot` is at `to`. */
  learn(slot: number, to: string): void {
    this.topology.patch(slot, to);
    this.onSuspicion();
  }

  /** Nothing may pass links with that number: where slots are is not known yet, or what was sent before waits. */
  holds(index: number): boolean {
    return !this.topology.isKnown || (this.downs[index] ?? 0) > 0;
  }

  /** The first view is there. */
  onKnown(): void {
    this.wakeAll();
  }

  private wakeAll(): void {
    for (const links of this.links.values()) for (const link of links) link.wakeWaiters();
  }

  /** Requests of that kind wait here: its number must not come to stand for something else. */
  hasParked(kind: ConnectionKind): boolean {
    return this.parked.some(({ link }) => link.kind === kind);
  }

  /** Servers have come or gone. */
  onRouteChange(): void {
    const ids = new Set(this.host.route.upstreams.map(({ id }) => id));
    for (const [id, links] of this.links) {
      if (ids.has(id)) continue;
      for (const link of links) link.wakeWaiters(true);
      if (links.every(({ requests }) => requests.size === 0)) this.links.delete(id);
    }
  }

  /** Request number `index` of those in bytes[start, end); null: they do not scan. */
  find({
    bytes,
    start,
    end,
    index,
  }: {
    readonly bytes: Buffer;
    readonly start: number;
    readonly end: number;
    readonly index: number;
  }): Pick<Again, "bytes" | "start" | "end"> | null {
    let at = start;
    for (let i = 0; ; i++) {
      const next = this.scanner.scan(bytes, at, end, this.view);
      if (next <= 0) {
        this.view.release();
        return null;
      }
      if (i === index) {
        this.view.release();
        return { bytes, start: at, end: next };
      }
      at = next;
    }
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
    const { nowMs } = this.turn;
    const sinceMs = again.sinceMs === 0 ? nowMs : again.sinceMs;
    if (nowMs - sinceMs >= CLUSTER_DOWN_WAIT_MS) return false;
    if (this.parked.length >= CLUSTER_PARKED_MAX) return false;
    const isDown = redirection.type === "down";
    // It was sent on by a clock, and not from node to node.
    const tries = again.tries - 1;
    this.parked.push({ ...again, tries, sinceMs, link, isDown, error: Buffer.from(error) });
    if (isDown) this.downs[index] = (this.downs[index] ?? 0) + 1;
    this.retrying.setNoLater(nowMs + RETRY_MS);
    return true;
  }

  /** What `error` tells of where slots are; the request that it answers is another's business. @returns it as a redirection */
  note(error: Buffer, server: string): Redirection | null {
    const redirection = readRedirection(error, 0, error.length, server);
    if (redirection?.type === "moved") this.learn(redirection.slot, redirection.to);
    else if (redirection !== null) this.suspect();
    return redirection;
  }

  private retry(nowMs: number): void {
    const { parked } = this;
    this.parked = [];
    for (const each of parked) {
      if (each.isDown) this.downs[each.link.index]!--;
      const { sink, token, error, sinceMs } = each;
      if (nowMs - sinceMs >= CLUSTER_DOWN_WAIT_MS) {
        sink.onReplies(token, 1, error, 0, error.length, KIND.error);
      } else this.linkFor(each).sendAgain(each, false);
    }
    this.wakeAll();
  }

  /** Where its keys are now; without keys, where it was sent before. */
  private linkFor({ link, bytes, start, end }: Parked): RedirectLink {
    const { view } = this;
    this.scanner.scan(bytes, start, end, view);
    const command = view.count > 0 ? this.commandOf(view) : null;
    const hasKey = command !== null && findKeys(command, view, keys) > 0;
    const upstream = hasKey ? this.host.route.pick(view.key(keys[0]!)) : null;
    view.release();
    return upstream === null ? link : (upstream.connection(link.index, link.kind) as RedirectLink);
  }

  private commandOf(view: RequestView): Command | null {
    const command = this.commands.find(view.bytes, view.from(0), view.to(0));
    if (command === null || !command.isContainer || view.count < 2) return command;
    return this.commands.findSubcommand(command, view.bytes, view.from(1), view.to(1));
  }

  /** Null: the node is not known, and cannot be made so. */
  private linkTo(name: string, kind: ConnectionKind, index: number): RedirectLink | null {
    this.topology.admit(name);
    return (this.named(name)?.connection(index, kind) ?? null) as RedirectLink | null;
  }

  private named(name: string): Upstream | null {
    return this.host.route.upstreams.find((upstream) => upstream.name === name) ?? null;
  }

  private fence(from: string, to: string): void {
    const target = this.named(to);
    if (target === null) return;
    for (const link of [...this.links.values()].flat()) {
      // Its server may have left.
      if (link.upstream.name !== from || link.requests.size === 0) continue;
      link.fence(target.connection(link.index, link.kind) as RedirectLink);
      this.fencing.setNoLater(this.turn.nowMs + CLUSTER_FENCE_MS);
    }
  }

  private giveUpFences(): void {
    for (const links of this.links.values()) for (const link of links) link.giveUpFences();
  }

  close(): void {
    this.retrying.cancel();
    this.fencing.cancel();
    for (const { sink, token, error } of this.parked.splice(0)) {
      sink.onReplies(token, 1, error, 0, error.length, KIND.error);
    }
  }
}
