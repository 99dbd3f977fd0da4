/**
 * What operators hold back of one pool in one worker. A pool without levers has nothing of this in the way of its requests: their
 * frontends are put behind filters while a lever is there, and taken from behind them when it ends.
 */
import type { Filtering } from "../api/filter.ts";
import type { Lever } from "../api/steering.ts";
import { FilteredFrontend } from "../client/filtered-frontend.ts";
import { awaitsHeader } from "../client/header-frontend.ts";
import type { Session } from "../client/session.ts";
import { LeverChain } from "./lever-chain.ts";

export interface LeveredPool {
  readonly name: string;
  readonly sessions: Iterable<Session>;
  /** Null: its requests cannot be told apart. */
  readonly filtering: Filtering | null;
  /** Its clients shall go there, if they take such a hint; null: they stay. */
  sendClientsTo(target: string | null): void;
  /** Counts requests that were refused, see PoolHost.count. */
  count(requests: number, local: number): void;
  /** The client at `peer` speaks what cannot be read, and is turned away. */
  onUnreadable(peer: string): void;
}

export class PoolLevers {
  private readonly pool: LeveredPool;
  private isPaused = false;
  /** By an operator, or while workers agree on where keys belong. */
  private isPausedByLever = false;
  private isHeld = false;
  private chain: LeverChain | null = null;

  constructor(pool: LeveredPool) {
    this.pool = pool;
  }

  /** Why the pool cannot follow; null: it can. */
  problemOf(lever: Lever): string | null {
    if (!isJudging(lever) || lever.pool !== this.pool.name || this.pool.filtering !== null)
      return null;
    return `pool "${this.pool.name}": its protocol has no requests that could be told apart`;
  }

  /** To be called between two turns. @param all of all pools: they replace those before */
  follow(all: readonly Lever[]): void {
    const own = all.filter(({ pool }) => pool === null || pool === this.pool.name);
    this.pool.sendClientsTo(own.findLast(({ kind }) => kind === "drain_to")?.text ?? null);
    this.isPausedByLever = own.some(({ kind }) => kind === "pause");
    this.pause(this.isPausedByLever || this.isHeld);
    const judging = own.filter(isJudging);
    const { filtering } = this.pool;
    const isNeeded = judging.length > 0 && filtering !== null;
    if (isNeeded === (this.chain !== null)) {
      this.chain?.follow(judging);
      return;
    }
    this.chain = isNeeded ? new LeverChain(judging) : null;
    for (const session of this.pool.sessions) {
      if (awaitsHeader(session)) continue;
      if (this.chain === null) release(session);
      else this.guard(session, this.chain, filtering!);
    }
  }

  /** All requests wait from now on, or no longer. */
  hold(isHeld: boolean): void {
    this.isHeld = isHeld;
    this.pause(this.isPausedByLever || isHeld);
  }

  /** A client has come. Of one whose PROXY header is awaited this is called when that has come. */
  onSession(session: Session): void {
    if (this.isPaused) session.intake.hold();
    if (this.chain !== null) this.guard(session, this.chain, this.pool.filtering!);
  }

  private pause(isPaused: boolean): void {
    if (isPaused === this.isPaused) return;
    this.isPaused = isPaused;
    for (const session of this.pool.sessions) {
      if (!isPaused) session.intake.letGo();
      else if (!awaitsHeader(session)) session.intake.hold();
    }
  }

  private guard(session: Session, chain: LeverChain, filtering: Filtering): void {
    const { frontend: inner } = session;
    session.attach(
      new FilteredFrontend({
        ...{ session, inner, chain, filtering, saved: inner.saveState(), hearsEnds: false },
        count: (requests, local) => this.pool.count(requests, local),
        onUnreadable: () => this.pool.onUnreadable(session.peer),
      }),
    );
  }
}

/** Each request is looked at. */
function isJudging({ kind }: Lever): boolean {
  return kind === "readonly" || kind === "block";
}

function release(session: Session): void {
  const { frontend } = session;
  if (frontend instanceof FilteredFrontend && frontend.chain instanceof LeverChain) {
    session.attach(frontend.inner);
  }
}
