/**
 * Holds one client to the limits of its pool: its own, those of its address and of its user, and those of the pool. Requests are paid for as they are
 * taken, and no more of them are taken than can be paid for; bytes are paid for when they have come, and what is owed for them is
 * waited for.
 *
 *   within the limits ──over──▶ delayed (not read) ──its turn, with what it may take──▶ within the limits
 */
import { TOKEN_MASK } from "../api/client-port.ts";
import type { PoolLimits } from "../api/config.ts";
import { THROTTLE_GRANT_BYTES } from "../base/limits.ts";
import { Meter, type MeterForm, type SharedMeter, ThrottleScope } from "./meter.ts";

/** The session. */
export interface ThrottledClient {
  /** Says which user it is. */
  readonly frontend: { readonly user?: string | undefined };
  /** Requests stop to be taken when the next one would have this token; -1: they do not. */
  stopToken: number;
}

/** The pool. */
export interface ThrottlingPool {
  readonly scope: ThrottleScope;
  readonly action: PoolLimits["action"];
  /** The client is over a limit, and more of it is here: it is to be delayed, or ended. */
  onOver(client: ClientThrottle): void;
  /** Something is taken from the scope for the first time in a while. */
  touch(scope: ThrottleScope): void;
  /** There are limits of users: whose the client is now must be looked at with each request. */
  readonly limitsUsers: boolean;
  /** The scope of a user. */
  userOf(name: string): ThrottleScope;
}

/** Of clients that wait for none. Never written to. */
const NO_METERS: SharedMeter[] = [];
/** In place of a user's where users have no limits. */
const NO_USER: ThrottleScope = new ThrottleScope("");
/** More requests than are ever taken at once. */
const MANY: number = 1 << 16;

export class ClientThrottle {
  readonly session: ThrottledClient;
  readonly address: ThrottleScope;
  /** When its connection was accepted here; -Infinity: elsewhere. */
  readonly acceptedMs: number;
  /** It waits for its turn. */
  isDelayed = false;
  private readonly pool: ThrottlingPool;
  private user: ThrottleScope;
  /** Whose scope that is. */
  private userName = "";
  /** What it has in common with others: its address, its pool and its user. */
  private scopes: readonly ThrottleScope[];
  private readonly requests: Meter = new Meter();
  private readonly bytes: Meter = new Meter();
  /** Requests and bytes that are paid for and not taken. */
  private grant = 0;
  private grantedBytes = 0;
  /** Which meters it waits for. */
  private awaited: SharedMeter[] = NO_METERS;

  constructor(
    session: ThrottledClient,
    pool: ThrottlingPool,
    address: ThrottleScope,
    acceptedMs: number,
  ) {
    this.session = session;
    this.pool = pool;
    this.address = address;
    this.acceptedMs = acceptedMs;
    this.user = NO_USER;
    this.scopes = [address, pool.scope];
  }

  /** The user may be another one than with the last request. */
  private followUser(): void {
    const { address, pool } = this;
    const name = pool.limitsUsers ? (this.session.frontend.user ?? "") : null;
    if (name === null ? this.user === NO_USER : this.user !== NO_USER && name === this.userName) {
      return;
    }
    const user = name === null ? NO_USER : pool.userOf(name);
    this.userName = name ?? "";
    this.user.connections--;
    user.connections++;
    this.user = user;
    this.scopes = user === NO_USER ? [address, pool.scope] : [address, pool.scope, user];
  }

  configure({ clientRequests, clientBytes }: PoolLimits, form: MeterForm, nowMs: number): void {
    this.requests.set(clientRequests, form, nowMs);
    this.bytes.set(clientBytes ?? 0, form, nowMs);
  }

  /** So many bytes have come from the client. */
  received(bytes: number): void {
    this.followUser();
    this.payBytes(bytes - this.grantedBytes);
    this.grantedBytes = 0;
  }

  /** Requests are about to be taken, the first with the token `next`. @returns whether any may be */
  begin(nowMs: number, next: number): boolean {
    if (this.pool.action === "error") return true;
    if (this.grant === 0 && this.isDelayed) return false;
    this.followUser();
    const most = this.grant > 0 ? this.grant : this.allowance(nowMs, false);
    if (most < 1) return false;
    this.session.stopToken = most >= MANY ? -1 : (next + most) & TOKEN_MASK;
    return true;
  }

  /** So many were taken, and the next would have the token `next`. @param hasInput more of the client is here */
  end(taken: number, next: number, hasInput: boolean): void {
    if (this.pool.action === "error") return;
    this.pay(taken - this.grant);
    this.grant = 0;
    const isOver = this.session.stopToken === next;
    // Who has sent no more is not to be waited for.
    if (!hasInput) this.session.stopToken = -1;
    else if (isOver) this.over();
  }

  /** Its input has to wait, or its requests are too many. */
  over(): void {
    if (!this.isDelayed) this.pool.onOver(this);
  }

  /** Whether one request may be taken, which is paid for then. Where requests are answered with an error in place of being delayed. */
  admits(nowMs: number): boolean {
    this.followUser();
    if (this.allowance(nowMs, true) >= 1) {
      this.pay(1);
      return true;
    }
    for (const { requests, bytes } of this.scopes) {
      if (requests.available(nowMs) < 1) requests.deny();
      if (bytes.available(nowMs) <= 0) bytes.deny();
    }
    return false;
  }

  /** It is delayed from now on. */
  delay(nowMs: number): void {
    this.isDelayed = true;
    this.payBytes(-this.grantedBytes);
    this.grantedBytes = 0;
    for (const { requests, bytes } of this.scopes) {
      if (requests.available(nowMs) < 1) this.waitFor(requests);
      if (bytes.available(nowMs) <= 0) this.waitFor(bytes);
    }
  }

  /** It is its turn, if there is something for it to take. @returns whether there is: it is delayed no more, and to be woken */
  resume(nowMs: number): boolean {
    const most = Math.min(this.allowance(nowMs, true), MANY);
    if (most < 1) return false;
    this.leaveQueue();
    this.grant = most;
    this.pay(most);
    this.grantedBytes = THROTTLE_GRANT_BYTES;
    this.payBytes(THROTTLE_GRANT_BYTES);
    return true;
  }

  /** It waits for nothing any more. */
  leaveQueue(): void {
    this.isDelayed = false;
    for (const meter of this.awaited) meter.waiting--;
    this.awaited = NO_METERS;
  }

  /** The client is gone, or has no limits any more. */
  close(): void {
    this.leaveQueue();
    this.user.connections--;
    this.user = NO_USER;
    this.session.stopToken = -1;
    this.pay(-this.grant);
    this.payBytes(-this.grantedBytes);
    this.grant = 0;
    this.grantedBytes = 0;
  }

  private waitFor(meter: SharedMeter): void {
    if (this.awaited === NO_METERS) this.awaited = [];
    this.awaited.push(meter);
    meter.wait();
  }

  /** Requests that may be taken now, a whole number or more than are ever taken. @param isNext see SharedMeter.share */
  private allowance(nowMs: number, isNext: boolean): number {
    if (this.bytes.available(nowMs) <= 0) return 0;
    let most = this.requests.available(nowMs);
    for (const { requests, bytes } of this.scopes) {
      if (bytes.share(nowMs, isNext) <= 0) return 0;
      most = Math.min(most, requests.share(nowMs, isNext));
    }
    return Math.floor(most);
  }

  private pay(requests: number): void {
    if (requests === 0) return;
    this.requests.take(requests);
    for (const scope of this.scopes) {
      scope.requests.take(requests);
      if (!scope.isTouched) this.pool.touch(scope);
    }
  }

  private payBytes(bytes: number): void {
    if (bytes === 0) return;
    this.bytes.take(bytes);
    for (const scope of this.scopes) {
      scope.bytes.take(bytes);
      if (!scope.isTouched) this.pool.touch(scope);
    }
  }
}
