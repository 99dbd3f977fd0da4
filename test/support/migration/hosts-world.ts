/**
 * Several hosts whose pool has the same servers, simulated: each a supervisor with workers, all with the same clients' keys. They agree through
 * what may be away, for all or for some; they crash, start, leave, and are forgotten when they are gone.
 */
import type { RingPlan } from "../../../src/api/migration.ts";
import { left } from "../../../src/migration/shared-state.ts";
import type { Hazard } from "./rings.ts";
import { SimEtcd } from "./sim-etcd.ts";
import { type HostFile, SimHost } from "./sim-host.ts";
import { World } from "./world.ts";

const HOSTS = 3;

export class HostsWorld extends World {
  readonly etcd: SimEtcd;
  readonly hosts: Map<string, SimHost> = new Map();
  /** By host: survives it. */
  readonly files: Map<string, HostFile> = new Map();
  /** How often a host has changed its ring. */
  switches = 0;
  private wished: RingPlan;

  constructor(seed: number, hazard: Hazard = "none") {
    super(seed, hazard);
    this.etcd = new SimEtcd(this.clock, hazard);
    this.wished = this.disk.placement;
  }

  protected override start(): void {
    for (let i = 0; i < HOSTS; i++) this.startHost(`h${i}`);
  }

  protected override get isAtRest(): boolean {
    const all = [...this.hosts.values()];
    const record = this.etcd.state?.pools["main"]?.record;
    const isWished = record?.placement === this.wished || record?.declined !== undefined;
    return record?.current === null && isWished && all.every((host) => host.isAtRest);
  }

  protected override get placement(): RingPlan {
    return this.etcd.state!.pools["main"]!.record.placement;
  }

  protected override scheduleChanges(): void {
    const { clock } = this;
    let atMs = 100 + clock.below(300);
    for (let i = 1 + clock.below(3); i > 0; i--) {
      const ring = this.makeRing(2 + clock.below(3));
      clock.at(atMs, () => this.wish(clock.chance(0.2) ? this.placement : ring));
      if (clock.chance(0.4)) clock.at(atMs + clock.below(1500), () => this.one()?.cancel());
      atMs += 1_000 + clock.below(2000);
    }
    const some = (count: number, act: () => void): void => {
      for (let i = clock.below(count); i > 0; i--) clock.at(clock.below(atMs), act);
    };
    some(4, () => this.killWorker());
    some(3, () => this.isSettling || this.one()?.killSweeper());
    some(3, () => this.crashHost());
    some(2, () => this.stopHost());
    some(4, () => this.cutOff());
    some(3, () => this.takeAway());
    clock.at(atMs + 1_000, () => this.bringToRest());
  }

  private one(): SimHost | null {
    const all = [...this.hosts.values()].filter(({ isDead }) => !isDead);
    return all.length === 0 || this.isSettling ? null : this.clock.pick(all);
  }

  private startHost(id: string): void {
    this.note(`start of ${id}`);
    this.hosts.set(id, new SimHost(this, id, this.wished));
  }

  /** All get the same file, each when it comes to that. */
  private wish(ring: RingPlan): void {
    this.note("a new ring is wished");
    this.wished = ring;
    for (const host of this.hosts.values()) {
      this.clock.after(this.clock.below(200), () => {
        if (!host.isDead) host.reload(this.wished);
      });
    }
  }

  override killWorker(): void {
    const host = this.one();
    if (host === null || host.workers.size === 0) return;
    const worker = this.clock.pick([...host.workers]);
    this.note(`kill ${worker.name}`);
    worker.die();
    host.onWorkerGone(worker);
  }

  private crashHost(): void {
    const host = this.one();
    if (host === null) return;
    this.note(`crash of ${host.id}`);
    host.die();
    this.hosts.delete(host.id);
    const { clock } = this;
    if (clock.chance(0.3)) {
      // Its machine is gone, and an operator says so when that is sure.
      clock.after(1_500, () => {
        this.files.delete(host.id);
        this.forget(host.id);
      });
      return;
    }
    clock.after(clock.below(900), () => this.startHost(host.id));
  }

  /** Tries until it is so: who is asked may end, too. */
  private forget(id: string): void {
    if (this.etcd.state?.hosts[id] === undefined) {
      this.startHost(id);
      return;
    }
    this.note(`${id} is to be forgotten`);
    const other = [...this.hosts.values()].find(({ isDead }) => !isDead);
    other?.agreement.change(left(id));
    this.clock.after(300, () => this.forget(id));
  }

  private stopHost(): void {
    const host = this.one();
    if (host === null) return;
    this.note(`stop of ${host.id}`);
    host.stop(() => {
      if (!host.isDead) return;
      this.hosts.delete(host.id);
      this.clock.after(this.clock.below(600), () => this.startHost(host.id));
    });
  }

  private cutOff(): void {
    const host = this.one();
    if (host === null) return;
    this.note(`${host.id} is cut off`);
    this.etcd.cutOff.add(host.id);
    this.clock.after(this.clock.below(1_200), () => this.etcd.cutOff.delete(host.id));
  }

  private takeAway(): void {
    if (this.isSettling) return;
    this.note("etcd is away");
    this.etcd.isAway = true;
    this.clock.after(this.clock.below(1_000), () => {
      this.etcd.isAway = false;
    });
  }

  /** Everything is there again, and all have the same file. */
  private bringToRest(): void {
    this.isSettling = true;
    this.etcd.isAway = false;
    this.etcd.cutOff.clear();
    this.clock.after(3_000, () => {
      for (const host of this.hosts.values()) if (!host.isDead) host.reload(this.wished);
      this.settle();
    });
  }
}
