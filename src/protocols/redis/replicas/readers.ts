/** Chooses the server that a read goes to: its keys' primary, or one of that one's replicas. */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { ConnectionKind, Link, Upstream } from "../../../api/upstream.ts";
import { REPLICA_NEWS_MS_MAX } from "../../../base/limits.ts";
import type { ReadFrom } from "./read-from.ts";
import { RefusingLink } from "./refusing-link.ts";
import { type ReplicaState, ReplicaWatch } from "./replica-watch.ts";

export interface ReadingOptions {
  readFrom: ReadFrom;
  /** A replica that is further behind is not read; null: any that is linked to its primary is. */
  maxLagMs: number | null;
  /** After a write its client reads from primaries for so long. */
  ownWritesMs: number;
}

/** Of an answer's time, how much the newest one counts. */
const NEWEST = 0.3;

const NONE: readonly Upstream[] = [];

export class Readers {
  private readonly host: PoolHost;
  private readonly options: ReadingOptions;
  private readonly watch: ReplicaWatch;
  private readonly known: Map<string, ReplicaState> = new Map();
  private heardMs = Number.NEGATIVE_INFINITY;
  /** By id of a primary: what its reads may go to. Made when it is asked for. */
  private choices: (readonly Upstream[] | undefined)[] = [];

  constructor(host: PoolHost, options: ReadingOptions) {
    this.host = host;
    this.options = options;
    this.watch = new ReplicaWatch(host, (states) => this.learn(states));
  }

  /**
   * The way of a read whose keys are at `primary`, for all sessions with this lane number. Allocates nothing as a rule.
   * @param sinceMs how long ago the client wrote
   */
  link(primary: Upstream, lane: number, kind: ConnectionKind, sinceMs: number): Link {
    const { readFrom, ownWritesMs } = this.options;
    if (sinceMs < ownWritesMs) return primary.connection(lane, kind);
    const choices = this.choicesOf(primary);
    const first = readFrom === "nearest" ? 0 : lane;
    for (let i = 0; i < choices.length; i++) {
      const link = choices[(first + i) % choices.length]!.connection(lane, kind);
      if (link.refusal === null) return link;
    }
    return readFrom === "replica" ? new RefusingLink(primary.name) : primary.connection(lane, kind);
  }

  private choicesOf(primary: Upstream): readonly Upstream[] {
    if (this.host.turn.nowMs - this.heardMs > REPLICA_NEWS_MS_MAX) return NONE;
    const known = this.choices[primary.id];
    if (known !== undefined) return known;
    const chosen = this.choose(primary);
    this.choices[primary.id] = chosen;
    return chosen;
  }

  private choose(primary: Upstream): Upstream[] {
    const { readFrom, maxLagMs } = this.options;
    const mayBeRead = ({ name }: Upstream): boolean => {
      const lagMs = this.known.get(name)?.lagMs ?? null;
      return lagMs !== null && (maxLagMs === null || lagMs <= maxLagMs);
    };
    const replicas = this.host.route.replicasOf(primary).filter(mayBeRead);
    if (readFrom === "any") return [...replicas, primary];
    if (readFrom !== "nearest") return replicas;
    const tookMs = ({ name }: Upstream): number =>
      this.known.get(name)?.tookMs ?? Number.POSITIVE_INFINITY;
    return [...replicas, primary].sort((a, b) => tookMs(a) - tookMs(b));
  }

  private learn(states: readonly ReplicaState[]): void {
    this.heardMs = this.host.turn.nowMs;
    const before = new Map(this.known);
    this.known.clear();
    for (const state of states) {
      const old = before.get(state.name)?.tookMs ?? state.tookMs;
      const tookMs = old + NEWEST * (state.tookMs - old);
      this.known.set(state.name, { ...state, tookMs });
    }
    this.choices = [];
  }

  /** Servers have come or gone, or the options have changed. */
  onChange(): void {
    this.choices = [];
  }

  close(): void {
    this.watch.close();
  }
}
