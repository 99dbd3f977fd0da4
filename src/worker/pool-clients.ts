/** The clients of one pool in one worker: which may come, and what stands between each of them and the pool's own frontend. */
import type { FilterChain } from "../api/filter.ts";
import type { Frontend } from "../api/frontend.ts";
import type { SavedSession } from "../api/move.ts";
import type { ProtocolPool } from "../api/protocol-module.ts";
import { POOL } from "../api/stats.ts";
import type { Stream, StreamEvents } from "../api/stream.ts";
import type { Logger } from "../base/log.ts";
import type { Schedule } from "../base/schedule.ts";
import { SegmentedSet } from "../base/segmented-set.ts";
import { inSlices } from "../base/slices.ts";
import type { Turn } from "../base/turn.ts";
import { PoolLanes } from "../client/client-lane.ts";
import type { ClientMemory } from "../client/client-memory.ts";
import { restoreRecord } from "../client/client-record.ts";
import { ClientSweep } from "../client/client-sweep.ts";
import type { ClientTimes } from "../client/client-times.ts";
import { FilteredFrontend } from "../client/filtered-frontend.ts";
import { FilteredSession } from "../client/filtered-session.ts";
import { LOST } from "../client/lost-frontend.ts";
import { Session, type SessionOwner } from "../client/session.ts";
import { ThrottleChain } from "../client/throttle-chain.ts";
import type { CutReason } from "../client/unread.ts";
import { ClientWarnings } from "./client-warnings.ts";
import { PoolLevers } from "./pool-levers.ts";
import type { PoolPlaneOptions } from "./pool-plane-options.ts";
import { PoolThrottle } from "./pool-throttle.ts";
import { ProxyHeaders } from "./proxy-headers.ts";

export interface PoolClientsOptions {
  readonly plane: PoolPlaneOptions;
  /** With the pool's name. */
  readonly log: Logger;
  readonly protocol: ProtocolPool;
  /** Null: what clients send is not told apart into requests. */
  readonly times: ClientTimes | null;
  /** Null: the pool has no filters. */
  readonly chain: FilterChain | null;
  /** The module whose protocol the clients speak; null: one of the proxy's own. */
  readonly module: string | null;
  /** Counts requests that the pool's frontends do not see. */
  count(requests: number, local: number): void;
}

const NONE: Buffer = Buffer.alloc(0);

export class PoolClients implements SessionOwner {
  readonly turn: Turn;
  readonly schedule: Schedule;
  readonly memory: ClientMemory;
  readonly counters: Float64Array;
  readonly countersBase: number;
  readonly times: ClientTimes | null;
  readonly sessions: SegmentedSet<Session> = new SegmentedSet();
  readonly levers: PoolLevers;
  readonly lanes: PoolLanes = new PoolLanes();
  private readonly options: PoolClientsOptions;
  private readonly warnings: ClientWarnings;
  private readonly headers: ProxyHeaders;
  private readonly throttle: PoolThrottle;
  private readonly sweep: ClientSweep;

  constructor(options: PoolClientsOptions) {
    const { plane, protocol, log, module } = options;
    const { pool, turn, logLimit, descriptors } = plane;
    this.options = options;
    this.turn = turn;
    this.schedule = plane.engine.timer;
    this.memory = plane.memory;
    this.counters = plane.counters;
    this.countersBase = plane.layout.base;
    this.times = options.times;
    this.warnings = new ClientWarnings({
      ...{ pool, log, logLimit, turn, descriptors, module },
      clients: () => this.sessions.size,
    });
    this.headers = new ProxyHeaders({
      ...{ pool, schedule: this.schedule },
      onRefused: (peer, reason) => {
        this.tally(POOL.client_header_refused, 1);
        this.warnings.headerRefused(peer, reason);
      },
    });
    this.throttle = new PoolThrottle({
      ...{ pool, turn, schedule: this.schedule, nowMs: plane.engine.nowMs, bus: plane.bus },
      ...{ workers: plane.workers, sessions: this.sessions },
      onThrottled: (session, isClosed) => {
        this.onThrottled(session, isClosed ? "is closed" : "is not read for a while");
      },
    });
    this.sweep = new ClientSweep({
      ...{ sessions: this.sessions, schedule: this.schedule, loop: plane.engine },
      nowMs: plane.engine.nowMs,
      idleMs: () => (protocol.serverProtocols.length > 0 && pool.clientIdleTimeoutMs) || null,
      requestMs: () => (protocol.serverProtocols.length > 0 && pool.requestTimeoutMs) || null,
      lastWords: protocol.lastWords?.bind(protocol),
      onClosed: (peer, reason) => {
        this.tally(POOL.client_timed_out, 1);
        this.warnings.timedOut(peer, reason);
      },
    });
    this.levers = new PoolLevers({
      ...{ name: pool.name, sessions: this.sessions, filtering: protocol.filtering ?? null },
      sendClientsTo: (target) => protocol.sendClientsTo?.(target),
      count: (requests, local) => options.count(requests, local),
      onUnreadable: (peer) => this.warnings.unreadable(peer),
    });
  }

  private tally(counter: number, by: number): void {
    this.counters[this.countersBase + counter]! += by;
  }

  /** A client has connected. Null: it may not stay, was told why, and is to be closed. */
  accept(stream: Stream): StreamEvents | null {
    if (this.headers.isOn && !this.headers.admits(stream)) return null;
    const { plane, protocol } = this.options;
    if (this.throttle.isOn && !this.headers.isOn && !this.mayConnect(stream)) {
      return plane.refuse(stream, protocol.tooManyClients);
    }
    const { pool, everywhere, makeRoom, refuse } = plane;
    const isFull =
      pool.clientConnectionsMax > 0 &&
      everywhere(POOL.client_connections) >= pool.clientConnectionsMax;
    // Without requests each client has a connection to a server of its own.
    if (isFull || !makeRoom(protocol.serverProtocols.length > 0 ? 1 : 2)) {
      this.tally(POOL.client_refused, 1);
      this.warnings.refused(isFull);
      const { tooManyClients, noDescriptors } = protocol;
      return refuse(stream, isFull ? tooManyClients : noDescriptors);
    }
    this.tally(POOL.client_connections_total, 1);
    const session = this.addSession(stream, NONE, true);
    const acceptedMs = this.turn.nowMs;
    if (this.headers.isOn) this.headers.await(session, 0, () => this.serveNamed(session));
    else this.serve(session, undefined, [], acceptedMs);
    return session;
  }

  /** Whether the limits allow one more client of its address; if not, that is counted and told. */
  private mayConnect({ origin, peer }: Pick<Stream, "origin" | "peer">): boolean {
    const reached = this.throttle.refusalOf(origin);
    if (reached === null) return true;
    this.tally(POOL.client_refused, 1);
    this.warnings.turnedAway(peer, reached);
    return false;
  }

  /** The client's PROXY header has said where it comes from. */
  private serveNamed(session: Session): void {
    if (this.throttle.isOn && !this.mayConnect(session)) {
      const { tooManyClients } = this.options.protocol;
      session.push(tooManyClients, 0, tooManyClients.length);
      session.finish();
    } else this.serve(session, undefined, [], this.turn.nowMs);
  }

  private onThrottled(session: Session, what: string): void {
    this.tally(POOL.client_throttled, 1);
    this.warnings.throttled(session.peer, what);
  }

  /** A client's connection that another worker had, with what it saved of the session. @throws the client cannot be restored: it is closed */
  adopt(stream: Stream, saved: SavedSession): StreamEvents {
    const { input, output } = saved;
    const session = this.addSession(stream, output, false);
    this.tally(POOL.moves_received, 1);
    try {
      this.restore(session, saved);
    } catch (error) {
      session.attach(LOST);
      session.close();
      throw error;
    }
    // It goes on with what its predecessor had received.
    if (input.length > 0) session.onBytes(input, 0, input.length, true);
    return session;
  }

  private restore(session: Session, { client, descriptors, record }: SavedSession): void {
    if (record !== undefined) restoreRecord(session, record);
    if (record?.awaitsHeader === true) {
      this.headers.await(session, record.ageMs, () => this.serveNamed(session));
    } else this.serve(session, client, descriptors, Number.NEGATIVE_INFINITY);
  }

  /** It needs a frontend before anything else. */
  private addSession(stream: Stream, output: Buffer, isNew: boolean): Session {
    const session = this.createSession(stream, isNew);
    session.inherit(output);
    this.sessions.add(session);
    this.tally(POOL.client_connections, 1);
    return session;
  }

  /**
   * @param client what a frontend saved, or undefined for a new client
   * @param acceptedMs see PoolThrottle.join
   */
  private serve(
    session: Session,
    client: unknown,
    descriptors: readonly number[],
    acceptedMs: number,
  ): void {
    const { protocol, chain } = this.options;
    let frontend = protocol.createFrontend(session, client, descriptors);
    if (chain !== null) frontend = this.filter(session, frontend, client, chain);
    if (this.throttle.action === "error" && protocol.filtering !== undefined) {
      const refusing = new ThrottleChain(session, () =>
        this.onThrottled(session, "a request of it gets an error"),
      );
      frontend = this.filter(session, frontend, client, refusing);
    }
    session.attach(frontend);
    this.throttle.join(session, acceptedMs);
    this.levers.onSession(session);
  }

  private createSession(stream: Stream, isNew: boolean): Session {
    const lane = this.lanes.add(isNew ? this.turn.nowMs : Number.NEGATIVE_INFINITY);
    const { chain, protocol } = this.options;
    const session =
      chain === null || !chain.hearsEnds
        ? new Session(this, stream, lane)
        : new FilteredSession(this, stream, lane, { chain, filtering: protocol.filtering! });
    if (!isNew) session.way.beKnown();
    return session;
  }

  /** @param saved see `serve` */
  private filter(session: Session, inner: Frontend, saved: unknown, chain: FilterChain): Frontend {
    const { protocol, count } = this.options;
    return new FilteredFrontend({
      ...{ session, inner, saved, chain, filtering: protocol.filtering! },
      ...{ hearsEnds: chain.hearsEnds, count },
      onUnreadable: () => this.warnings.unreadable(session.peer),
    });
  }

  onRouteChange(): void {
    for (const { frontend } of [...this.sessions]) frontend.onRouteChange();
  }

  onSessionCut(session: Session, reason: CutReason): void {
    if (reason === "unread") this.warnings.cut(session.peer, session.unread.bytes);
    else this.warnings.cutForMemory(session.peer, session.unread.heldBytes, this.memory.bytes);
  }

  onSettings(): void {
    this.throttle.onSettings();
    this.sweep.onSettings();
  }

  /** The worker gives all of its clients away. */
  onLeaving(): void {
    this.throttle.leavePeers();
  }

  onSessionClosed(session: Session): void {
    this.throttle.leave(session);
    this.sessions.delete(session);
    this.tally(POOL.client_connections, -1);
    this.options.plane.onClientGone(session);
  }

  nextClientId(): number {
    return this.options.plane.nextClientId();
  }

  /** Idle clients leave at once, the others after their last reply. */
  drain(): void {
    inSlices(this.options.plane.engine, this.sessions, (session) => session.drain());
  }

  close(): void {
    this.sweep.close();
    for (const session of [...this.sessions]) session.close();
    this.throttle.close();
  }
}
