/**
 * One host's part in what several hosts agree on: that it is there, what it wants, and what it proposes for its pools.
 *
 * Decides only: it reads and writes through its register.
 */
import type { RingPlan } from "../api/migration.ts";
import type { HostName } from "./host-course.ts";
import { SharedKeeper, type SharedRegister } from "./shared-keeper.ts";
import {
  type BroughtPool,
  entered,
  followed,
  held,
  hostsOf,
  left,
  type MakeNext,
  readied,
  type SharedState,
  wantsBack,
  wishOf,
} from "./shared-state.ts";

export interface HostAgreementEffects {
  /** A newer version, in which this host is. */
  onSeen(state: SharedState): void;
  /** Others go on without this host: an operator has said that it is gone, or another one has its name. Until `onSeen` no ring is known. */
  onLost(): void;
  /** What is brought along when it enters. */
  brought(): Readonly<Record<string, BroughtPool>>;
  /** Since the epoch. */
  nowMs(): number;
}

export class HostAgreement {
  readonly name: HostName;
  /** Hosts that were heard of lately. */
  live: ReadonlySet<string> = new Set();
  private readonly keeper: SharedKeeper;
  private readonly effects: HostAgreementEffects;
  private isIn = false;
  private isLeaving = false;
  /** Another host has its name: for good. */
  isTaken = false;

  constructor(name: HostName, register: SharedRegister, effects: HostAgreementEffects) {
    this.name = name;
    this.effects = effects;
    this.keeper = new SharedKeeper(register, (state) => this.onSeen(state));
  }

  /** The newest version that is known; null: none is. */
  get state(): SharedState | null {
    return this.keeper.state;
  }

  /** What is there is older than what this host has seen. */
  get isOutdated(): boolean {
    return this.keeper.isOutdated;
  }

  look(done?: (isKnown: boolean) => void): void {
    this.keeper.look(done);
  }

  change(make: MakeNext, done?: (isKnown: boolean) => void): void {
    this.keeper.change(make, done);
  }

  /** Sees to it that the others know of this host and its pools. */
  enter(done?: (isKnown: boolean) => void): void {
    if (this.isTaken || this.isLeaving) return;
    const { id, start } = this.name;
    this.keeper.change((state) => entered(id, start, this.effects.brought())(state), done);
  }

  ready(
    wants: Readonly<Record<string, RingPlan>>,
    isReady: boolean,
    asked: readonly string[],
    done?: (isKnown: boolean) => void,
  ): void {
    if (this.isIn) this.keeper.change(readied(this.name.id, wants, isReady, asked), done);
    else done?.(false);
  }

  /** Only when no worker of this host is there any more. */
  leave(done: (isKnown: boolean) => void): void {
    this.isLeaving = true;
    if (this.isIn) this.keeper.change(left(this.name.id), done);
    else done(true);
  }

  /** The host that sweeps for the pool; null: none is heard of. */
  sweeperOf(pool: string): string | null {
    const { state, live } = this;
    if (state === null) return null;
    return hostsOf(state, pool).find((id) => live.has(id)) ?? null;
  }

  /**
   * What follows from what the hosts want, and the next hold, if it is for this host to ask for.
   * @param isChecked nothing is in the way of a change of rings
   * @param mayHold it is time to try
   */
  propose(pool: string, isChecked: boolean, mayHold: boolean): void {
    const { state, effects, name } = this;
    if (!this.isIn || state === null || this.sweeperOf(pool) !== name.id) return;
    const nowMs = effects.nowMs();
    const follow = followed(pool, nowMs);
    if (follow(state) !== null) {
      this.keeper.change(follow);
      return;
    }
    // At each host one pool's requests are held back at a time.
    if (Object.values(state.pools).some(({ hold }) => hold !== null)) return;
    if (!mayHold || this.problemOf(pool) !== null) return;
    const { record } = state.pools[pool]!;
    const isForward = record.current?.phase === "before" && isChecked;
    const isBack = wantsBack(state, pool);
    if (!isForward && !isBack) return;
    this.keeper.change(held(pool, record.epoch, { isBack, isDeclined: false, atMs: nowMs }));
  }

  /** Why the pool's ring cannot change now; null: it can. */
  problemOf(pool: string): string | null {
    const { state, live } = this;
    if (state === null || !this.isIn) return "it is not known what the other hosts do";
    const hosts = hostsOf(state, pool);
    const silent = hosts.filter((id) => !live.has(id));
    if (silent.length > 0) return `nothing is heard of ${silent.join(", ")}`;
    const busy = hosts.filter((id) => !state.hosts[id]!.isReady);
    if (busy.length > 0) return `a reload, or workers that still end, at ${busy.join(", ")}`;
    if (wishOf(state, pool) === null) return `not all of ${hosts.join(", ")} have the same servers`;
    return null;
  }

  private onSeen(state: SharedState): void {
    // It has no process any more, and has written down that it does not know what becomes of rings.
    if (this.isLeaving) return;
    const { id, start } = this.name;
    const there = state.hosts[id]?.start;
    if (there === start) {
      this.isIn = true;
      this.effects.onSeen(state);
      return;
    }
    if (!this.isIn) return;
    this.isIn = false;
    this.isTaken = there !== undefined;
    this.effects.onLost();
    this.enter();
  }
}
