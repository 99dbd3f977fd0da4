/** The outages of a pool's servers, in one worker, and how much waits for their ends. */
import type { PoolHost } from "../../../api/protocol-module.ts";
import type { Upstream } from "../../../api/upstream.ts";
import { CLUSTER_DOWN_WAIT_MS } from "../../../base/limits.ts";
import { FAILOVER_METRICS } from "../metrics.ts";
import { Outage } from "./outage.ts";
import type { Parking } from "./parking.ts";

const SECOND_MS = 1000;

export class Outages {
  /** Requests begin to wait for a server, and no longer do. */
  onBegin: () => void = () => {};
  onEnd: () => void = () => {};
  private readonly host: PoolHost;
  private readonly parking: Parking;
  /** By server id. */
  private readonly byServer: Map<number, Outage> = new Map();
  private waiting = 0;
  private bytes = 0;
  private orders = 0;

  constructor(host: PoolHost, parking: Parking) {
    this.host = host;
    this.parking = parking;
  }

  /** How long requests wait for a server at the most. */
  get patienceMs(): number {
    const { windowMs, isDryRun } = this.parking;
    return isDryRun || windowMs === null ? CLUSTER_DOWN_WAIT_MS : windowMs;
  }

  /** Requests may wait for a server that is lost. */
  mayWaitFor(upstream: Upstream): boolean {
    const { windowMs, isDryRun } = this.parking;
    if (windowMs === null || !isDryRun) return windowMs !== null;
    this.host.metrics(FAILOVER_METRICS).add("dry_run_waits", 1);
    this.say(
      "requests_would_wait",
      "failover_park_dry_run: requests would wait for a server that is lost",
      upstream,
      {},
    );
    return false;
  }

  /** `upstream` does not do what is asked of it. @returns whether requests wait for it */
  begin(upstream: Upstream): boolean {
    const { nowMs } = this.host.turn;
    const known = this.byServer.get(upstream.id);
    if (known !== undefined && !known.isForgotten(nowMs)) return !known.isOver;
    this.byServer.set(upstream.id, new Outage(upstream, nowMs));
    this.onBegin();
    this.say("requests_wait", "requests wait for a server that does not serve", upstream, {});
    return true;
  }

  /** It is not known to be well. */
  isOut({ id }: Upstream): boolean {
    return this.byServer.has(id);
  }

  /** Requests wait for its end. */
  isUnderWay({ id }: Upstream): boolean {
    return this.byServer.get(id)?.isOver === false;
  }

  /** It has done what it was asked. */
  recover(upstream: Upstream): void {
    const outage = this.byServer.get(upstream.id);
    if (!this.byServer.delete(upstream.id) || outage === undefined) return;
    if (!outage.isOver) this.onEnd();
    const waited_ms = Math.round(this.host.turn.nowMs - outage.sinceMs);
    this.say("requests_go_on", "what waited for a server goes on", upstream, { waited_ms });
  }

  /** @returns whether what waits for it has waited long enough */
  endIfLate(upstream: Upstream, nowMs: number): boolean {
    const outage = this.byServer.get(upstream.id);
    if (outage === undefined) return false;
    if (outage.isOver || nowMs - outage.sinceMs < this.patienceMs) return outage.isOver;
    outage.end(nowMs);
    this.onEnd();
    this.say(
      "requests_wait_no_longer",
      "requests wait no longer for a server that does not serve",
      upstream,
      {},
    );
    return true;
  }

  /** Servers that are waited for. */
  get underWay(): readonly Upstream[] {
    return [...this.byServer.values()].filter(({ isOver }) => !isOver).map((each) => each.upstream);
  }

  forget(id: number): void {
    const outage = this.byServer.get(id);
    this.byServer.delete(id);
    if (outage?.isOver === false) this.onEnd();
  }

  // How much

  /** There is room for one more, of `bytes`. */
  hasRoom(bytes: number): boolean {
    const { requestsMax, bytesMax } = this.parking;
    return this.waiting < requestsMax && this.bytes + bytes <= bytesMax;
  }

  count(requests: number, bytes: number): void {
    this.waiting += requests;
    this.bytes += bytes;
    this.host.metrics(FAILOVER_METRICS).add("waiting", requests);
  }

  /** So many requests begin to wait. */
  countNew(requests: number): void {
    this.host.metrics(FAILOVER_METRICS).add("waits", requests);
  }

  nextOrder(): number {
    return ++this.orders;
  }

  /** So many may go on in `ms`. */
  perTick(ms: number): number {
    return Math.max(1, Math.ceil((this.parking.ratePerSecond * ms) / SECOND_MS));
  }

  private say(
    event: string,
    what: string,
    { name }: Upstream,
    more: Readonly<Record<string, number>>,
  ): void {
    const { log, logLimit, config, turn } = this.host;
    const leftOut = logLimit.admit(`failover ${what} ${config.name} ${name}`, turn.nowMs);
    if (leftOut === null) return;
    log.warn(what, { event, server: name, ...more, ...(leftOut > 0 ? { left_out: leftOut } : {}) });
  }
}
