/** The processes of a simulated migration that move keys: workers and the sweeper. */
import type { PoolMigration } from "../../../src/api/migration.ts";
import { type ItemStep, MoveItem } from "../../../src/migration/move-item.ts";
import { MoveKey, type MoveStep } from "../../../src/migration/move-key.ts";
import { type Pull, Pulls } from "../../../src/migration/pulls.ts";
import { SettledKeys } from "../../../src/migration/settled-keys.ts";
import { type ItemVersions, LOCK, newVersions, performItem, releaseItem } from "./item-steps.ts";
import { ORPHAN_MS, SERVERS } from "./rings.ts";
import { SimLink } from "./servers.ts";
import type { Request } from "./sim-client.ts";
import type { World } from "./world.ts";

export type SimPull = Pull<Place, () => void, string, string>;

export interface Place {
  readonly key: string;
  readonly source: number;
  readonly target: number;
  readonly epoch: number;
  readonly token: number;
  value: number;
  readonly versions: ItemVersions;
}

/** Moves keys: the part that workers and the sweeper have in common. */
export abstract class Mover {
  readonly world: World;
  readonly name: string;
  readonly settled: SettledKeys = new SettledKeys(1_500);
  readonly pulls: Pulls<Place, () => void, string, string>;
  isDead = false;
  private readonly links: Map<number, SimLink> = new Map();

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.pulls = new Pulls<Place, () => void, string, string>(this.settled, {
      createMove: () => (world.kind === "memcache" ? new MoveItem() : new MoveKey()),
      perform: (pull, step) => {
        if (world.kind === "memcache") performItem(this, pull, step as ItemStep);
        else this.perform(pull, step as MoveStep);
      },
      pause: (pull) => world.clock.after(5, () => this.isDead || this.pulls.goOn(pull)),
      unlock: (pull) => {
        if (world.kind === "memcache") releaseItem(this, pull);
        else this.unlock(pull);
      },
      wake: (waiter) => world.clock.after(0, () => this.isDead || waiter()),
      onSettled: (pull) => world.note(`${this.name} settled ${pull.name}`),
      nowMs: () => world.clock.nowMs,
      onQuiet: () => this.onQuiet(),
    });
  }

  protected onQuiet(): void {}

  link(server: number): SimLink {
    let link = this.links.get(server);
    if (link === undefined) {
      link = new SimLink(this.world.clock);
      this.links.set(server, link);
    }
    return link;
  }

  die(): void {
    this.isDead = true;
    // A step that is late may take away what was brought back; a miss is what a cache may give.
    if (this.world.kind === "memcache") this.world.hasLost = true;
    for (const link of this.links.values()) link.cut();
  }

  protected placeFor(key: string, order: PoolMigration): Place | null {
    const { world } = this;
    const source = world.placeOf(order.from, key);
    const target = world.placeOf(order.to, key);
    if (source === target) return null;
    return {
      key,
      source,
      target,
      epoch: order.epoch,
      token: ++world.tokens,
      value: 0,
      versions: newVersions(),
    };
  }

  private perform(pull: SimPull, step: MoveStep): void {
    const { place } = pull;
    const { hazard, servers } = this.world;
    const isAtSource = step === "look" || step === "take" || step === "drop";
    const at = isAtSource ? place.source : place.target;
    this.link(at).send(
      () => {
        const { key, epoch, token, value } = place;
        const server = servers[at]!;
        if (hazard === "put_without_lock" && step === "put") {
          if (!server.data.has(key)) server.data.set(key, value);
          return { reply: "put" as const, value: 0 };
        }
        if (hazard === "drop_without_lock" && step === "drop") {
          server.data.delete(key);
          return { reply: "dropped" as const, value: 0 };
        }
        if (hazard === "copy_not_move" && step === "drop")
          return { reply: "dropped" as const, value: 0 };
        return server.execute({ step, key, epoch, token, value });
      },
      ({ reply, value }) => {
        if (reply === "taken") place.value = value;
        if (hazard === "settled_when_put" && reply === "put") this.settled.add(pull.name);
        this.pulls.reply(pull, reply);
        if (hazard === "settled_when_put" && reply === "put") {
          for (const waiter of pull.waiters.splice(0)) waiter();
        }
      },
    );
  }

  private unlock({ place }: SimPull): void {
    const { key, epoch, token } = place;
    const server = this.world.servers[place.target]!;
    this.link(place.target).send(
      () => server.execute({ step: "unlock", key, epoch, token, value: 0 }),
      () => {},
    );
  }
}

export class Worker extends Mover {
  acceptsClients = true;
  private order: PoolMigration;
  private readonly waiting: Request[] = [];
  private atServers = 0;
  private isAsked = false;
  private isOrphan = false;
  private readonly open: Set<Request> = new Set();
  private readonly onQuietNow: (worker: Worker, revision: number) => void;
  /** Of the last order. */
  private revision: number;

  constructor(
    world: World,
    name: string,
    order: PoolMigration,
    revision: number,
    onQuietNow: (worker: Worker, revision: number) => void,
  ) {
    super(world, name);
    this.order = order;
    this.revision = revision;
    this.onQuietNow = onQuietNow;
    if (order.isHeld) this.pulls.hold();
  }

  /** What the supervisor says; it comes in its order. */
  follow(order: PoolMigration, revision: number): void {
    if (this.isDead) return;
    this.revision = revision;
    const { world } = this;
    const before = this.order;
    this.order = order;
    const isOther = before.epoch !== order.epoch || before.phase !== order.phase;
    if (isOther) {
      if (world.hazard === "settled_survives_epoch") this.pulls.letGo();
      else this.pulls.reset();
    }
    const isHeld = order.isHeld && world.hazard !== "no_hold";
    if (isHeld) this.pulls.hold();
    if (order.isRefused === true) for (const one of this.waiting.splice(0)) this.refuse(one);
    if (!isHeld) {
      this.pulls.letGo();
      for (const request of this.waiting.splice(0)) this.start(request);
    }
    this.isAsked = order.isHeld;
    this.checkQuiet();
  }

  request(request: Request): void {
    this.open.add(request);
    // From the client to the worker.
    this.world.clock.after(this.world.clock.below(4), () => {
      if (!this.isDead) this.start(request);
    });
  }

  private start(request: Request): void {
    const { order, world } = this;
    const { key } = request;
    if (order.isRefused === true) {
      this.refuse(request);
      return;
    }
    if (order.isHeld && world.hazard !== "no_hold") {
      this.waiting.push(request);
      return;
    }
    if (order.phase === "before") {
      this.send(request, world.placeOf(order.from, key));
      return;
    }
    const place = this.placeFor(key, order);
    const isSwept = place !== null && order.swept.includes(`s${place.source}:1`);
    const isBlind = world.hazard === "blind_delete_target_first" && request.isDelete;
    if (isBlind && place !== null) {
      this.link(place.target).send(
        () => request.act(world.servers[place.target]!),
        () => {},
      );
      this.send(request, place.source);
      return;
    }
    if (place === null || isSwept || this.settled.has(key)) {
      this.send(request, world.placeOf(order.to, key));
      return;
    }
    this.pulls.add(key, place);
    this.pulls.wakeAfter(key, () => this.start(request));
  }

  private send(request: Request, server: number): void {
    this.atServers++;
    this.link(server).send(
      () => request.act(this.world.servers[server]!),
      (value) => {
        this.atServers--;
        this.finish(request, value);
        this.checkQuiet();
      },
    );
  }

  private refuse(request: Request): void {
    if (this.open.delete(request)) this.world.clock.after(1, () => request.refused());
  }

  private finish(request: Request, value: number | null): void {
    if (this.open.delete(request)) request.done(value);
    if (this.isOrphan && this.open.size === 0) this.leave();
  }

  protected override onQuiet(): void {
    this.checkQuiet();
  }

  private checkQuiet(): void {
    if (!this.isAsked) return;
    const isQuiet =
      (this.atServers === 0 && this.pulls.isQuiet) || this.world.hazard === "no_quiet";
    if (!isQuiet) return;
    this.isAsked = false;
    this.onQuietNow(this, this.revision);
  }

  override die(): void {
    super.die();
    this.acceptsClients = false;
    this.world.workers = this.world.workers.filter((worker) => worker !== this);
    for (const request of [...this.open]) {
      this.open.delete(request);
      this.world.clock.after(1, () => request.done(null));
    }
  }

  /** Its supervisor is gone: it finishes what it has begun. */
  orphan(): void {
    this.acceptsClients = false;
    this.isOrphan = true;
    this.world.clock.after(ORPHAN_MS - 100, () => this.leave());
    if (this.open.size === 0) this.leave();
  }

  private leave(): void {
    if (!this.isDead) this.die();
  }
}

/** Moves what no client asks for, one server after the other. */
export class Sweeper extends Mover {
  private readonly order: PoolMigration;
  private readonly onSwept: (address: string, epoch: number) => void;
  private readonly swept: string[] = [];

  constructor(
    world: World,
    order: PoolMigration,
    onSwept: (address: string, epoch: number) => void,
  ) {
    super(world, "sweeper");
    this.order = order;
    this.onSwept = onSwept;
    this.sweep(0);
  }

  /** Again and again, because it may not have been written down. */
  tell(): void {
    for (const address of this.swept) this.onSwept(address, this.order.epoch);
  }

  private sweep(server: number): void {
    if (this.isDead || server >= SERVERS) return;
    const { world, order } = this;
    if (order.swept.includes(`s${server}:1`)) {
      this.sweep(server + 1);
      return;
    }
    this.link(server).send(
      () => {
        const { keysAndLocked, data } = world.servers[server]!;
        return world.hazard === "locks_passed_over" ? [...data.keys()] : keysAndLocked;
      },
      (keys) => {
        // Which key it is of does not stand in a lock: all that leave are gone, and then all locks.
        if (world.kind === "memcache" && keys.includes(LOCK)) {
          this.move(server, keys, () => world.clock.after(20, () => this.sweep(server)));
          return;
        }
        this.move(server, keys, () => {
          this.swept.push(`s${server}:1`);
          this.tell();
          this.sweep(server + 1);
        });
      },
    );
  }

  private move(server: number, keys: readonly string[], onEnd: () => void): void {
    const places = keys.flatMap((key) => {
      const place = key === LOCK ? null : this.placeFor(key, this.order);
      return place === null || place.source !== server ? [] : [place];
    });
    let left = places.length;
    if (left === 0) onEnd();
    for (const place of places) {
      this.pulls.add(place.key, place);
      this.pulls.wakeAfter(place.key, () => {
        if (--left === 0) onEnd();
      });
    }
  }
}
