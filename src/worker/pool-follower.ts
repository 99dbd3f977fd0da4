/** Has one pool in one worker go by the orders of a migration: which servers it has, which ring its keys go by, and whether requests wait. */
import type { PoolConfig, ServerConfig } from "../api/config.ts";
import type { PoolMigration } from "../api/migration.ts";
import type { KeyMoving, MovingKeys } from "../api/protocol-module.ts";
import type { Upstream } from "../api/upstream.ts";
import type { Session } from "../client/session.ts";
import { formatAddress } from "../config/address.ts";
import type { Ring } from "../hash/types.ts";
import { isSamePlan, KeyPlaces, type PlannedRing, planOf } from "../migration/key-places.ts";
import type { PoolRoute } from "../route/pool-route.ts";
import type { PlannedTopology } from "../topology/planned.ts";
import type { PoolLevers } from "./pool-levers.ts";

export interface FollowedPool {
  readonly pool: PoolConfig;
  readonly topology: PlannedTopology;
  readonly route: PoolRoute;
  readonly keyMoving: KeyMoving;
  readonly sessions: Iterable<Session>;
  readonly levers: PoolLevers;
  /** Keys may go to other servers from now on. */
  onRouteChange(): void;
}

export class PoolFollower {
  private readonly followed: FollowedPool;
  private migration: PoolMigration | null = null;
  /** Of the migration; made once for each epoch. */
  private places: KeyPlaces | null = null;
  private isHeld = false;
  /** Servers that keys are about to go to are there already. Clients must not notice them before: they may want another password. */
  seesAhead = false;

  constructor(followed: FollowedPool) {
    this.followed = followed;
  }

  /** @param order null: keys are where the configuration says */
  follow(order: PoolMigration | null): void {
    const before = this.migration;
    const { pool, topology, keyMoving, onRouteChange } = this.followed;
    const plan = planOf(pool);
    const isPlain =
      order?.phase === "before" && isSamePlan(order.from, plan) && isSamePlan(order.to, plan);
    const migration = isPlain ? null : order;
    const isOther = !isSameState(before, migration);
    this.migration = migration;
    if (isOther) {
      this.places = migration === null ? null : new KeyPlaces(migration.from, migration.to);
      topology.set(this.serversOf(pool.servers));
      this.onServers();
    }
    keyMoving.follow(this.movingKeys());
    if (isOther) onRouteChange();
    this.hold(order?.isHeld === true, order?.isRefused === true);
  }

  /** @param isRefused requests are answered with an error in place of waiting; steps of moves wait all the same */
  private hold(isHeld: boolean, isRefused: boolean): void {
    const { keyMoving, levers } = this.followed;
    keyMoving.refuse(isRefused);
    levers.hold(isHeld && !isRefused);
    if (isHeld === this.isHeld) return;
    this.isHeld = isHeld;
    if (isHeld) keyMoving.hold();
    else keyMoving.letGo();
  }

  /** Nothing is held, or no request of the pool and no step of a move is at a server. Clients that block wait elsewhere. */
  get isQuiet(): boolean {
    if (!this.isHeld) return true;
    if (!this.followed.keyMoving.isQuiet) return false;
    for (const { isSettled, intake } of this.followed.sessions) {
      if (!isSettled && !intake.isBlocked) return false;
    }
    return true;
  }

  /** The route has other servers, or keys go by another ring. */
  onServers(): void {
    const { migration, places } = this;
    const { route } = this.followed;
    if (migration === null || places === null) {
      route.placeBy(null);
      return;
    }
    const planned = migration.phase === "before" ? places.from : places.to;
    const numbers = this.numbersOf(planned);
    route.placeBy({ hasher: planned.hasher, ring: renumbered(planned.ring, numbers) });
  }

  get servers(): readonly Upstream[] {
    return this.followed.route.upstreams;
  }

  private serversOf(configured: readonly ServerConfig[]): readonly ServerConfig[] {
    const { migration } = this;
    if (migration === null) return configured;
    const { phase, from, to } = migration;
    const all =
      phase === "before" && !this.seesAhead ? from.servers : [...from.servers, ...to.servers];
    const addresses = all.map(({ address }) => formatAddress(address));
    // One that gets another name is still one server.
    return all.filter((_, index) => addresses.indexOf(addresses[index]!) === index);
  }

  /** By number in `ring`, the number among the route's servers. */
  private numbersOf({ addresses }: PlannedRing): readonly number[] {
    const known = this.followed.route.upstreams.map(({ address }) => address);
    return addresses.map((address) => known.indexOf(address));
  }

  private movingKeys(): MovingKeys | null {
    const { migration } = this;
    return migration === null || migration.phase === "before" ? null : this.planned;
  }

  /** What moves, or will move when the ring changes; null: nothing. */
  get planned(): MovingKeys | null {
    const { migration, places } = this;
    if (migration === null || places === null) return null;
    const { upstreams } = this.followed.route;
    const upstreamsOf = (ring: PlannedRing): readonly Upstream[] =>
      this.numbersOf(ring).map((number) => upstreams[number]!);
    const sources = upstreamsOf(places.from);
    const targets = upstreamsOf(places.to);
    const isSwept = places.from.addresses.map((address) => migration.swept.includes(address));
    return {
      epoch: migration.epoch,
      sourceOf({ bytes, keyStart, keyEnd }) {
        const number = places.leaves(bytes, keyStart, keyEnd);
        return number < 0 || isSwept[number] === true ? null : sources[number]!;
      },
      targetOf: ({ bytes, keyStart, keyEnd }) => targets[places.to.pick(bytes, keyStart, keyEnd)]!,
      sources,
      targets,
    };
  }
}

/** The rings are the same, and which of them holds. */
function isSameState(one: PoolMigration | null, other: PoolMigration | null): boolean {
  if (one === null || other === null) return one === other;
  const { epoch, phase, from, to } = other;
  const isSame = one.epoch === epoch && one.phase === phase;
  return isSame && isSamePlan(one.from, from) && isSamePlan(one.to, to);
}

/** A ring that gives other numbers for the same servers. */
function renumbered(ring: Ring, numbers: readonly number[]): Ring {
  const numberOf = (index: number): number => (index < 0 ? -1 : numbers[index]!);
  return {
    pick: (hash) => numberOf(ring.pick(hash)),
    explain(hash) {
      const { point, index } = ring.explain(hash);
      return { point, index: numberOf(index) };
    },
  };
}
