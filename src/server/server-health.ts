/**
 * Whether a server does what is asked of it, as its connections and the pool's probes tell. The states are in health-states.ts.
 *
 * Each change is counted and shown. The log has those that an operator wants to know, once each.
 *
 * With probes (`health_check`) only these bring a server back that is down: requests of clients are no experiment. Without them the
 * first connection that comes about does.
 */
import type { PoolConfig } from "../api/config.ts";
import type { MetricBlock } from "../api/metrics.ts";
import type { ProbeFault } from "../api/protocol.ts";
import { SERVER, TROUBLE_KINDS, type TroubleKind } from "../api/stats.ts";
import type { Failure } from "../api/upstream.ts";
import { SUSPECT_QUIET_MS } from "../base/health-limits.ts";
import type { Logger } from "../base/log.ts";
import type { Schedule } from "../base/schedule.ts";
import type { Ejectable, Ejections } from "./ejections.ts";
import { DOWN, HEALTH, PROBING, SUSPECT, UP } from "./health-states.ts";

export interface ServerHealthOptions {
  readonly server: Ejectable;
  readonly name: string;
  readonly pool: PoolConfig;
  /** Null: a server stays in the ring whatever happens. */
  readonly ejections: Ejections | null;
  readonly log: Logger;
  readonly schedule: Schedule;
  /** A clock of milliseconds. */
  readonly nowMs: () => number;
  /** The server's; where they are may change. */
  readonly counters: MetricBlock;
  /** Milliseconds since the epoch. */
  readonly epochMs: () => number;
  /** It is down, in a pool that ejects no server. */
  readonly onDown: () => void;
  /** It was down, and is up. */
  readonly onRecovered: () => void;
  /** It has answered a probe and is not down: connections that wait until they are tried again need not. */
  readonly onProbed: () => void;
  /** It was up, and is suspect: to probe it would tell more. */
  readonly onSuspect: () => void;
}

/** What made it suspect. */
type Cause = "trouble" | "connect" | "probe" | "signal";

export class ServerHealth {
  /** It is no longer one of its pool's: what becomes of it is of no interest any more. */
  isRetired = false;
  /** Why its probes say that it is down; null: they do not, or its requests have failed too often. */
  downReason: string | null = null;
  private readonly options: ServerHealthOptions;
  private state: number = UP;
  private cause: Cause = "trouble";
  /** Failed requests in a row. */
  private troubles = 0;
  /** Failed probes in a row, and answered ones since it was down. */
  private falls = 0;
  private rises = 0;
  /** When something has told against it last. */
  private againstMs: number = Number.NEGATIVE_INFINITY;
  private cancelQuiet: () => void = () => {};

  constructor(options: ServerHealthOptions) {
    this.options = options;
    const { values, base } = options.counters;
    values[base + SERVER.health] = UP;
  }

  /** It gets no requests. */
  get isDown(): boolean {
    return (this.state & (DOWN | PROBING)) !== 0;
  }

  get isUp(): boolean {
    return this.state === UP;
  }

  private get isProbed(): boolean {
    return (this.options.pool.healthCheckMs ?? null) !== null;
  }

  // What its connections tell

  /** A request was answered. */
  onReply(): void {
    if (this.state !== SUSPECT) return;
    this.troubles = 0;
    if (this.cause === "trouble" || this.cause === "connect") this.recover();
  }

  /** An attempt to connect begins. */
  onAttempt(): void {
    if (this.state === DOWN && !this.isProbed) this.go(PROBING);
  }

  /** A connection has come about. */
  onUp(): void {
    if (this.isRetired || this.state === UP) return;
    if (this.state === SUSPECT) {
      if (this.cause === "trouble" || this.cause === "connect") this.recover();
      return;
    }
    if (this.isProbed) return;
    this.onAttempt();
    this.comeBack();
  }

  /** What this machine is short of is shown like trouble, and no ground to take the server for down. */
  onTrouble(failure: Failure): void {
    if (this.isRetired || this.state === DOWN) return;
    if (this.state === PROBING) {
      // With probes it is not asked by others: this is about what was asked before.
      if (!this.isProbed) this.go(DOWN);
      return;
    }
    const { ejections, server, pool } = this.options;
    const kind = kindOf(failure.kind);
    const cause = kind === "refused" || kind === "handshake" ? "connect" : "trouble";
    this.suspect(cause, failure.text, kind);
    if (failure.isLocal === true) return;
    ejections?.onTrouble(server);
    this.troubles++;
    if (ejections === null || this.troubles < pool.serverFailureLimit) return;
    this.fall(null, failure.text, kind);
  }

  /** It has answered with an error that tells of its state, `name`. The client has got that. */
  onSignal(name: string): void {
    if (this.isRetired || this.isDown) return;
    this.suspect("signal", `it answers requests with ${name}`, "signal");
  }

  // What its probes tell

  /** @param fault null: it has answered as it should */
  onProbe(fault: ProbeFault | null): void {
    if (this.isRetired) return;
    if (fault === null) this.onProbeAnswered();
    else if (fault.isGrave) this.onProbeFailed(fault.text);
    else if (this.state === PROBING) this.go(DOWN);
    else if (this.state !== DOWN) this.suspect("probe", fault.text, "probe");
  }

  private onProbeAnswered(): void {
    this.falls = 0;
    if (!this.isDown) this.options.onProbed();
    if (this.state === SUSPECT) {
      // What it does not do for clients it may do for a probe.
      const isShown = this.cause === "probe" || this.cause === "connect";
      if (isShown || (this.cause === "trouble" && this.quietInMs <= 0)) this.recover();
      return;
    }
    if (!this.isDown) return;
    const { log, name, pool } = this.options;
    const { healthCheckRise = 1 } = pool;
    if (this.state === DOWN) {
      this.rises = 0;
      this.go(PROBING);
      if (healthCheckRise > 1) log.info("server answers its probes again", { server: name });
    }
    this.rises++;
    if (this.rises >= healthCheckRise) this.comeBack();
  }

  private onProbeFailed(text: string): void {
    const { ejections, server, pool, log, name } = this.options;
    this.falls++;
    if (this.state === PROBING) {
      log.info("server does not answer its probes any more", { server: name, reason: text });
      this.downReason = text;
      this.go(DOWN);
    }
    const hasFallen = this.falls >= (pool.healthCheckFall ?? 1);
    if (this.isDown) {
      // Its requests have failed first.
      if (hasFallen) this.downReason = text;
      return;
    }
    this.suspect("probe", text, "probe");
    ejections?.onTrouble(server);
    if (hasFallen) this.fall(text, text, "probe");
  }

  /** This worker has made a probe. */
  countProbe(hasFailed: boolean): void {
    const { values, base } = this.options.counters;
    values[base + SERVER.probes]! += 1;
    if (hasFailed) values[base + SERVER.probe_failures]! += 1;
  }

  /** Another worker has found before this one started that it is down. */
  resumeDown(reason: string): void {
    if (!this.isDown && !this.isRetired) this.fall(reason, reason, "probe");
  }

  // Changes

  private suspect(cause: Cause, reason: string, kind: TroubleKind | null): void {
    this.againstMs = this.options.nowMs();
    if (this.state !== UP) return;
    const { log, name, onSuspect } = this.options;
    this.cause = cause;
    this.go(SUSPECT);
    if (cause === "signal") this.awaitQuiet();
    log.warn("server is in trouble", { server: name, reason });
    this.tell(kind);
    onSuspect();
  }

  /** What it says of its state holds until it has not said so for a while. */
  private awaitQuiet(): void {
    this.cancelQuiet = this.options.schedule(Math.max(this.quietInMs, 1), () => {
      if (this.quietInMs <= 0) this.recover();
      else this.awaitQuiet();
    });
  }

  private get quietInMs(): number {
    return this.againstMs + SUSPECT_QUIET_MS - this.options.nowMs();
  }

  /** It is suspect no more. */
  private recover(): void {
    const { log, name, ejections, server } = this.options;
    this.cancelQuiet();
    this.troubles = 0;
    if (this.isRetired) return;
    this.go(UP);
    this.tell(null);
    log.info("server is back", { server: name });
    ejections?.onReply(server);
  }

  /** @param told what its probes say; null: its requests have failed */
  private fall(told: string | null, reason: string, kind: TroubleKind | null): void {
    const { log, name, ejections, server, onDown } = this.options;
    this.cancelQuiet();
    this.troubles = 0;
    this.downReason = told;
    this.go(DOWN);
    this.tell(kind);
    log.warn("server is down", { server: name, reason });
    if (ejections === null) onDown();
    else ejections.onFailed(server);
  }

  /** It was down, and is up. */
  private comeBack(): void {
    const { log, name, ejections, server, onRecovered } = this.options;
    this.downReason = null;
    this.go(UP);
    this.tell(null);
    log.info("server is back", { server: name });
    ejections?.onReply(server);
    onRecovered();
    ejections?.onAnswered(server);
  }

  private go(next: number): void {
    this.state = HEALTH.step(this.state, next);
    const { values, base } = this.options.counters;
    values[base + SERVER.health] = next;
    values[base + SERVER.health_changes]! += 1;
  }

  retire(): void {
    this.isRetired = true;
    this.cancelQuiet();
    const { values, base } = this.options.counters;
    for (const gauge of GAUGES) values[base + gauge] = 0;
  }

  /** For `proxy status`; null: it is well. */
  private tell(kind: TroubleKind | null): void {
    const { counters, epochMs } = this.options;
    const { values, base } = counters;
    const wasIn = values[base + SERVER.in_trouble] === 1;
    values[base + SERVER.in_trouble] = this.state === UP ? 0 : 1;
    values[base + SERVER.trouble_kind] = kind === null ? 0 : TROUBLE_KINDS.indexOf(kind) + 1;
    if (this.state === UP) values[base + SERVER.trouble_since] = 0;
    else if (!wasIn) values[base + SERVER.trouble_since] = epochMs() * 1000;
  }
}

const GAUGES: readonly number[] = [
  SERVER.health,
  SERVER.in_trouble,
  SERVER.trouble_since,
  SERVER.trouble_kind,
];

function kindOf(kind: Failure["kind"]): TroubleKind | null {
  const kinds: readonly string[] = TROUBLE_KINDS;
  return kinds.includes(kind) ? (kind as TroubleKind) : null;
}
