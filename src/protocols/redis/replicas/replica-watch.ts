/**
 * Finds out how far the replicas of a pool are behind. One worker of a host asks, the one that asked last, and tells the others. What it has
 * told is retained for workers that start later.
 */
import type { PoolHost } from "../../../api/protocol-module.ts";
import { FIRST_KIND, type Link, type ReplySink, type Upstream } from "../../../api/upstream.ts";
import type { Deadline } from "../../../base/deadlines.ts";
import {
  REPLICA_FIRST_NEWS_MS,
  REPLICA_LOOK_AGAIN_MS,
  REPLICA_LOOK_MS,
  REPLICA_NEWS_MS_MAX,
} from "../../../base/replica-limits.ts";
import { decodeReply } from "../codec/decode.ts";
import { encodeRequest } from "../codec/encode.ts";
import { RedirectLink } from "../redirect/redirect-link.ts";
import type { ReplicaFacts, ReplicaState } from "./replica-facts.ts";
import { PrimaryHistory, type ReplicationInfo, readReplicationInfo } from "./replication-info.ts";

const QUESTION: Buffer = encodeRequest("INFO", "replication");
const TOPIC = "replicas";
const KEY = "states";
const NEWS = "asking";
/** A replica that is not read anyway is told of as silent when it owes an answer for so long. */
const PATIENCE_MS = REPLICA_FIRST_NEWS_MS;
/** A worker that has heard nothing for so many looks asks itself. */
const TURNS = 2;

interface Found {
  readonly state: ReplicaState;
  readonly atMs: number;
}

export interface ReplicaWatchEvents {
  /** `facts` have changed. */
  onNews(): void;
  /** What was found, or told by another worker. */
  onStates(states: readonly ReplicaState[]): void;
  /** The name of the server that reads for `primary` go to with `nearest`; undefined: to several. */
  nearestOf(primary: Upstream): string | undefined;
}

export class ReplicaWatch {
  private readonly host: PoolHost;
  private readonly facts: ReplicaFacts;
  private readonly events: ReplicaWatchEvents;
  private readonly looking: Deadline;
  private readonly histories: Map<string, PrimaryHistory> = new Map();
  /** By name of a replica: since when it owes an answer. */
  private readonly awaited: Map<string, number> = new Map();
  /** When a worker of this host asked last. */
  private askedMs = Number.NEGATIVE_INFINITY;
  /** By name of a server, what was found last, by this worker or another. */
  private readonly found: Map<string, Found> = new Map();
  /** Something was found that was not told so far. */
  private hasNews = false;
  /** Questions of the last look that have no answer so far. */
  private unanswered: Set<object> = new Set();

  constructor(host: PoolHost, facts: ReplicaFacts, events: ReplicaWatchEvents) {
    this.host = host;
    this.facts = facts;
    this.events = events;
    this.looking = host.deadlines.create(() => this.look());
    host.bus.subscribe(TOPIC, (data, _key, ageMs) => this.onTold(data, ageMs));
    // The servers are made after this.
    this.looking.set(host.turn.nowMs);
  }

  /** Something is to be known that is not: asks soon, if no other worker does. */
  want(): void {
    this.looking.setNoLater(Math.max(this.host.turn.nowMs, this.askedMs + REPLICA_LOOK_AGAIN_MS));
  }

  /** Servers have come or gone. */
  onRouteChange(): void {
    const { route } = this.host;
    const primaries = new Set(route.upstreams.map(({ name }) => name));
    const replicas = route.upstreams.flatMap((primary) => route.replicasOf(primary));
    const all = new Set([...primaries, ...replicas.map(({ name }) => name)]);
    for (const name of this.histories.keys()) if (!primaries.has(name)) this.histories.delete(name);
    for (const name of this.found.keys()) if (!all.has(name)) this.found.delete(name);
    for (const name of this.awaited.keys()) if (!all.has(name)) this.awaited.delete(name);
  }

  /** @param ageMs how long ago it was told */
  private onTold(data: unknown, ageMs: number): void {
    // The workers that told it have all been gone for a while: this one asks.
    if (data === null || ageMs > REPLICA_NEWS_MS_MAX) return;
    const { turn, random } = { turn: this.host.turn, random: this.host.random() };
    const toldMs = turn.nowMs - ageMs;
    this.askedMs = toldMs;
    this.looking.set(Math.max(turn.nowMs, toldMs + REPLICA_LOOK_MS * (TURNS + random)));
    if (data === NEWS) return;
    const states = data as readonly ReplicaState[];
    this.learn(ageMs > 0 ? this.stillTrue(states) : states, toldMs);
  }

  /** Without replicas that were another primary's: the configuration may have changed meanwhile. */
  private stillTrue(states: readonly ReplicaState[]): readonly ReplicaState[] {
    const { route } = this.host;
    const now = new Map(
      route.upstreams.flatMap((primary) =>
        route.replicasOf(primary).map(({ name }) => [name, primary.address]),
      ),
    );
    return states.filter(({ name, primary }) => primary === (now.get(name) ?? primary));
  }

  /** @param toldMs when `states` were told */
  private learn(states: readonly ReplicaState[], toldMs: number): void {
    for (const state of states) {
      const { name, history, offset, ageMs = 0 } = state;
      const atMs = toldMs - ageMs;
      if (atMs <= (this.found.get(name)?.atMs ?? Number.NEGATIVE_INFINITY)) continue;
      this.found.set(name, { state, atMs });
      this.facts.learn(state, atMs);
      // Also in the workers that only hear it: one of them may be the next that asks.
      if (history !== undefined && offset !== undefined) {
        this.historyOf(name).add({ history, offset }, atMs);
      }
    }
    this.facts.forget(this.host.turn.nowMs);
    this.events.onStates(states);
    this.events.onNews();
  }

  private historyOf(primary: string): PrimaryHistory {
    let history = this.histories.get(primary);
    if (history === undefined) {
      history = new PrimaryHistory();
      this.histories.set(primary, history);
    }
    return history;
  }

  private look(): void {
    const { host } = this;
    const { bus, turn, route } = host;
    this.noteSilent();
    this.tell();
    bus.broadcast(TOPIC, NEWS);
    this.askedMs = turn.nowMs;
    this.looking.set(turn.nowMs + REPLICA_LOOK_MS);
    this.unanswered = new Set();
    for (const primary of route.upstreams) this.askPrimary(primary);
  }

  /** What has not answered for too long is not to be read: no worker that starts is to wait for it. */
  private noteSilent(): void {
    const { route, turn } = this.host;
    for (const primary of route.upstreams) {
      for (const { name } of route.replicasOf(primary)) {
        const isRead = typeof this.found.get(name)?.state.lagMs === "number";
        const sinceMs = this.awaited.get(name) ?? turn.nowMs;
        const isSilent = turn.nowMs - sinceMs >= (isRead ? REPLICA_NEWS_MS_MAX : PATIENCE_MS);
        if (isSilent) this.find({ name, lagMs: null, tookMs: 0, primary: primary.address });
      }
    }
  }

  /** Tells all that is known, so that it is enough to retain the last message. */
  private tell(): void {
    if (!this.hasNews) return;
    this.hasNews = false;
    const { route, turn } = this.host;
    const told = new Map<string, ReplicaState>();
    for (const primary of route.upstreams) {
      for (const server of [primary, ...route.replicasOf(primary)]) {
        const found = this.found.get(server.name);
        if (found === undefined) continue;
        const nearest = server === primary ? this.events.nearestOf(primary) : undefined;
        told.set(server.name, {
          ...found.state,
          ageMs: turn.nowMs - found.atMs,
          ...(nearest === undefined ? {} : { nearest }),
        });
      }
    }
    this.host.bus.retain(TOPIC, KEY, [...told.values()]);
  }

  private askPrimary(primary: Upstream): void {
    const { name } = primary;
    this.ask(primary, (info, tookMs) => {
      if (info !== null && !info.isReplica) {
        const { history, offset } = info;
        this.find({ name, lagMs: 0, tookMs, history, offset });
      }
      for (const replica of this.host.route.replicasOf(primary)) this.askReplica(replica, primary);
    });
  }

  private askReplica(replica: Upstream, primary: Upstream): void {
    const { name } = replica;
    if (!this.awaited.has(name)) this.awaited.set(name, this.host.turn.nowMs);
    this.ask(replica, (info, tookMs) => {
      const { nowMs } = this.host.turn;
      const fact = this.facts.of(name);
      const lagMs =
        info === null
          ? null
          : this.historyOf(primary.name).lagOf(info, nowMs, lagSince(fact, nowMs));
      this.find({ name, lagMs, tookMs, primary: primary.address });
    });
  }

  private find(state: ReplicaState): void {
    this.hasNews = true;
    this.awaited.delete(state.name);
    this.learn([state], this.host.turn.nowMs);
  }

  /** `done` gets null when there is no answer. */
  private ask(
    upstream: Upstream,
    done: (info: ReplicationInfo | null, tookMs: number) => void,
  ): void {
    const { turn } = this.host;
    const { unanswered } = this;
    const link = wayTo(upstream);
    const startMs = turn.freshMs;
    const question = {};
    unanswered.add(question);
    const answered = (info: ReplicationInfo | null, tookMs: number): void => {
      done(info, tookMs);
      unanswered.delete(question);
      if (unanswered.size === 0) this.tell();
    };
    if (link.refusal !== null) {
      answered(null, 0);
      return;
    }
    const sink: ReplySink = {
      takesRuns: false,
      onReplies: (_token, _count, bytes, start) => {
        const reply = decodeReply(bytes, start);
        const text = Buffer.isBuffer(reply) ? reply.toString("latin1") : "";
        answered(readReplicationInfo(text), turn.freshMs - startMs);
      },
      onFailure: () => answered(null, 0),
    };
    link.send(QUESTION, 0, QUESTION.length, sink, 0, 1);
  }

  close(): void {
    this.looking.cancel();
  }
}

/** By how much a replica is behind at the most, if it got nothing since `fact` was found. */
function lagSince(fact: ReturnType<ReplicaFacts["of"]>, nowMs: number): number {
  return fact === undefined || fact.lagMs === null || fact.lagMs === 0
    ? 0
    : fact.lagMs + nowMs - fact.heardMs;
}

/** The question is about this server, and no other. */
function wayTo(upstream: Upstream): Link {
  const link = upstream.connection(0, FIRST_KIND);
  return link instanceof RedirectLink ? link.inner : link;
}
