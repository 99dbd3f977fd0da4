/**
 * Has the servers of a pool probed, once per host: one worker asks, and tells the others what it has found. So all of them take a server
 * for down, and for up again, at the same time.
 *
 *   a worker that has heard of no probes for a while asks itself; of two that ask the one with the lower number goes on
 *   one that leaves says so, and another takes its turn at once
 *
 * Which servers are down is retained for workers that start later, also over upgrades.
 */
import type { ProbeFault } from "../api/protocol.ts";
import type { WorkerBus } from "../api/worker-bus.ts";
import type { Deadline, Deadlines } from "../base/deadlines.ts";
import {
  PROBE_GATHER_MS,
  PROBE_INTERVAL_MS_MIN,
  PROBE_RETAIN_TURNS,
  PROBE_SOON_MS,
  PROBE_TAKE_OVER_MS,
  PROBE_TURNS,
} from "../base/health-limits.ts";
import type { ProbeOutcome, Prober } from "./prober.ts";
import type { ServerHealth } from "./server-health.ts";

/** A server of the pool. */
export interface Probed {
  readonly member: string;
  readonly health: Pick<
    ServerHealth,
    "onProbe" | "resumeDown" | "downReason" | "isDown" | "countProbe"
  >;
  createProber(): Prober;
}

export interface HealthWatchOptions {
  readonly bus: WorkerBus;
  readonly deadlines: Deadlines;
  readonly random: () => number;
  /** A number that no other worker has. */
  readonly id: number;
  readonly servers: () => readonly Probed[];
}

/** The member, what is wrong with it (null: nothing), and whether that is grave. */
type Finding = readonly [member: string, text: string | null, isGrave: boolean];

interface News {
  readonly by: number;
  /** It was found out of these. */
  readonly found?: readonly Finding[];
  /** All others but these, of which nothing is known so far, are well. Absent: nothing is said of others. */
  readonly but?: readonly string[];
  /** With `but`: those that the worker asks. Of others, which only the hearer knows so far, nothing is said. Absent: these are all. */
  readonly asked?: readonly string[];
  /** This one is to be asked soon. */
  readonly wanted?: string;
  /** The worker asks no more. */
  readonly leaves?: true;
  /** With the reason, those that are down: what is retained. */
  readonly down?: readonly (readonly [member: string, reason: string])[];
}

const TOPIC = "health";
const KEY = "down";

interface Asked {
  readonly prober: Prober;
  /** The answer is awaited. */
  isOpen: boolean;
  /** The last probe has found nothing out. */
  isUnknown: boolean;
  /** When it was asked last. */
  atMs: number;
}

export class HealthWatch {
  private readonly options: HealthWatchOptions;
  private readonly intervalMs: number;
  /** When this worker asks all. */
  private readonly looking: Deadline;
  private readonly telling: Deadline;
  /** When those are asked again that were down and have answered. */
  private readonly confirming: Deadline;
  /** By member. Empty: another worker asks. */
  private readonly asked: Map<string, Asked> = new Map();
  private isAsking = false;
  private hasLeft = false;
  /** What was found and not told yet. */
  private found: Finding[] = [];
  /** The next message is about all servers. */
  private tellsAll = false;
  private retained = "";
  private retainedMs = 0;

  /** @param intervalMs between two probes of a server */
  constructor(options: HealthWatchOptions, intervalMs: number) {
    const { bus, deadlines, random } = options;
    this.options = options;
    this.intervalMs = Math.max(intervalMs, PROBE_INTERVAL_MS_MIN);
    this.looking = deadlines.create((nowMs) => this.look(nowMs));
    this.telling = deadlines.create(() => this.tell());
    this.confirming = deadlines.create(() => {
      for (const server of this.options.servers()) if (server.health.isDown) this.ask(server);
    });
    bus.subscribe(TOPIC, (data, key, ageMs) => this.onNews(data as News, key, ageMs));
    bus.whenLost(() => this.retain(true));
    this.looking.set(deadlines.nowMs + random() * Math.min(intervalMs, PROBE_TAKE_OVER_MS));
  }

  /** Something tells against a server. */
  want(member: string): void {
    if (this.isAsking) this.askSoon(member);
    else this.options.bus.broadcast(TOPIC, { by: this.options.id, wanted: member });
  }

  // Asking

  private look(nowMs: number): void {
    if (this.hasLeft) return;
    this.isAsking = true;
    this.looking.set(nowMs + this.intervalMs);
    const servers = new Map(this.options.servers().map((server) => [server.member, server]));
    for (const [member, { prober }] of this.asked) {
      if (servers.has(member)) continue;
      this.asked.delete(member);
      prober.close();
    }
    for (const server of servers.values()) this.ask(server);
    this.tellsAll = true;
    this.telling.set(nowMs + PROBE_GATHER_MS);
  }

  private askSoon(member: string): void {
    const { deadlines, servers } = this.options;
    const server = servers().find((one) => one.member === member);
    const atMs = this.asked.get(member)?.atMs ?? Number.NEGATIVE_INFINITY;
    if (server !== undefined && deadlines.nowMs - atMs >= PROBE_SOON_MS) this.ask(server);
  }

  private ask(server: Probed): void {
    const { member, health } = server;
    const { nowMs } = this.options.deadlines;
    let asked = this.asked.get(member);
    if (asked === undefined) {
      asked = { prober: server.createProber(), isOpen: false, isUnknown: false, atMs: 0 };
      this.asked.set(member, asked);
    }
    if (asked.isOpen) return;
    asked.isOpen = true;
    asked.atMs = nowMs;
    asked.prober.probe((outcome) => {
      asked.isOpen = false;
      asked.isUnknown = outcome === undefined;
      // It is no longer one of the pool's.
      if (this.asked.get(member) !== asked) return;
      health.countProbe(outcome !== null && outcome !== undefined);
      this.onOutcome(server, outcome);
    });
  }

  private onOutcome({ member, health }: Probed, outcome: ProbeOutcome): void {
    if (outcome === undefined) return;
    health.onProbe(outcome);
    // It shall be up within two intervals after it has begun to answer.
    const { nowMs } = this.options.deadlines;
    if (outcome === null && health.isDown) this.confirming.setNoLater(nowMs + this.intervalMs / 2);
    this.found.push([member, outcome?.text ?? null, outcome?.isGrave ?? false]);
    this.telling.setNoLater(this.options.deadlines.nowMs + PROBE_GATHER_MS);
  }

  // Telling

  private tell(): void {
    const { bus, id } = this.options;
    const { found, tellsAll } = this;
    this.found = [];
    this.tellsAll = false;
    if (!this.isAsking || (found.length === 0 && !tellsAll)) return;
    const open = [...this.asked]
      .filter(([, { isOpen, isUnknown }]) => isOpen || isUnknown)
      .map(([member]) => member);
    const news: News = tellsAll
      ? {
          ...{ by: id, found: found.filter(([, text]) => text !== null), but: open },
          asked: [...this.asked.keys()],
        }
      : { by: id, found };
    bus.broadcast(TOPIC, news);
    this.retain(false);
  }

  /** @param isLost what was retained before is not any more */
  private retain(isLost: boolean): void {
    const { bus, id, servers } = this.options;
    if (!this.isAsking) return;
    const down = servers().flatMap(({ member, health: { downReason } }) =>
      downReason === null ? [] : [[member, downReason] as const],
    );
    const text = JSON.stringify(down);
    const { nowMs } = this.options.deadlines;
    const isFresh =
      down.length === 0 || nowMs < this.retainedMs + PROBE_RETAIN_TURNS * this.intervalMs;
    if (text === this.retained && isFresh && !isLost) return;
    this.retained = text;
    this.retainedMs = nowMs;
    bus.retain(TOPIC, KEY, down.length === 0 ? null : { by: id, down });
  }

  // Hearing

  private onNews(news: News | null, key: string | null, ageMs: number): void {
    if (news === null) return;
    if (key !== null) {
      // Workers that were there have found it out by the same probes. What is old may be left of workers that have asked no more.
      const isNew = ageMs <= 3 * PROBE_RETAIN_TURNS * this.intervalMs;
      if (ageMs > 0 && isNew) this.resume(news);
      return;
    }
    const { id, deadlines, random } = this.options;
    const { nowMs } = deadlines;
    if (news.wanted !== undefined) {
      if (this.isAsking) this.askSoon(news.wanted);
    } else if (news.leaves === true) {
      this.looking.setNoLater(nowMs + random() * PROBE_TAKE_OVER_MS);
    } else if (!this.isAsking || news.by < id) {
      this.stopAsking();
      if (!this.hasLeft) {
        this.looking.set(nowMs + this.intervalMs * (PROBE_TURNS + random()));
      }
      this.learn(news);
    }
  }

  private learn({ found = [], but, asked }: News): void {
    const faults = new Map(
      found.map(([member, text, isGrave]): [string, ProbeFault | null] => [
        member,
        text === null ? null : { text, isGrave },
      ]),
    );
    const open = new Set(but ?? []);
    const known = asked === undefined ? null : new Set(asked);
    for (const { member, health } of this.options.servers()) {
      const fault = faults.get(member);
      if (fault !== undefined) health.onProbe(fault);
      else if (but !== undefined && !open.has(member) && known?.has(member) !== false) {
        health.onProbe(null);
      }
    }
  }

  private resume({ down = [] }: News): void {
    const reasons = new Map(down);
    for (const { member, health } of this.options.servers()) {
      const reason = reasons.get(member);
      if (reason !== undefined) health.resumeDown(reason);
    }
  }

  // Ending

  private stopAsking(): void {
    this.isAsking = false;
    this.found = [];
    this.telling.cancel();
    this.confirming.cancel();
    for (const { prober } of this.asked.values()) prober.close();
    this.asked.clear();
  }

  /** The worker gives its clients away, or ends: another one asks. It goes on to hear what that finds. */
  leave(): void {
    if (this.hasLeft) return;
    this.hasLeft = true;
    this.looking.cancel();
    if (this.isAsking) this.options.bus.broadcast(TOPIC, { by: this.options.id, leaves: true });
    this.stopAsking();
  }
}
