/**
 * Keeps a DiscoveredTopology up to date: asks the source again and again.
 *
 * One worker of a host does so, the one that asked last, and tells the others; if it ends, another goes on. New workers, after a reload or
 * upgrade, begin with what was told last.
 */
import type { ServerConfig } from "../../api/config.ts";
import type { Discovery, DiscoverySource } from "../../api/discovery.ts";
import type { Metrics } from "../../api/metrics.ts";
import type { PoolHost } from "../../api/protocol-module.ts";
import type { Deadline } from "../../base/deadlines.ts";
import { DISCOVERY_FILE_MS, DISCOVERY_LOOK_MS_MIN } from "../../base/discovery-limits.ts";
import { exchangeOver, isReachable } from "./aside.ts";
import { merge } from "./changes.ts";
import { Departures } from "./departures.ts";
import type { DiscoveredTopology } from "./discovered-topology.ts";
import { DISCOVERY_METRICS } from "./discovery-metrics.ts";
import { writeKept } from "./kept-servers.ts";
import { type Answer, type AskingOptions, askSource, textOf } from "./source.ts";

const TOPIC = "discovery";
const KEY = "servers";
const NEWS = "asking";
/** Names that a line of the log shows. */
const SHOWN_NAMES = 10;

/** What workers tell each other. */
interface Told {
  /** What was asked: after a reload with another source this says nothing. */
  readonly of: string;
  readonly servers: readonly ServerConfig[];
  readonly missing: readonly string[];
}

type Rows = typeof DISCOVERY_METRICS extends { readonly at: Readonly<Record<infer Name, number>> }
  ? Name
  : never;

export class DiscoveryWatch {
  /** The source was asked once, or another worker has told. */
  isKnown: boolean;
  private readonly host: PoolHost;
  private readonly discovery: Discovery;
  /** What was found is written to disk; "again": it has changed meanwhile. */
  private keeping: "no" | "now" | "again" = "no";
  private readonly topology: DiscoveredTopology;
  private readonly asking: AskingOptions;
  private readonly departures: Departures;
  private readonly looking: Deadline;
  private readonly metrics: Metrics<never>;
  private readonly gauges: { servers: number; missing: number } = { servers: 0, missing: 0 };
  private readonly waiters: (() => void)[] = [];
  /** When a worker of this host asked last. */
  private askedMs = Number.NEGATIVE_INFINITY;
  private isAsking = false;
  private isClosed = false;
  private missing: readonly string[] = [];

  /** @param isKnown the topology has servers that were found before */
  constructor(
    host: PoolHost,
    discovery: Discovery,
    source: DiscoverySource,
    topology: DiscoveredTopology,
    isKnown: boolean,
  ) {
    this.host = host;
    this.discovery = discovery;
    this.topology = topology;
    this.isKnown = isKnown;
    this.asking = {
      ...{ discovery, source, configured: host.config.servers },
      ...{ schedule: host.schedule, exchange: exchangeOver(host) },
    };
    this.departures = new Departures({
      removes: discovery.removes,
      intervalMs: Math.max(discovery.intervalMs, DISCOVERY_LOOK_MS_MIN),
      isReachable: ({ address }) => isReachable(host, address),
    });
    this.metrics = host.metrics(DISCOVERY_METRICS) as unknown as Metrics<never>;
    this.looking = host.deadlines.create(() => void this.look());
    host.bus.subscribe(TOPIC, (data) => this.onTold(data));
    host.bus.whenLost(() => this.tell());
    topology.onClose = () => this.close();
    this.looking.set(host.turn.nowMs);
  }

  /** `callback` is called when `isKnown`, maybe at once. */
  whenKnown(callback: () => void): void {
    if (this.isKnown) callback();
    else this.waiters.push(callback);
  }

  private onKnown(): void {
    this.isKnown = true;
    for (const waiter of this.waiters.splice(0)) waiter();
  }

  private get pauseMs(): number {
    const { source } = this.asking;
    return source.kind === "file" ? DISCOVERY_FILE_MS : this.discovery.intervalMs;
  }

  private async look(): Promise<void> {
    const { host } = this;
    if (this.isAsking || this.isClosed) return;
    this.isAsking = true;
    this.askedMs = host.deadlines.nowMs;
    host.bus.broadcast(TOPIC, NEWS);
    this.count("looks", 1);
    let nextMs = this.pauseMs;
    try {
      const answer = await askSource(this.asking, this.topology.servers);
      if (!this.isClosed) {
        this.take(answer);
        if (answer.ttlMs !== null) nextMs = Math.min(nextMs, answer.ttlMs);
        await this.letGo();
      }
    } catch (error) {
      this.count("failed_looks", 1);
      this.warn(
        "servers_cannot_be_found",
        "cannot find out who the servers are",
        (error as Error).message,
      );
      if (this.topology.servers.length === 0) nextMs = DISCOVERY_LOOK_MS_MIN;
    }
    this.isAsking = false;
    if (this.isClosed) return;
    this.onKnown();
    this.looking.set(this.askedMs + Math.max(nextMs, DISCOVERY_LOOK_MS_MIN));
  }

  private take({ servers: named }: Answer): void {
    const { host, topology } = this;
    const { servers, added, changed, missing } = merge(topology.servers, named);
    if (added.length > 0) host.log.info("servers have come", { servers: shown(added) });
    if (changed.length > 0) host.log.info("servers have changed", { servers: shown(changed) });
    const gone = missing.filter((name) => !this.missing.includes(name));
    if (gone.length > 0) {
      const stay = "they stay as long as they may not leave: see discover_remove";
      host.log.warn("servers are no longer found", { servers: shown(gone), note: stay });
    }
    this.count("added", added.length);
    this.count("changed", changed.length);
    const isNews = added.length + changed.length > 0 || missing.join() !== this.missing.join();
    this.missing = missing;
    if (isNews) this.become(servers);
  }

  /** Of those that are missing some leave. */
  private async letGo(): Promise<void> {
    const { host, topology, departures } = this;
    const missing = topology.servers.filter(({ name }) => this.missing.includes(name));
    const nowMs = host.deadlines.nowMs;
    const leaving = await departures.choose(missing, topology.servers.length, nowMs);
    if (this.isClosed || leaving.length === 0) return;
    const reason =
      this.discovery.removes === "dead" ? "they cannot be connected" : "they are not listed";
    host.log.warn("servers leave", { servers: shown(leaving), reason });
    this.count("removed", leaving.length);
    this.missing = this.missing.filter((name) => !leaving.includes(name));
    this.become(topology.servers.filter(({ name }) => !leaving.includes(name)));
  }

  private become(servers: readonly ServerConfig[]): void {
    this.apply(servers);
    this.tell();
    this.keep();
  }

  private apply(servers: readonly ServerConfig[]): void {
    this.topology.apply(servers);
    this.gauge("servers", servers.length);
    this.gauge("missing", this.missing.length);
  }

  private keep(): void {
    const { keep } = this.discovery;
    if (keep === null) return;
    if (this.keeping !== "no") {
      this.keeping = "again";
      return;
    }
    this.keeping = "now";
    const warn = (error: Error): void =>
      this.warn("servers_cannot_be_kept", "cannot keep the servers that were found", error.message);
    void writeKept(keep, this.topology.servers)
      .catch(warn)
      .finally(() => {
        const isStale = this.keeping === "again";
        this.keeping = "no";
        if (isStale) this.keep();
      });
  }

  private get of(): string {
    return `${this.discovery.text} ${this.discovery.resolvers}`;
  }

  private tell(): void {
    const { servers } = this.topology;
    if (servers.length === 0) return;
    const told: Told = { of: this.of, servers, missing: this.missing };
    this.host.bus.retain(TOPIC, KEY, told);
  }

  private onTold(data: unknown): void {
    const { host } = this;
    if (data === NEWS) {
      this.askedMs = host.deadlines.nowMs;
      // Workers that start together ask at the same time: each goes on, until one of them is the first to ask again.
      if (!this.isAsking) this.looking.set(this.askedMs + this.pauseMs * (1.5 + host.random()));
      return;
    }
    const { of, servers, missing } = data as Told;
    if (of !== this.of) return;
    const known = this.ofThisPool(servers);
    if (known.length === 0) return;
    this.missing = missing;
    this.apply(known);
    this.onKnown();
  }

  /** Of servers that the configuration lists only places are found out. */
  private ofThisPool(servers: readonly ServerConfig[]): readonly ServerConfig[] {
    const { source, configured } = this.asking;
    if (source.kind !== "names") return servers;
    return configured.map((server) => {
      const address = servers.find(({ name }) => name === server.name)?.address;
      return address === undefined ? server : { ...server, address };
    });
  }

  private count(name: Rows, by: number): void {
    if (by !== 0) this.metrics.add(name as never, by);
  }

  private gauge(name: "servers" | "missing", value: number): void {
    this.count(name, value - this.gauges[name]);
    this.gauges[name] = value;
  }

  /** @param event see base/log-event.ts */
  private warn(event: string, what: string, reason: string): void {
    const { log, logLimit, config, turn } = this.host;
    const leftOut = logLimit.admit(`discovery ${config.name} ${what}`, turn.nowMs);
    if (leftOut === null) return;
    const source = textOf(this.asking.source);
    log.warn(what, { event, source, reason, ...(leftOut > 0 ? { left_out: leftOut } : {}) });
  }

  private close(): void {
    this.isClosed = true;
    this.looking.cancel();
  }
}

function shown(names: readonly string[]): string {
  const some = names.filter((_, index) => index < SHOWN_NAMES).join(", ");
  return names.length > SHOWN_NAMES ? `${some} and ${names.length - SHOWN_NAMES} more` : some;
}
