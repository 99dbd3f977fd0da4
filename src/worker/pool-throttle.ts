/**
 * Holds the clients of one pool in one worker to the pool's limits. Who is delayed waits in one queue, and is looked at in its order once
 * in a tick, while there are any. A pool without limits has nothing of this in its clients' way.
 */
import type { PoolConfig, PoolLimits } from "../api/config.ts";
import type { WorkerBus } from "../api/worker-bus.ts";
import { THROTTLE_ADDRESSES_MAX, THROTTLE_SHARE_MS, THROTTLE_TICK_MS } from "../base/limits.ts";
import type { Schedule } from "../base/schedule.ts";
import type { Turn } from "../base/turn.ts";
import { awaitsHeader } from "../client/header-frontend.ts";
import { type MeterForm, ThrottleScope } from "../client/meter.ts";
import type { Session } from "../client/session.ts";
import { ClientThrottle, type ThrottlingPool } from "../client/throttle.ts";
import { type Rates, ThrottleShares } from "./throttle-shares.ts";

export interface PoolThrottleOptions {
  readonly pool: PoolConfig;
  readonly turn: Turn;
  readonly nowMs: () => number;
  readonly schedule: Schedule;
  readonly bus: WorkerBus;
  /** Worker processes in all. */
  readonly workers: number;
  readonly sessions: Iterable<Session>;
  /** A client is over a limit, and was delayed or refused; false: it is closed. */
  onThrottled(session: Session, isClosed: boolean): void;
}

/** Of more clients than an address may have those are closed again that came so short a time ago, before the workers heard of each other's. */
const EXCESS_MS = 1000;
const NO_RATES: Rates = { requests: 0, bytes: 0, connects: 0, countsConnections: false };

export class PoolThrottle implements ThrottlingPool {
  readonly scope: ThrottleScope = new ThrottleScope("");
  /** The pool has limits. */
  isOn = false;
  private readonly options: PoolThrottleOptions;
  /** By key: addresses, and users if these have limits. */
  private readonly scopes: Map<string, ThrottleScope> = new Map();
  private readonly clients: Map<ClientThrottle, Session> = new Map();
  private readonly waiting: Set<ClientThrottle> = new Set();
  private touched: ThrottleScope[] = [];
  /** Null: there is one worker. */
  private readonly shares: ThrottleShares | null;
  private form: MeterForm = { isWindow: false, burstMs: 0 };
  private addressRates: Rates = NO_RATES;
  private userRates: Rates = NO_RATES;
  private poolRates: Rates = NO_RATES;
  private sharedMs = 0;
  private cancelTick: (() => void) | null = null;
  private cancelShare: (() => void) | null = null;

  constructor(options: PoolThrottleOptions) {
    const { workers, bus, nowMs } = options;
    this.options = options;
    this.shares =
      workers > 1 ? new ThrottleShares({ bus, workers, nowMs, name: `${process.pid}` }) : null;
    this.onSettings();
  }

  get action(): PoolLimits["action"] {
    return this.options.pool.limits?.action ?? "delay";
  }

  /** Values of the configuration may have changed in place. */
  onSettings(): void {
    const { pool, sessions, nowMs } = this.options;
    const { limits } = pool;
    const wasOn = this.isOn;
    this.isOn = limits !== undefined && hasLimits(limits);
    if (!this.isOn || limits === undefined) {
      if (wasOn) this.close();
      return;
    }
    if (!wasOn) this.shares?.begin();
    const now = nowMs();
    this.form = { isWindow: limits.mode === "window", burstMs: limits.burstMs };
    this.addressRates = {
      ...{ requests: limits.addressRequests, bytes: limits.addressBytes ?? 0 },
      ...{ connects: limits.addressConnects, countsConnections: limits.addressConnections > 0 },
    };
    this.userRates = {
      ...{ requests: limits.userRequests, bytes: limits.userBytes ?? 0 },
      ...{ connects: 0, countsConnections: false },
    };
    this.poolRates = {
      ...{ requests: limits.poolRequests, bytes: limits.poolBytes ?? 0 },
      ...{ connects: limits.poolConnects, countsConnections: false },
    };
    this.configure(this.scope, this.poolRates, now);
    for (const scope of this.scopes.values()) this.configure(scope, this.ratesOf(scope), now);
    for (const client of this.clients.keys()) client.configure(limits, this.form, now);
    for (const session of sessions) {
      // Whose address is not known yet joins when it is.
      if (session.throttle !== null || awaitsHeader(session)) continue;
      this.join(session, Number.NEGATIVE_INFINITY);
    }
  }

  private ratesOf({ isUser }: ThrottleScope): Rates {
    return isUser ? this.userRates : this.addressRates;
  }

  get limitsUsers(): boolean {
    return this.userRates.requests > 0 || this.userRates.bytes > 0;
  }

  userOf(name: string): ThrottleScope {
    return this.scopeOf(`user ${name}`, true, this.options.turn.nowMs);
  }

  /** Before anything is known of the other workers each has an equal share. */
  private configure(scope: ThrottleScope, rates: Rates, now: number): void {
    const { workers } = this.options;
    scope.requests.set(rates.requests / workers, this.form, now);
    scope.bytes.set(rates.bytes / workers, this.form, now);
    scope.connects.set(rates.connects / workers, this.form, now);
  }

  /** One more client has come from `origin`. @returns the option whose limit it is over, or null: it may stay */
  refusalOf(origin: string): string | null {
    if (!this.isOn) return null;
    const { pool, nowMs } = this.options;
    const now = nowMs();
    const { addressConnections = 0 } = pool.limits ?? {};
    const address = this.addressOf(origin, now);
    if (addressConnections > 0) {
      const elsewhere = this.shares?.connectionsElsewhere(origin) ?? 0;
      if (address.connections + elsewhere >= addressConnections) return "address_connections";
    }
    this.touch(address);
    const { connects } = address;
    if (connects.share(now, true) < 1) {
      connects.deny();
      return "address_connections_per_second";
    }
    if (this.scope.connects.share(now, true) < 1) {
      this.scope.connects.deny();
      return "pool_connections_per_second";
    }
    connects.take(1);
    this.scope.connects.take(1);
    return null;
  }

  /** @param acceptedMs when it was accepted; -Infinity: in another worker */
  join(session: Session, acceptedMs: number): void {
    const { limits } = this.options.pool;
    // Its frontend may have closed it at once.
    if (!this.isOn || limits === undefined || !session.isOpen) return;
    const now = this.options.nowMs();
    const address = this.addressOf(session.origin, now);
    const client = new ClientThrottle(session, this, address, acceptedMs);
    client.configure(limits, this.form, now);
    address.connections++;
    this.touch(address);
    this.clients.set(client, session);
    session.throttle = client;
    this.cancelShare ??= this.options.schedule(THROTTLE_SHARE_MS, () => this.onShare());
  }

  leave(session: Session): void {
    const { throttle } = session;
    if (throttle === null) return;
    session.throttle = null;
    this.waiting.delete(throttle);
    this.clients.delete(throttle);
    throttle.close();
    throttle.address.connections--;
    this.touch(throttle.address);
  }

  private addressOf(origin: string, now: number): ThrottleScope {
    return this.scopeOf(origin, false, now);
  }

  private scopeOf(key: string, isUser: boolean, now: number): ThrottleScope {
    let scope = this.scopes.get(key);
    if (scope === undefined) {
      if (this.scopes.size >= THROTTLE_ADDRESSES_MAX) this.forgetOne();
      scope = new ThrottleScope(key, isUser);
      this.configure(scope, this.ratesOf(scope), now);
      this.scopes.set(key, scope);
      this.cancelShare ??= this.options.schedule(THROTTLE_SHARE_MS, () => this.onShare());
    }
    return scope;
  }

  /** Of those without clients the one that came first. */
  private forgetOne(): void {
    for (const [key, { connections }] of this.scopes) {
      if (connections > 0) continue;
      this.scopes.delete(key);
      return;
    }
  }

  touch(scope: ThrottleScope): void {
    if (scope.isTouched) return;
    scope.isTouched = true;
    this.touched.push(scope);
  }

  onOver(client: ClientThrottle): void {
    const session = this.clients.get(client);
    if (session === undefined) return;
    const mustClose = this.action === "close";
    this.options.onThrottled(session, mustClose);
    if (mustClose) {
      session.finish();
      return;
    }
    client.delay(this.options.turn.nowMs);
    this.waiting.add(client);
    this.cancelTick ??= this.options.schedule(THROTTLE_TICK_MS, () => this.onTick());
  }

  private onTick(): void {
    const { nowMs, schedule, turn } = this.options;
    this.cancelTick = null;
    const now = nowMs();
    for (const client of this.waiting) {
      if (this.scope.requests.available(now) < 1) break;
      if (!client.resume(now)) continue;
      this.waiting.delete(client);
      const session = this.clients.get(client);
      if (session !== undefined) turn.wake(session);
    }
    if (this.waiting.size > 0) {
      this.cancelTick = schedule(THROTTLE_TICK_MS, () => this.onTick());
    }
  }

  private onShare(): void {
    const { nowMs, schedule } = this.options;
    this.cancelShare = null;
    const now = nowMs();
    const elapsedMs = Math.max(now - this.sharedMs, 1);
    this.sharedMs = now;
    if (this.shares !== null) this.share(this.shares, now, Math.min(elapsedMs, 1000));
    for (const scope of this.touched) scope.isTouched = false;
    this.touched = [];
    this.sweep(now);
    // Peers leave alone what they were told that is used here, until they are told that it is not.
    const isOwed = this.shares?.hasTold ?? false;
    if (this.clients.size > 0 || this.scopes.size > 0 || isOwed) {
      this.cancelShare = schedule(THROTTLE_SHARE_MS, () => this.onShare());
    }
  }

  private share(shares: ThrottleShares, now: number, elapsedMs: number): void {
    const set = (meter: ThrottleScope["requests"], perSecond: number): void =>
      meter.set(perSecond, this.form, now);
    shares.look(this.scope, this.poolRates, elapsedMs, set);
    const scopes = new Set(shares.mustTellAll ? this.scopes.values() : this.touched);
    for (const key of shares.toldKeys) {
      const scope = this.scopes.get(key);
      if (scope !== undefined) scopes.add(scope);
    }
    for (const scope of scopes) {
      if (scope === this.scope) continue;
      shares.look(scope, this.ratesOf(scope), elapsedMs, set);
      if (!scope.isUser) this.closeExcess(shares, scope, now);
    }
    shares.tell();
  }

  /** Each worker took what it could before it heard of the others: of those that have just come, some must go again. */
  private closeExcess(shares: ThrottleShares, scope: ThrottleScope, now: number): void {
    const { addressConnections = 0 } = this.options.pool.limits ?? {};
    if (addressConnections === 0) return;
    const total = scope.connections + shares.connectionsElsewhere(scope.key);
    let excess = Math.ceil(((total - addressConnections) * scope.connections) / total);
    if (total <= addressConnections) return;
    for (const [client, session] of [...this.clients].reverse()) {
      if (excess === 0 || now - client.acceptedMs > EXCESS_MS) return;
      if (client.address !== scope) continue;
      excess--;
      this.options.onThrottled(session, true);
      session.close();
    }
  }

  private sweptMs = 0;

  /** An address or a user without clients is remembered until all of its limits are as if it had never come. */
  private sweep(now: number): void {
    if (now - this.sweptMs < 10 * THROTTLE_SHARE_MS) return;
    this.sweptMs = now;
    for (const [key, scope] of this.scopes) {
      if (scope.connections === 0 && !scope.isTouched && scope.isFull(now)) {
        this.scopes.delete(key);
      }
    }
  }

  /** The worker gives its clients away. */
  leavePeers(): void {
    this.shares?.leave();
  }

  /** No client is held to anything any more. */
  close(): void {
    this.isOn = false;
    this.cancelTick?.();
    this.cancelShare?.();
    this.cancelTick = null;
    this.cancelShare = null;
    const sessions = [...this.clients.values()];
    for (const session of sessions) this.leave(session);
    this.scopes.clear();
    for (const session of sessions) if (session.isOpen) this.options.turn.wake(session);
  }
}

function hasLimits(limits: PoolLimits): boolean {
  const { action: _, mode: __, burstMs: ___, ...rates } = limits;
  return Object.values(rates).some((rate) => rate !== null && rate > 0);
}
