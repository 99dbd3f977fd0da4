/**
 * A proxy whose pool changes its servers, simulated: supervisor, workers, sweeper, servers and clients, with delays, deaths and reordering
 * at every step, all from one seed. The decisions are those of the product: Course, Pulls, MoveKey, SettledKeys.
 *
 * Each key has one client, which writes values that are all different, reads and deletes, over whatever worker. What it reads must be what it
 * wrote last, or a write of which it was not told how it ended. In the end every key must be on one server, the one that the ring names.
 */
import type { RingPlan } from "../../../src/api/migration.ts";
import type { CourseRecord } from "../../../src/migration/course-record.ts";
import { Clock } from "./clock.ts";
import { ItemServer } from "./item-steps.ts";
import type { Worker } from "./movers.ts";
import {
  type Hazard,
  KEYS,
  type Kind,
  numberOfPlan,
  planOfTable,
  SERVERS,
  type Table,
} from "./rings.ts";
import { SimServer } from "./servers.ts";
import { Client } from "./sim-client.ts";
import { Supervisor } from "./sim-supervisor.ts";

export class World {
  readonly clock: Clock;
  readonly servers: SimServer[] = [];
  readonly problems: string[] = [];
  readonly hazard: Hazard;
  /** Rings, by number. */
  readonly tables: Table[] = [];
  tokens = 0;
  /** Requests that were refused. */
  refusals = 0;
  supervisor: Supervisor | null = null;
  workers: Worker[] = [];
  /** Written down: survives everything. */
  disk: CourseRecord;
  protected readonly clients: Client[] = [];
  isEnding = false;
  log: string[] = [];

  readonly kind: Kind;
  /** What is in memory only may be missed from now on: a mover has died with it. */
  hasLost = false;

  constructor(seed: number, hazard: Hazard = "none", kind: Kind = "redis") {
    const clock = new Clock(seed);
    this.clock = clock;
    this.hazard = hazard;
    this.kind = kind;
    for (let i = 0; i < SERVERS; i++) {
      const isItems = kind === "memcache";
      this.servers.push(isItems ? new ItemServer(`s${i}`, clock) : new SimServer(`s${i}`, clock));
    }
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
    this.start();
    for (let i = 0; i < KEYS; i++) this.clients.push(new Client(this, `k${i}`));
    this.scheduleChanges();
    for (let i = 0; i < 60_000 && clock.step(); i++) {
      if (this.problems.length > 0) return this.problems;
    }
    if (!this.isEnding) this.problems.push("the simulation did not come to its end");
    else this.checkHomes();
    return this.problems;
  }

  protected start(): void {
    this.supervisor = new Supervisor(this);
  }

  protected get isAtRest(): boolean {
    return this.supervisor?.isAtRest === true;
  }

  /** Where keys are, when nothing moves any more. */
  protected get placement(): RingPlan {
    return this.disk.placement;
  }

  protected scheduleChanges(): void {
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
  protected settle(): void {
    const look = (): void => {
      if (!this.isAtRest) {
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
    const { placement } = this;
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
