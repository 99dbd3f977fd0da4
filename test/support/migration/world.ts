/**
 * A proxy whose pool changes its servers, simulated: supervisor, workers, sweeper, servers and clients, with delays, deaths and reordering
 * at every step, all from one seed. The decisions are those of the product: Course, Pulls, MoveKey, SettledKeys.
 *
 * Each key has one client, which writes values that are all different, reads and deletes, over whatever worker. What it reads must be what it
 * wrote last, or a write of which it was not told how it ended. In the end every key must be on one server, the one that the ring names.
 */
import type { PoolMigration, RingPlan } from "../../../src/api/migration.ts";
import { Course, type CourseRecord } from "../../../src/migration/course.ts";
import type { MoveStep } from "../../../src/migration/move-key.ts";
import { type Pull, Pulls } from "../../../src/migration/pulls.ts";
import { SettledKeys } from "../../../src/migration/settled-keys.ts";
import { Clock } from "./clock.ts";
import { SimLink, SimServer } from "./servers.ts";

/** Faults that can be put into the world by hand: each must be found. */
export type Hazard =
  | "none"
  | "no_hold"
  | "no_quiet"
  | "copy_not_move"
  | "put_without_lock"
  | "drop_without_lock"
  | "settled_when_put"
  | "settled_survives_epoch"
  | "late_worker_old_ring"
  | "orphans_forgotten"
  | "told_before_written"
  | "sweeper_outlives_cancel"
  | "blind_delete_target_first"
  | "look_ignores_locks";

const SERVERS = 4;
const KEYS = 12;
const WORKERS = 2;
/** The supervisor's patience with a switch. */
const HOLD_MS = 250;
/** Orphans have ended by then: what a supervisor that starts anew waits for before it switches. */
const ORPHAN_MS = 600;

/** A ring is a table here: its plan's only server stands for the number of the table. */
type Table = readonly number[];

interface Place {
  readonly key: string;
  readonly source: number;
  readonly target: number;
  readonly epoch: number;
  readonly token: number;
  value: number;
}

export class World {
  readonly clock: Clock;
  readonly servers: SimServer[] = [];
  readonly problems: string[] = [];
  readonly hazard: Hazard;
  /** Rings, by number. */
  readonly tables: Table[] = [];
  tokens = 0;
  supervisor: Supervisor | null = null;
  workers: Worker[] = [];
  /** Written down: survives everything. */
  disk: CourseRecord;
  private readonly clients: Client[] = [];
  isEnding = false;
  log: string[] = [];

  constructor(seed: number, hazard: Hazard = "none") {
    this.clock = new Clock(seed);
    this.hazard = hazard;
    for (let i = 0; i < SERVERS; i++) this.servers.push(new SimServer(`s${i}`, this.clock));
    this.disk = { placement: this.makeRing(3), epoch: 0, current: null };
  }

  note(text: string): void {
    if (this.log.length < 5_000) this.log.push(`${this.clock.nowMs} ${text}`);
  }

  /** A ring over the first `servers`. */
  makeRing(servers: number): RingPlan {
    const table = Array.from({ length: KEYS }, () => this.clock.below(servers));
    this.tables.push(table);
    return planOfTable(this.tables.length - 1);
  }

  /** Where the ring of `plan` has a key. */
  placeOf(plan: RingPlan, key: string): number {
    return this.tables[numberOfPlan(plan)]![Number(key.substring(1))]!;
  }

  run(): readonly string[] {
    const { clock } = this;
    this.supervisor = new Supervisor(this);
    for (let i = 0; i < KEYS; i++) this.clients.push(new Client(this, `k${i}`));
    this.scheduleChanges();
    for (let i = 0; i < 60_000 && clock.step(); i++) {
      if (this.problems.length > 0) return this.problems;
    }
    if (!this.isEnding) this.problems.push("the simulation did not come to its end");
    else this.checkHomes();
    return this.problems;
  }

  private scheduleChanges(): void {
    const { clock } = this;
    const changes = 1 + clock.below(3);
    let atMs = 100 + clock.below(300);
    for (let i = 0; i < changes; i++) {
      clock.at(atMs, () => this.supervisor?.wish(this.makeRing(2 + clock.below(3))));
      if (clock.chance(0.5)) clock.at(atMs + clock.below(1200), () => this.supervisor?.cancel());
      atMs += 800 + clock.below(1500);
    }
    for (let i = clock.below(4); i > 0; i--) {
      clock.at(clock.below(atMs), () => this.killWorker());
    }
    for (let i = clock.below(3); i > 0; i--) {
      clock.at(clock.below(atMs), () => this.supervisor?.killSweeper());
    }
    if (clock.chance(0.4)) clock.at(clock.below(atMs), () => this.crashSupervisor());
    clock.at(atMs + 1_000, () => this.settle());
  }

  /** Nothing dies from now on; when nothing moves any more, it ends. */
  private settle(): void {
    const look = (): void => {
      const isAtRest = this.supervisor?.isAtRest === true;
      if (!isAtRest) {
        this.clock.after(50, look);
        return;
      }
      for (const client of this.clients) client.stop();
      // What dead processes have sent is executed by then.
      this.clock.after(2_000, () => {
        this.isEnding = true;
      });
    };
    this.isSettling = true;
    look();
  }

  isSettling = false;

  killWorker(): void {
    if (this.isSettling || this.workers.length === 0) return;
    const worker = this.clock.pick(this.workers);
    this.note(`kill ${worker.name}`);
    worker.die();
    this.supervisor?.onWorkerGone(worker);
  }

  crashSupervisor(): void {
    if (this.isSettling || this.supervisor === null) return;
    this.note("crash of the supervisor");
    this.supervisor.die();
    this.supervisor = null;
    for (const worker of this.workers) worker.orphan();
    this.clock.after(this.clock.below(300), () => {
      this.supervisor = new Supervisor(this);
    });
  }

  /** After all is at rest. */
  private checkHomes(): void {
    const { placement } = this.disk;
    for (const client of this.clients) {
      const { key } = client;
      const home = this.placeOf(placement, key);
      const places = this.servers.flatMap((server, i) => (server.data.has(key) ? [i] : []));
      const strays = places.filter((place) => place !== home);
      const isOfLateWrite = (place: number): boolean =>
        client.isUnsure(this.servers[place]!.data.get(key)!);
      if (strays.some((place) => !isOfLateWrite(place))) {
        this.problems.push(`${key} is on ${places.join()}, but its home is ${home}`);
      }
      client.check(this.servers[home]!.data.get(key) ?? 0, "at the end");
    }
  }
}

function planOfTable(number: number): RingPlan {
  // The address names each server that has keys: all of them, for every ring.
  const servers = Array.from({ length: SERVERS }, (_, i) => ({
    name: `s${i}`,
    address: { kind: "tcp" as const, host: `s${i}`, port: 1 },
    weight: 1,
  }));
  return {
    ...{ hash: "fnv1a_64", hashSignedChar: false, hashTag: null, distribution: "ketama" },
    servers: [{ ...servers[0]!, weight: number + 1 }, ...servers.slice(1)],
  };
}

function numberOfPlan({ servers }: RingPlan): number {
  return servers[0]!.weight - 1;
}

/** One client, which has one key and one request at a time. */
class Client {
  readonly key: string;
  private readonly world: World;
  /** What a read may give; 0: nothing. */
  private allowed: Set<number> = new Set([0]);
  /** Writes of which it is not known how they ended: they may come any time. */
  private readonly unsure: Set<number> = new Set();
  private values = 0;
  private isStopped = false;

  constructor(world: World, key: string) {
    this.world = world;
    this.key = key;
    world.clock.after(world.clock.below(50), () => this.next());
  }

  isUnsure(value: number): boolean {
    return this.unsure.has(value);
  }

  stop(): void {
    this.isStopped = true;
  }

  private next(): void {
    const { world } = this;
    const { clock } = world;
    if (this.isStopped) return;
    if (world.workers.every((worker) => !worker.acceptsClients)) {
      clock.after(20, () => this.next());
      return;
    }
    const worker = clock.pick(world.workers.filter((one) => one.acceptsClients));
    const what = clock.random();
    const again = (): void => clock.after(1 + clock.below(60), () => this.next());
    if (what < 0.45) {
      worker.request({
        key: this.key,
        act: (server) => server.data.get(this.key) ?? 0,
        isDelete: false,
        done: (value) => {
          if (value !== null) this.check(value, `read over ${worker.name}`);
          again();
        },
      });
      return;
    }
    const isDelete = what > 0.75;
    const value = isDelete ? 0 : Number(this.key.substring(1)) * 100_000 + ++this.values;
    worker.request({
      key: this.key,
      act: (server) => {
        if (isDelete) server.data.delete(this.key);
        else server.data.set(this.key, value);
        return value;
      },
      isDelete,
      done: (result) => {
        if (result === null) {
          this.allowed.add(value);
          if (value !== 0) this.unsure.add(value);
          else this.unsure.add(0);
        } else this.allowed = new Set([value, ...this.unsure]);
        world.note(
          `${this.key} ${isDelete ? "del" : `set ${value}`} ${result === null ? "unsure" : "done"}`,
        );
        again();
      },
    });
  }

  check(value: number, where: string): void {
    if (this.allowed.has(value)) {
      this.allowed = new Set([value, ...this.unsure]);
      return;
    }
    const allowed = [...this.allowed].join(" or ");
    this.world.problems.push(`${this.key}: ${where} gave ${value} in place of ${allowed}`);
  }
}

interface Request {
  readonly key: string;
  readonly act: (server: SimServer) => number;
  readonly isDelete: boolean;
  /** Null: it is not known what became of it. */
  readonly done: (value: number | null) => void;
}

/** Moves keys: the part that workers and the sweeper have in common. */
abstract class Mover {
  readonly world: World;
  readonly name: string;
  readonly settled: SettledKeys = new SettledKeys(1_500);
  readonly pulls: Pulls<Place, () => void>;
  isDead = false;
  private readonly links: Map<number, SimLink> = new Map();

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.pulls = new Pulls<Place, () => void>(this.settled, {
      perform: (pull, step) => this.perform(pull, step),
      pause: (pull) => world.clock.after(5, () => this.isDead || this.pulls.goOn(pull)),
      unlock: (pull) => this.unlock(pull),
      wake: (waiter) => world.clock.after(0, () => this.isDead || waiter()),
      onSettled: (pull) => world.note(`${this.name} settled ${pull.name}`),
      nowMs: () => world.clock.nowMs,
      onQuiet: () => this.onQuiet(),
    });
  }

  protected onQuiet(): void {}

  protected link(server: number): SimLink {
    let link = this.links.get(server);
    if (link === undefined) {
      link = new SimLink(this.world.clock);
      this.links.set(server, link);
    }
    return link;
  }

  die(): void {
    this.isDead = true;
    for (const link of this.links.values()) link.cut();
  }

  protected placeFor(key: string, order: PoolMigration): Place | null {
    const { world } = this;
    const source = world.placeOf(order.from, key);
    const target = world.placeOf(order.to, key);
    if (source === target) return null;
    return { key, source, target, epoch: order.epoch, token: ++world.tokens, value: 0 };
  }

  private perform(pull: Pull<Place, () => void>, step: MoveStep): void {
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
        if (hazard === "look_ignores_locks" && step === "look") {
          return {
            reply: server.data.has(key) ? ("there" as const) : ("absent" as const),
            value: 0,
          };
        }
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

  private unlock({ place }: Pull<Place, () => void>): void {
    const { key, epoch, token } = place;
    const server = this.world.servers[place.target]!;
    this.link(place.target).send(
      () => server.execute({ step: "unlock", key, epoch, token, value: 0 }),
      () => {},
    );
  }
}

class Worker extends Mover {
  acceptsClients = true;
  private order: PoolMigration;
  private readonly waiting: Request[] = [];
  private atServers = 0;
  private isAsked = false;
  private isOrphan = false;
  private readonly open: Set<Request> = new Set();
  private readonly onQuietNow: (worker: Worker) => void;

  constructor(
    world: World,
    name: string,
    order: PoolMigration,
    onQuietNow: (worker: Worker) => void,
  ) {
    super(world, name);
    this.order = order;
    this.onQuietNow = onQuietNow;
    if (order.isHeld) this.pulls.hold();
  }

  /** What the supervisor says; it comes in its order. */
  follow(order: PoolMigration): void {
    if (this.isDead) return;
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
    else {
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
    this.onQuietNow(this);
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
class Sweeper extends Mover {
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
      () => [...world.servers[server]!.data.keys()],
      (keys) => {
        const places = keys.flatMap((key) => {
          const place = this.placeFor(key, order);
          return place === null || place.source !== server ? [] : [place];
        });
        let left = places.length;
        const oneLess = (): void => {
          if (--left > 0) return;
          this.swept.push(`s${server}:1`);
          this.tell();
          this.sweep(server + 1);
        };
        if (left === 0) {
          left = 1;
          oneLess();
        }
        for (const place of places) {
          this.pulls.add(place.key, place);
          this.pulls.wakeAfter(place.key, oneLess);
        }
      },
    );
  }
}

type Process = Worker | Sweeper;

class Supervisor {
  private readonly world: World;
  private readonly course: Course<Process>;
  private sweeper: Sweeper | null = null;
  private isDead = false;
  private wished: RingPlan | null = null;
  private names = 0;
  private isSwitching = false;
  private readonly bornMs: number;
  /** Messages to a worker keep their order. */
  private readonly lastMs: Map<Worker, number> = new Map();

  constructor(world: World) {
    this.world = world;
    this.bornMs = world.clock.nowMs;
    this.course = new Course<Process>(
      "main",
      world.disk,
      {
        save: (record, done) => this.save(record, done),
        publish: () => this.publish(),
        workers: () => {
          const sweeper = this.sweeper === null ? [] : [this.sweeper];
          return [...world.workers.filter((worker) => this.lastMs.has(worker)), ...sweeper];
        },
        onSwitched: () => {
          this.isSwitching = false;
        },
        nowMs: () => world.clock.nowMs,
        monotonicMs: () => world.clock.nowMs,
      },
      this.bornMs === 0 || world.hazard === "orphans_forgotten" ? 0 : this.bornMs + ORPHAN_MS,
    );
    for (let i = 0; i < WORKERS; i++) this.startWorker();
    this.tick();
  }

  get isAtRest(): boolean {
    return this.course.record.current === null && this.wished === null && !this.isSwitching;
  }

  die(): void {
    this.isDead = true;
    this.sweeper?.die();
  }

  wish(ring: RingPlan): void {
    if (this.world.isSettling) return;
    this.world.note("a new ring is wished");
    this.wished = ring;
  }

  cancel(): void {
    if (this.world.isSettling || this.isSwitching) return;
    this.course.cancel(this.world.clock.chance(0.5), (isBegun) => {
      this.world.note(`cancel ${isBegun}`);
      if (isBegun && this.course.order.isHeld) this.setDeadline();
    });
  }

  killSweeper(): void {
    if (this.world.isSettling || this.sweeper === null) return;
    this.world.note("kill the sweeper");
    const { sweeper } = this;
    sweeper.die();
    this.sweeper = null;
    this.course.onGone(sweeper);
  }

  onWorkerGone(worker: Worker): void {
    this.lastMs.delete(worker);
    if (this.world.hazard !== "late_worker_old_ring") this.course.onGone(worker);
    else this.course.onGone(worker);
    this.world.clock.after(5, () => this.startWorker());
  }

  private startWorker(): void {
    const { world, course } = this;
    if (this.isDead) return;
    const isLate = world.hazard === "late_worker_old_ring";
    const { placement } = course.record;
    const old: PoolMigration = {
      ...{ pool: "main", epoch: 0, phase: "before", isHeld: false, swept: [] },
      ...{ from: placement, to: placement },
    };
    const worker = new Worker(
      world,
      `w${world.workers.length}-${this.names++}`,
      isLate ? old : course.order,
      (one) => {
        // Its answer takes a while, too.
        world.clock.after(1 + world.clock.below(5), () => this.isDead || course.onQuiet(one));
      },
    );
    this.lastMs.set(worker, 0);
    world.workers.push(worker);
  }

  private save(record: CourseRecord, done: (isSaved: boolean) => void): void {
    const { clock } = this.world;
    if (this.world.hazard === "told_before_written") {
      clock.after(1, () => this.isDead || done(true));
      clock.after(40, () => {
        if (!this.isDead) this.world.disk = record;
      });
      return;
    }
    clock.after(1 + clock.below(10), () => {
      if (this.isDead) {
        // It may have come that far.
        return;
      }
      const isSaved = !clock.chance(0.03);
      if (isSaved) this.world.disk = record;
      // A crash between the two leaves it written and told to no process.
      clock.after(clock.below(5), () => this.isDead || done(isSaved));
    });
  }

  private publish(): void {
    const { world, course } = this;
    const { order } = course;
    world.note(`order ${order.epoch} ${order.phase} ${order.isHeld}`);
    for (const worker of world.workers) {
      const last = this.lastMs.get(worker);
      if (last === undefined) continue;
      const atMs = Math.max(last, world.clock.nowMs + 1 + world.clock.below(10));
      this.lastMs.set(worker, atMs);
      world.clock.at(atMs, () => worker.follow(order));
    }
    const mustGo = !course.wantsSweep && world.hazard !== "sweeper_outlives_cancel";
    if (mustGo && this.sweeper !== null) {
      const { sweeper } = this;
      this.sweeper = null;
      world.clock.after(1 + world.clock.below(10), () => {
        sweeper.die();
        if (!this.isDead) course.onGone(sweeper);
      });
    }
  }

  private setDeadline(): void {
    this.isSwitching = true;
    this.world.clock.after(HOLD_MS, () => this.isDead || this.course.onDeadline());
  }

  private tick(): void {
    if (this.isDead || this.world.isEnding) return;
    const { course, world } = this;
    const { clock } = world;
    if (course.record.current === null && this.wished !== null && !this.isSwitching) {
      const ring = this.wished;
      this.wished = null;
      course.begin(ring, (isSaved) => {
        if (!isSaved) this.wished = ring;
      });
    }
    if (course.wantsSwitch && !this.isSwitching) {
      this.setDeadline();
      course.switchOver();
    }
    const { order } = course;
    if (course.wantsSweep && this.sweeper === null) {
      this.sweeper = new Sweeper(world, order, (address, epoch) => course.onSwept(address, epoch));
    }
    if (this.sweeper?.isDead === false) this.sweeper.tell();
    clock.after(20, () => this.tick());
  }
}
