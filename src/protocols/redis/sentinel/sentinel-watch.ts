/**
 * Keeps a SentinelTopology up to date: asks the sentinels where the masters are, and hears from them when one changes.
 *
 * One worker of a host does so, the one that asked last, and tells the others. It asks now and then, when a sentinel tells of a change,
 * and when a server does not do what a master does. A worker that finds something odd asks itself, no sooner than a moment after the last
 * one did, and goes on with it.
 */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { Deadline } from "../../../base/deadlines.ts";
import { CLUSTER_LOOK_MS, SENTINEL_LOOK_IDLE_MS, SENTINEL_NEWS_MS } from "../../../base/limits.ts";
import type { ServerIdentity } from "../redirect/server-line.ts";
import { SentinelEars } from "./sentinel-ears.ts";
import { type Findings, SentinelRound } from "./sentinel-round.ts";
import type { SentinelTopology } from "./sentinel-topology.ts";
import { agree, type SentinelView } from "./sentinel-view.ts";

const TOPIC = "sentinel";
const KEY = "view";
const NEWS = "asking";
/** Workers that want to ask at the same time do so one after the other, and only the first one has to. */
const JITTER_MS = 100;

export class SentinelWatch {
  private readonly host: PoolHost;
  private readonly topology: SentinelTopology;
  private readonly sentinels: readonly string[];
  private readonly identity: ServerIdentity;
  private readonly looking: Deadline;
  private readonly ears: SentinelEars;
  /** When a worker of this host asked last. */
  private askedMs = Number.NEGATIVE_INFINITY;
  private isWanted = false;
  /** A sentinel has told of a change since it was asked last. */
  private hasNews = false;
  private round: SentinelRound | null = null;

  constructor(
    host: PoolHost,
    topology: SentinelTopology,
    sentinels: readonly string[],
    identity: ServerIdentity,
  ) {
    this.host = host;
    this.topology = topology;
    this.sentinels = sentinels;
    this.identity = identity;
    this.ears = new SentinelEars(host, sentinels, identity, () => this.onNews());
    this.looking = host.deadlines.create(() => this.look());
    host.bus.subscribe(TOPIC, (data) => this.onTold(data));
    host.bus.whenLost(() => this.tell());
    this.looking.set(host.turn.nowMs);
  }

  /** Something is odd: asks as soon as that may be. Costs nothing while it is about to. */
  want(): void {
    if (this.isWanted) return;
    this.isWanted = true;
    const { turn } = this.host;
    const dueMs = Math.max(turn.nowMs, this.askedMs + CLUSTER_LOOK_MS);
    this.looking.setNoLater(dueMs + this.host.random() * JITTER_MS);
  }

  /** A sentinel tells of a change. */
  private onNews(): void {
    const { nowMs } = this.host.turn;
    this.hasNews = true;
    this.looking.setNoLater(Math.max(nowMs, this.askedMs + SENTINEL_NEWS_MS));
  }

  private look(): void {
    const { host } = this;
    const { nowMs } = host.turn;
    if (this.round !== null) return;
    const restMs = this.hasNews ? SENTINEL_NEWS_MS : CLUSTER_LOOK_MS;
    if (nowMs < this.askedMs + restMs) {
      // Another worker was first.
      this.looking.set(this.askedMs + CLUSTER_LOOK_MS + host.random() * JITTER_MS);
      return;
    }
    this.isWanted = false;
    this.hasNews = false;
    this.askedMs = nowMs;
    host.bus.broadcast(TOPIC, NEWS);
    // What changes from now on is heard.
    this.ears.open();
    this.round = new SentinelRound(
      host,
      this.sentinels,
      this.topology.names,
      this.identity,
      (findings) => this.conclude(findings),
    );
  }

  private conclude({ views, faults }: Findings): void {
    const { host, topology, sentinels } = this;
    const { nowMs } = host.turn;
    this.round = null;
    const isOdd = views.length === 0 || this.isWanted;
    const dueMs = this.askedMs + (isOdd ? CLUSTER_LOOK_MS : SENTINEL_LOOK_IDLE_MS);
    this.looking.set(this.hasNews ? nowMs + SENTINEL_NEWS_MS : Math.max(nowMs, dueMs));
    if (views.length === 0) {
      this.warn("no_sentinel_answers", "no sentinel answers", faults[0] ?? "it took too long");
    } else this.apply(agree(topology.names, views, topology.view, sentinels.length));
    if (views.length > 0) this.tell();
    topology.onAsked();
    for (const name of topology.names) {
      if (views.length > 0 && !topology.view.some((place) => place.name === name)) {
        this.warn(
          "master_is_unknown",
          `no sentinel knows a master named ${name}`,
          "see masters in the configuration",
        );
      }
    }
  }

  private tell(): void {
    const { view } = this.topology;
    if (view.length > 0) this.host.bus.retain(TOPIC, KEY, view);
  }

  private onTold(data: unknown): void {
    const { turn, random } = { turn: this.host.turn, random: this.host.random() };
    if (data === NEWS) {
      this.askedMs = turn.nowMs;
      // Workers that start together ask at the same time: each goes on, until one of them is the first to ask again.
      if (this.round !== null) return;
      // That worker is the one now; if it ends, another takes its place.
      this.ears.close();
      this.looking.set(turn.nowMs + SENTINEL_LOOK_IDLE_MS * (1.5 + random));
      this.isWanted = false;
      this.hasNews = false;
    } else if (data !== null) {
      this.apply(data as SentinelView);
      this.topology.onAsked();
    }
  }

  private apply(view: SentinelView): void {
    const { host, topology } = this;
    for (const { name, address, before } of topology.apply(view)) {
      if (before === null) host.log.info("a master is known", { master: name, address });
      else host.log.warn("a master has changed", { master: name, address, before });
    }
  }

  /** @param event see base/log-event.ts */
  private warn(event: string, what: string, reason: string): void {
    const { log, logLimit, config, turn } = this.host;
    const leftOut = logLimit.admit(`sentinel ${config.name} ${what}`, turn.nowMs);
    if (leftOut === null) return;
    log.warn(what, { event, reason, ...(leftOut > 0 ? { left_out: leftOut } : {}) });
  }

  close(): void {
    this.looking.cancel();
    this.round?.close();
    this.ears.close();
  }
}
