/**
 * The sweeper: a process that moves keys which no client asks for. It is made like a worker, but has no clients.
 *
 * Before the ring changes it looks for keys on the new servers that would hide those that come. After that it moves the keys of one server
 * after the other, and again if some could not be moved. It is killed at any time: what it has begun, the next one or a worker ends.
 */
import type { Config } from "../api/config.ts";
import { CONTROL_FD } from "../api/control.ts";
import {
  type MigrationOrder,
  NO_MIGRATION,
  type PoolMigration,
  type PoolVerification,
  type ServerSweep,
  type ServerVerification,
} from "../api/migration.ts";
import type { FromSweeper, ToSweeper } from "../api/sweeper.ts";
import type { WorkerBus } from "../api/worker-bus.ts";
import { exitOnFault } from "../base/fatal.ts";
import type { Logger } from "../base/log.ts";
import { SWEEP_AGAIN_MS, SWEEP_TELL_MS } from "../base/migration-limits.ts";
import { SUPERVISOR_SIGNALS } from "../base/supervisor-signals.ts";
import { VERSION } from "../base/version.ts";
import { oneSet } from "../config/worker-sets.ts";
import { type ControlChannel, openControlChannel } from "../engine/bun/control-channel.ts";
import { slotRegion } from "../metrics/layout.ts";
import { isSamePlan } from "../migration/key-places.ts";
import { assumeIdentity } from "../os/identity.ts";
import { openProcessLog } from "../os/log-output.ts";
import { hearParentDeath, setProcessName } from "../os/process.ts";
import { ClientIds } from "./client-ids.ts";
import { WorkerMetrics } from "./metrics.ts";
import type { CreateDataPlane, DataPlane } from "./worker.ts";

type Start = Extract<ToSweeper, { readonly type: "start" }>;
type Verify = Extract<ToSweeper, { readonly type: "verify" }>;
type Message =
  | ToSweeper
  | { readonly type: "stop" | "reopen_log" }
  | { readonly type: "ping"; readonly id: number };

const ORPHAN_SIGNAL = "SIGURG";

/** Of peers it needs none. */
const NO_BUS: WorkerBus = {
  broadcast() {},
  retain() {},
  clear() {},
  subscribe() {},
  query: (_topic, _data, done) => done([]),
  answer() {},
  answerLater() {},
  whenLost() {},
};

/** Runs until the supervisor says so, or is gone. */
export function startSweeper(createDataPlane: CreateDataPlane): void {
  const sweeper = new Sweeper(createDataPlane);
  for (const signal of SUPERVISOR_SIGNALS) process.on(signal, () => {});
  process.on(ORPHAN_SIGNAL, () => process.exit(0));
  sweeper.connect();
}

class Sweeper {
  readonly #createDataPlane: CreateDataPlane;
  readonly #supervisorPid = process.ppid;
  #channel: ControlChannel<FromSweeper | { readonly type: "pong"; readonly id: number }> | null =
    null;
  #dataPlane: DataPlane | null = null;
  #order: MigrationOrder = NO_MIGRATION;
  #log: Logger | null = null;
  /** By pool: the epoch and phase of the work that is under way. */
  readonly #works = new Map<string, PoolWork>();

  constructor(createDataPlane: CreateDataPlane) {
    this.#createDataPlane = createDataPlane;
  }

  connect(): void {
    this.#channel = openControlChannel<Message, FromSweeper>(CONTROL_FD, {
      onMessage: (message) => this.#onMessage(message),
      onClose: () => process.exit(0),
    });
  }

  #onMessage(message: Message): void {
    switch (message.type) {
      case "start":
        this.#start(message).catch((error: unknown) => this.#fail(error));
        break;
      case "migrate":
        this.#follow(message.order);
        break;
      case "verify":
        this.#verify(message).catch((error: unknown) => this.#fail(error));
        break;
      case "ping":
        this.#channel?.send({ type: "pong", id: message.id });
        break;
      case "reopen_log":
        this.#log?.reopen();
        break;
      case "stop":
        process.exit(0);
    }
  }

  #fail(error: unknown): void {
    this.#log?.error("the sweeper cannot work", { error: `${error}` });
    process.exit(1);
  }

  async #start(start: Start): Promise<void> {
    setProcessName("proxy sweeper");
    const { config, stats, runAs } = start;
    const log = openProcessLog({
      ...{ ...config.log, process: "sweeper", owner: runAs ?? null },
    });
    this.#log = log;
    exitOnFault(log);
    if (runAs !== undefined) assumeIdentity(runAs);
    if (!hearParentDeath(ORPHAN_SIGNAL, this.#supervisorPid)) process.exit(0);
    // What it counts is its own: statistics are of requests of clients.
    const memory = new Float64Array(stats.stride * stats.slots);
    const counters = slotRegion(memory, stats, 0);
    this.#note(start.migration);
    const swept = withoutClients(config);
    const dataPlane = await this.#createDataPlane({
      ...{ slot: 0, workers: 1, config: swept, stats, counters, log, set: oneSet(swept, 1)[0]! },
      clientIds: new ClientIds(0, () => {}),
      bus: NO_BUS,
      send() {},
      metrics: new WorkerMetrics({ layout: stats, region: counters, send() {} }),
    });
    dataPlane.migrations.seeAhead();
    this.#dataPlane = dataPlane;
    this.#channel?.send({ type: "ready", pid: process.pid, version: VERSION });
    this.#follow(this.#order);
  }

  /** Only after it was said that it is ready. */
  async #verify({ pools: names, mend, sample }: Verify): Promise<void> {
    const pools: PoolVerification[] = [];
    for (const pool of names) {
      const resting = this.#dataPlane?.migrations.restingPool(pool) ?? null;
      if (resting === null) throw new Error(`keys of pool ${pool} do not move`);
      const { epoch = 0 } = this.#order.pools.find((one) => one.pool === pool) ?? {};
      const servers: ServerVerification[] = [];
      for (const server of resting.servers) {
        servers.push(await resting.keyMoving.verify(server, { epoch, mend, sample }));
      }
      pools.push({ pool, servers });
    }
    this.#channel?.send({ type: "verified", pools });
  }

  #note(order: MigrationOrder): void {
    if (order.revision > this.#order.revision) this.#order = order;
  }

  #follow(order: MigrationOrder): void {
    this.#note(order);
    const pools = this.#order.pools.filter(({ from, to }) => !isSamePlan(from, to));
    const dataPlane = this.#dataPlane;
    if (dataPlane === null) return;
    dataPlane.migrations.follow(this.#order, () => {});
    for (const [name, work] of this.#works) {
      if (!pools.some((migration) => work.isOf(migration))) {
        work.stop();
        this.#works.delete(name);
      }
    }
    for (const migration of pools) {
      const work = this.#works.get(migration.pool);
      if (work !== undefined) work.migration = migration;
      else this.#works.set(migration.pool, this.#begin(dataPlane, migration));
    }
  }

  #begin(dataPlane: DataPlane, migration: PoolMigration): PoolWork {
    const work = new PoolWork(dataPlane, migration, (message) => this.#channel?.send(message));
    work.run().catch((error: unknown) => this.#fail(error));
    return work;
  }
}

/** None is to be kept free for clients, and nothing is asked beside what is swept. */
function withoutClients(config: Config): Config {
  return { ...config, pools: config.pools.filter(({ migrate }) => migrate === true) };
}

/** One pool's keys, in one phase of one migration. */
class PoolWork {
  migration: PoolMigration;
  readonly #dataPlane: DataPlane;
  readonly #send: (message: FromSweeper) => void;
  readonly #servers = new Map<string, ServerSweep>();
  readonly #done = new Set<string>();
  #isStopped = false;
  #toldMs = 0;

  constructor(
    dataPlane: DataPlane,
    migration: PoolMigration,
    send: (message: FromSweeper) => void,
  ) {
    this.#dataPlane = dataPlane;
    this.migration = migration;
    this.#send = send;
  }

  isOf({ pool, epoch, phase }: PoolMigration): boolean {
    const { migration } = this;
    return pool === migration.pool && epoch === migration.epoch && phase === migration.phase;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async run(): Promise<void> {
    const isMove = this.migration.phase === "moving";
    while (!this.#isStopped) {
      const problems: string[] = [];
      for (const address of this.#addresses(isMove)) {
        if (this.#isStopped) return;
        const problem = await this.#sweep(address, isMove);
        if (problem !== null) problems.push(problem);
      }
      if (!isMove && !this.#isStopped) {
        this.#tellChecked(problems);
        if (problems.length === 0) return;
      }
      for (const address of this.#done) this.#tellSwept(address);
      if (this.#isStopped) return;
      await Bun.sleep(SWEEP_AGAIN_MS);
    }
  }

  #addresses(isMove: boolean): readonly string[] {
    const { migration } = this;
    const moving = this.#pool.planned;
    const servers = isMove ? moving.sources : moving.targets;
    const all = [...new Set(servers.map(({ address }) => address))];
    return all.filter((address) => !migration.swept.includes(address) && !this.#done.has(address));
  }

  get #pool() {
    const pool = this.#dataPlane.migrations.poolOf(this.migration.pool);
    if (pool === null) throw new Error(`pool ${this.migration.pool} does not move keys`);
    return pool;
  }

  /** @returns what is in the way; null: nothing */
  async #sweep(address: string, isMove: boolean): Promise<string | null> {
    const { keyMoving, planned } = this.#pool;
    const servers = isMove ? planned.sources : planned.targets;
    const server = servers.find((one) => one.address === address);
    if (server === undefined) return null;
    const note = (progress: Omit<ServerSweep, "address">): void => {
      this.#servers.set(address, { address, ...progress });
      this.#tell();
    };
    // What was in the way is told until it is known that it is no more.
    const { failed: left = 0, why: reason = "" } = this.#servers.get(address) ?? {};
    const before = { failed: left, why: reason };
    const result = await keyMoving.sweep(server, {
      ...{ isMove, moving: planned },
      isStopped: () => this.#isStopped,
      onProgress: ({ keys, seen, found }) => note({ keys, seen, found, ...before }),
    });
    if (result === null) return null;
    const { keys, seen, found, failed, why, example } = result;
    note({ keys, seen, found, failed, why });
    this.#toldMs = 0;
    this.#tell();
    if (isMove && failed === 0) {
      this.#done.add(address);
      this.#tellSwept(address);
    }
    if (failed > 0) return `server ${address}: ${why}`;
    if (isMove || found === 0) return null;
    return `server ${address} has ${found} keys that are not its own by the old servers, such as ${example}; they would hide those that move there: remove them`;
  }

  #tellChecked(problems: readonly string[]): void {
    const { pool, epoch } = this.migration;
    const problem = problems.length === 0 ? null : problems.join("; ");
    this.#send({ type: "checked", pool, epoch, problem });
  }

  #tellSwept(address: string): void {
    const { pool, epoch } = this.migration;
    this.#send({ type: "swept", pool, epoch, address });
  }

  #tell(): void {
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < SWEEP_TELL_MS) return;
    this.#toldMs = nowMs;
    const { pool, epoch } = this.migration;
    this.#send({ type: "sweeping", pool, epoch, servers: [...this.#servers.values()] });
  }
}
