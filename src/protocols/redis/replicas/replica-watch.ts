/**
 * Finds out how far the replicas of a pool are behind. One worker of a host asks, the one that asked last, and tells the others.
 */
import type { PoolHost } from "../../../api/protocol-module.ts";
import { FIRST_KIND, type Link, type ReplySink, type Upstream } from "../../../api/upstream.ts";
import type { Deadline } from "../../../base/deadlines.ts";
import { REPLICA_LOOK_MS } from "../../../base/limits.ts";
import { decodeReply } from "../codec/decode.ts";
import { encodeRequest } from "../codec/encode.ts";
import { RedirectLink } from "../redirect/redirect-link.ts";
import { PrimaryHistory, type ReplicationInfo, readReplicationInfo } from "./replication-info.ts";

const QUESTION: Buffer = encodeRequest("INFO", "replication");
const TOPIC = "replicas";
const NEWS = "asking";
/** A worker that has heard nothing for so many looks asks itself. */
const TURNS = 2;

/** What is known of one server. Plain JSON data. */
export interface ReplicaState {
  readonly name: string;
  /** Null: it must not be read. */
  readonly lagMs: number | null;
  /** How long its answer took. */
  readonly tookMs: number;
}

export class ReplicaWatch {
  private readonly host: PoolHost;
  private readonly onStates: (states: readonly ReplicaState[]) => void;
  private readonly looking: Deadline;
  private readonly histories: Map<string, PrimaryHistory> = new Map();
  private states: ReplicaState[] = [];

  /** @param onStates hears of all servers together, again and again */
  constructor(host: PoolHost, onStates: (states: readonly ReplicaState[]) => void) {
    this.host = host;
    this.onStates = onStates;
    this.looking = host.deadlines.create(() => this.look());
    host.bus.subscribe(TOPIC, (data) => this.onTold(data));
    // The servers are made after this.
    this.looking.set(host.turn.nowMs);
  }

  private onTold(data: unknown): void {
    const { turn, random } = { turn: this.host.turn, random: this.host.random() };
    this.looking.set(turn.nowMs + REPLICA_LOOK_MS * (TURNS + random));
    if (data !== NEWS && data !== null) this.onStates(data as ReplicaState[]);
  }

  private look(): void {
    const { host } = this;
    const { bus, turn, route } = host;
    this.tell();
    bus.broadcast(TOPIC, NEWS);
    this.looking.set(turn.nowMs + REPLICA_LOOK_MS);
    const names = new Set(route.upstreams.map(({ name }) => name));
    for (const name of this.histories.keys()) if (!names.has(name)) this.histories.delete(name);
    for (const primary of route.upstreams) this.askPrimary(primary);
  }

  /** What was answered since the last look. */
  private tell(): void {
    const { states } = this;
    this.states = [];
    if (states.length === 0) return;
    this.host.bus.broadcast(TOPIC, states);
    this.onStates(states);
  }

  private askPrimary(primary: Upstream): void {
    const history = this.histories.get(primary.name) ?? new PrimaryHistory();
    this.histories.set(primary.name, history);
    const askReplicas = (): void => {
      for (const replica of this.host.route.replicasOf(primary)) this.askReplica(replica, history);
    };
    this.ask(primary, (info, tookMs) => {
      if (info !== null && !info.isReplica) {
        history.add(info, this.host.turn.nowMs);
        this.states.push({ name: primary.name, lagMs: 0, tookMs });
      }
      askReplicas();
    });
  }

  private askReplica(replica: Upstream, history: PrimaryHistory): void {
    this.ask(replica, (info, tookMs) => {
      const lagMs = info === null ? null : history.lagOf(info, this.host.turn.nowMs);
      this.states.push({ name: replica.name, lagMs, tookMs });
    });
  }

  /** `done` gets null when there is no answer. */
  private ask(
    upstream: Upstream,
    done: (info: ReplicationInfo | null, tookMs: number) => void,
  ): void {
    const { turn } = this.host;
    const link = wayTo(upstream);
    const startMs = turn.freshMs;
    if (link.refusal !== null) {
      done(null, 0);
      return;
    }
    const sink: ReplySink = {
      takesRuns: false,
      onReplies: (_token, _count, bytes, start) => {
        const reply = decodeReply(bytes, start);
        const text = Buffer.isBuffer(reply) ? reply.toString("latin1") : "";
        done(readReplicationInfo(text), turn.freshMs - startMs);
      },
      onFailure: () => done(null, 0),
    };
    link.send(QUESTION, 0, QUESTION.length, sink, 0, 1);
  }

  close(): void {
    this.looking.cancel();
  }
}

/** The question is about this server, and no other. */
function wayTo(upstream: Upstream): Link {
  const link = upstream.connection(0, FIRST_KIND);
  return link instanceof RedirectLink ? link.inner : link;
}
