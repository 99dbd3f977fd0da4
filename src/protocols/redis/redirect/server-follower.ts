/** What follows the servers of a pool as they change places and roles: those of a Redis Cluster, or those that Sentinels watch. */
import type { Topology } from "../../../api/topology.ts";
import type { ConnectionKind, DecorateLink, Failure, Upstream } from "../../../api/upstream.ts";
import type { Redirection } from "./redirection.ts";
import type { Redirector } from "./redirector.ts";

export abstract class ServerFollower {
  abstract readonly topology: Topology;
  readonly decorate: DecorateLink;
  protected readonly redirector: Redirector;

  constructor(redirector: Redirector) {
    this.redirector = redirector;
    this.decorate = redirector.decorate;
  }

  /** See Redirector. */
  onSentElsewhere(callback: Redirector["onSentElsewhere"]): void {
    this.redirector.onSentElsewhere = callback;
  }

  /** Told when requests begin to wait for a server, and when they no longer do; each for each server. */
  onOutage(begin: () => void, end: () => void): void {
    const { outages } = this.redirector;
    outages.onBegin = begin;
    outages.onEnd = end;
  }

  /** A request waits so long at the most for a server, or for another one in its place. */
  get patienceMs(): number {
    return this.redirector.patienceMs;
  }

  /** What was not executed because of `failure` of `upstream` may be tried again. */
  waitsAfter(failure: Failure, upstream: Upstream): boolean {
    return this.redirector.waitsAfter(failure, upstream);
  }

  /**
   * A request of `bytes` that is not sent over a shared connection begins to wait for `upstream`. To be followed by `endWait`.
   * @returns false: too much waits already, or has waited in vain
   */
  beginWait(upstream: Upstream, bytes: number): boolean {
    return this.redirector.beginWait(upstream, bytes);
  }

  endWait(bytes: number): void {
    this.redirector.endWait(bytes);
  }

  /** A server has said over a connection of one client's own, with `error` (borrowed), that it is not the one. Null: it says something else. */
  note(error: Buffer, server: string): Redirection | null {
    return this.redirector.note(error, server);
  }

  /** Requests of that kind wait to be sent again. */
  holds(kind: ConnectionKind): boolean {
    return this.redirector.hasParked(kind);
  }

  onRouteChange(): void {
    this.redirector.onRouteChange();
  }

  /** The server `name` is to be asked though no key is there so far. */
  abstract admit(name: string): void;

  close(): void {
    this.redirector.close();
  }
}
