/** Asks one server whether it serves, over a connection that has no other use. */
import type { PoolConfig } from "../api/config.ts";
import type { ConnectAttempt, ConnectEvents, Engine, SocketTuning } from "../api/engine.ts";
import type { MetricBlock } from "../api/metrics.ts";
import type { ProbeFault, UpstreamProtocol } from "../api/protocol.ts";
import { SERVER_COUNTERS } from "../api/stats.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Member } from "../api/topology.ts";
import type { Failure, ReplySink } from "../api/upstream.ts";
import type { Deadlines } from "../base/deadlines.ts";
import type { DescriptorBudget } from "../base/descriptor-budget.ts";
import { PROBE_TEXT_MAX } from "../base/health-limits.ts";
import type { Turn } from "../base/turn.ts";
import { isAsked } from "../config/address.ts";
import { Connection } from "./connection.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { ConnectionRole } from "./connection-role.ts";
import { UNKNOWN_PLACE } from "./failures.ts";
import type { PartialReplies } from "./partial-replies.ts";
import { PlainConnection, type PlainOwner } from "./plain-connection.ts";

/** Null: it has answered. Undefined: that could not be found out, for a reason that is not the server's. */
export type ProbeOutcome = ProbeFault | null | undefined;

export interface Prober {
  /** Asks once; `done` is called once, not inside of this call. Not while an earlier question is open. */
  probe(done: (outcome: ProbeOutcome) => void): void;
  close(): void;
}

export interface ProberOptions {
  readonly name: string;
  readonly turn: Turn;
  readonly deadlines: Deadlines;
  /** How long a probe may take, connecting included. */
  readonly timeoutMs: () => number;
  readonly partialReplies: PartialReplies;
  readonly schedule: (delayMs: number, callback: () => void) => () => void;
  readonly connect: (
    events: ConnectEvents,
    streamEvents: StreamEvents,
    isHalfOpen: boolean,
  ) => ConnectAttempt;
  /** A connection takes a descriptor (1), or has given it back (-1). */
  readonly onDescriptor: (by: 1 | -1) => void;
}

/** The server, as far as it matters here. */
export interface ProbedServer
  extends Pick<ProberOptions, "name" | "turn" | "deadlines" | "partialReplies" | "schedule"> {
  readonly pool: PoolConfig;
  readonly engine: Engine;
  readonly member: Member;
  /** By variant; the first one is asked. None: it is only connected. */
  readonly variants: readonly UpstreamProtocol[];
  readonly descriptors: Pick<DescriptorBudget, "lent">;
  readonly tuning: SocketTuning;
}

export function createProber(options: ProbedServer): Prober {
  const { pool, engine, member, variants, descriptors, tuning } = options;
  const own: ProberOptions = {
    ...options,
    timeoutMs: () => pool.healthCheckTimeoutMs ?? pool.connectTimeoutMs,
    connect(events, streamEvents, isHalfOpen) {
      const { address } = member.server;
      if (!isAsked(address)) {
        return engine.connect(address, tuning, events, streamEvents, isHalfOpen);
      }
      return { abandon: options.schedule(0, () => events.onError(UNKNOWN_PLACE)) };
    },
    onDescriptor: (by) => {
      descriptors.lent += by;
    },
  };
  const [protocol] = variants;
  return protocol === undefined ? new ConnectProber(own) : new RequestProber(own, protocol);
}

/** What this process is short of, or has not been told, says nothing about a server. */
const OWN_SHORTAGES: ReadonlySet<string> = new Set([
  ...["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL", "EAGAIN", UNKNOWN_PLACE],
]);

/** What is behind the words that begin a failure's text names the server, which is known where this is said. */
const WORDS: Partial<Record<Failure["kind"], (timeoutMs: number) => string>> = {
  closed: () => "it closed the connection",
  garbage: () => "its answer makes no sense",
  timeout: (timeoutMs) => `no answer within ${timeoutMs} ms`,
};

/** What both kinds of probers are to their connections: nothing is counted among what clients cause. */
class ProbeOwner implements ConnectionOwner, PlainOwner {
  readonly name: string;
  readonly turn: Turn;
  readonly deadlines: Deadlines;
  readonly isEager = false;
  readonly firstByteMs = null;
  readonly queueMs = null;
  readonly pendingMax: number = Number.POSITIVE_INFINITY;
  readonly counters: MetricBlock = { values: new Float64Array(SERVER_COUNTERS.length), base: 0 };
  readonly errors = null;
  readonly times = null;
  readonly partialReplies: PartialReplies;
  /** Why the last attempt has failed; "": it has not. */
  cause = "";
  private readonly options: ProberOptions;

  constructor(options: ProberOptions) {
    this.options = options;
    this.name = options.name;
    this.turn = options.turn;
    this.deadlines = options.deadlines;
    this.partialReplies = options.partialReplies;
  }

  get timeoutMs(): number {
    return this.options.timeoutMs();
  }

  get connectTimeoutMs(): number {
    return this.options.timeoutMs();
  }

  connect(events: ConnectEvents, streamEvents: StreamEvents): ConnectAttempt {
    return this.attempt(events, streamEvents, false);
  }

  connectPlain(events: ConnectEvents, streamEvents: StreamEvents): ConnectAttempt {
    return this.attempt(events, streamEvents, true);
  }

  private attempt(
    events: ConnectEvents,
    streamEvents: StreamEvents,
    isHalfOpen: boolean,
  ): ConnectAttempt {
    this.cause = "";
    return this.options.connect(
      {
        onOpen: (stream: Stream) => events.onOpen(stream),
        onError: (cause) => {
          this.cause = cause;
          events.onError(cause);
        },
      },
      streamEvents,
      isHalfOpen,
    );
  }

  /** What `failure` says of the server. */
  outcomeOf({ kind, text }: Failure): ProbeOutcome {
    if (OWN_SHORTAGES.has(this.cause)) return undefined;
    const isLate = kind === "refused" && this.cause === "";
    const words = isLate
      ? `no connection within ${this.timeoutMs} ms`
      : WORDS[kind]?.(this.timeoutMs);
    return { text: words ?? shortened(text), isGrave: true };
  }

  retryDelayMs(): number {
    return Number.POSITIVE_INFINITY;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    return this.options.schedule(delayMs, callback);
  }

  adoptSocket(): void {}
  onDescriptor(): void {}
  onUp(): void {}
  onLost(): void {}
  onTrouble(): void {}
  onOutOfStep(): void {}
  onReply(): void {}
  onSignal(): void {}
  onPlainGone(): void {}
}

/** Sends what the protocol has for that. The connection is kept for the next time, unless the answer was no good. */
export class RequestProber implements Prober {
  readonly options: ProberOptions;
  readonly owner: ProbeOwner;
  readonly protocol: UpstreamProtocol;
  private current: ProbeConnection | null = null;

  constructor(options: ProberOptions, protocol: UpstreamProtocol) {
    this.options = options;
    this.owner = new ProbeOwner(options);
    this.protocol = protocol;
  }

  probe(done: (outcome: ProbeOutcome) => void): void {
    const { current } = this;
    const reused = current?.isUsable === true ? current : null;
    if (reused !== null) {
      // It may have been closed because it was idle: only a new one tells.
      reused.ask((outcome, isClosed) => {
        if (isClosed) this.fresh(done);
        else done(outcome);
      });
    } else this.fresh(done);
  }

  private fresh(done: (outcome: ProbeOutcome) => void): void {
    this.current?.drop();
    this.current = new ProbeConnection(this);
    this.current.ask(done);
  }

  close(): void {
    this.current?.drop();
    this.current = null;
  }
}

class ProbeConnection implements ConnectionRole, ReplySink {
  readonly isWatched = false;
  readonly isAskable = false;
  readonly firstByteMs = null;
  readonly queueMs = null;
  readonly pendingMax: number = Number.POSITIVE_INFINITY;
  readonly messages = null;
  readonly takesRuns = false;
  readonly copiesReplies = true;
  isUsable = true;
  private readonly prober: RequestProber;
  private readonly connection: Connection;
  private isGone = false;
  private done: ((outcome: ProbeOutcome, isClosed: boolean) => void) | null = null;

  constructor(prober: RequestProber) {
    this.prober = prober;
    this.connection = new Connection(prober.owner, prober.protocol, this);
    prober.options.onDescriptor(1);
  }

  /** @param done also hears whether the connection was closed with the question on it */
  ask(done: (outcome: ProbeOutcome, isClosed: boolean) => void): void {
    this.done = done;
    const { probe } = this.prober.protocol;
    this.connection.send(probe, 0, probe.length, this, 0, 1);
  }

  onReplies(_token: number, _count: number, bytes: Buffer, start: number, end: number): void {
    const { protocol } = this.prober;
    const fault = protocol.probeFault?.(bytes, start, end) ?? null;
    const text =
      fault?.text ?? protocol.handshakeFault(protocol.handshakeReplies, bytes, start, end);
    this.finish(
      text === null ? null : { text: shortened(text), isGrave: fault?.isGrave ?? true },
      false,
    );
  }

  onFailure(_token: number, _count: number, failure: Failure): void {
    this.isUsable = false;
    this.finish(this.prober.owner.outcomeOf(failure), failure.kind === "closed");
  }

  private finish(outcome: ProbeOutcome, isClosed: boolean): void {
    const { done } = this;
    this.done = null;
    done?.(outcome, isClosed);
  }

  get timeoutMs(): number {
    return this.prober.options.timeoutMs();
  }

  onOpen(): void {}
  onReady(): void {}
  onHungUp(): void {}

  endsBy(): boolean {
    return false;
  }

  onLost(): void {
    this.drop();
  }

  onFailed(): void {
    this.drop();
  }

  takeDown(): void {
    this.drop();
  }

  drop(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.isUsable = false;
    this.done = null;
    this.prober.options.onDescriptor(-1);
    this.connection.close(GIVEN_UP, GIVEN_UP);
  }
}

/** Connects and hangs up: of the server's protocol nothing is known. */
export class ConnectProber implements Prober {
  private readonly options: ProberOptions;
  private readonly owner: ProbeOwner;
  private connection: PlainConnection | null = null;

  constructor(options: ProberOptions) {
    this.options = options;
    this.owner = new ProbeOwner(options);
  }

  probe(done: (outcome: ProbeOutcome) => void): void {
    const finish = (outcome: ProbeOutcome): void => {
      if (this.connection !== connection) return;
      this.close();
      done(outcome);
    };
    const connection: PlainConnection = new PlainConnection(this.owner, {
      onOpen: () => finish(null),
      onRefused: (failure) => finish(this.owner.outcomeOf(failure)),
      onBytes() {},
      onDrain() {},
      onEnd() {},
      onClose() {},
    });
    this.connection = connection;
    this.options.onDescriptor(1);
    connection.connect();
  }

  close(): void {
    const { connection } = this;
    this.connection = null;
    if (connection === null) return;
    this.options.onDescriptor(-1);
    connection.close();
  }
}

const GIVEN_UP: Failure = {
  kind: "stopping",
  wasSent: false,
  text: "the connection for health checks was closed",
};

/** Without what stands in brackets behind the first words, and not longer than may be told. */
function shortened(whole: string): string {
  const text = whole.split(" (")[0]!;
  return text.length <= PROBE_TEXT_MAX ? text : `${text.substring(0, PROBE_TEXT_MAX)}…`;
}
