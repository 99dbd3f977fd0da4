/** A worker of the simulation: the real data plane, in a process that is not one. */
import type { Config } from "../../src/api/config.ts";
import type { FromWorker } from "../../src/api/control.ts";
import type { Logger } from "../../src/base/log.ts";
import { oneSet } from "../../src/config/worker-sets.ts";
import { directoryOf, findBlock } from "../../src/metrics/directory.ts";
import {
  addBlock,
  createStatsLayout,
  resetGauges,
  slotRegion,
  statsByteLength,
} from "../../src/metrics/layout.ts";
import { WorkerModules } from "../../src/modules/worker-modules.ts";
import { type Peer as BusPeer, BusRelay } from "../../src/supervisor/generation/bus-relay.ts";
import { BusClient } from "../../src/worker/bus-client.ts";
import { ClientIds } from "../../src/worker/client-ids.ts";
import { WorkerDataPlane } from "../../src/worker/data-plane.ts";
import { WorkerMetrics } from "../../src/worker/metrics.ts";
import { type EngineHabits, SimulatedEngine } from "./engine.ts";
import type { Kernel } from "./kernel.ts";
import type { Network } from "./network.ts";
import type { World } from "./world.ts";

const SLOTS = 4;
const OPEN_FILES = 4096;
const BIRTHS_MANY = 4096;

let lent: Float64Array = new Float64Array(0);

/** There is one proxy at a time: each gets the memory of the one before it, empty. */
function statsMemory(length: number): Float64Array {
  if (lent.length < length) lent = new Float64Array(length);
  else lent.fill(0, 0, length);
  return lent.subarray(0, length);
}

/** What the workers of one proxy share. */
export class SimulatedProxy {
  readonly world: World;
  readonly network: Network;
  readonly kernel: Kernel;
  readonly config: Config;
  readonly workers: SimulatedWorker[] = [];
  readonly relay: BusRelay;
  readonly memory: Float64Array;
  layout: ReturnType<typeof createStatsLayout>;
  /** Lines of the log that are warnings or worse. */
  readonly warnings: string[] = [];
  private births: number;

  constructor(world: World, network: Network, kernel: Kernel, config: Config) {
    this.world = world;
    this.network = network;
    this.kernel = kernel;
    this.config = config;
    this.layout = createStatsLayout(config, SLOTS);
    this.memory = statsMemory(statsByteLength(this.layout) / 8);
    this.relay = new BusRelay(
      () => this.workers.filter(({ isGone }) => !isGone),
      undefined,
      () => this.world.nowMs,
    );
    this.births = world.random.below(5000);
  }

  start(habits: EngineHabits): SimulatedWorker {
    const slot = this.workers.length % SLOTS;
    const worker = new SimulatedWorker(this, slot, this.births, habits);
    // Many others have lived between them, now and then.
    this.births += this.world.random.chance(0.3) ? BIRTHS_MANY : 1;
    this.workers.push(worker);
    return worker;
  }

  get logger(): Logger {
    const line =
      (level: string) =>
      (message: string, fields: object = {}): void => {
        const text = `${level} ${message} ${JSON.stringify(fields)}`;
        this.world.note("log");
        this.world.trace?.push(`    ${text}`);
        if (level !== "info" && level !== "debug" && this.warnings.length < 1000)
          this.warnings.push(text);
      };
    const logger: Logger = {
      ...{ error: line("error"), warn: line("warn"), info: line("info"), debug: line("debug") },
      ...{ child: () => logger, setLevel() {}, reopen() {}, redirect() {} },
    };
    return logger;
  }

  place(message: Extract<FromWorker, { type: "want_block" }>): number | null {
    const { schema, labels } = message;
    this.layout = addBlock(this.layout, { schema, labels }) ?? this.layout;
    return findBlock(directoryOf(this.layout), { schema, labels })?.base ?? null;
  }
}

export class SimulatedWorker implements BusPeer {
  readonly isOnBus = true;
  readonly canAnswer = true;
  readonly proxy: SimulatedProxy;
  readonly engine: SimulatedEngine;
  readonly plane: WorkerDataPlane;
  /** The supervisor's end of its hand-over socket. */
  readonly handOverSocket: number;
  isGone = false;
  /** Full collections that it has asked for. */
  collections = 0;
  private readonly own: number;
  private readonly bus: BusClient;
  private readonly metrics: WorkerMetrics;

  constructor(proxy: SimulatedProxy, slot: number, birth: number, habits: EngineHabits) {
    const { world, kernel, network, config } = proxy;
    this.proxy = proxy;
    this.engine = new SimulatedEngine(world, kernel, network, habits);
    const [own, supervisors] = kernel.packetPair();
    this.own = own;
    this.handOverSocket = supervisors;
    const { nowMs, timer } = this.engine;
    const toSupervisor = (message: FromWorker): void => this.onMessage(message);
    const retained = structuredClone([...proxy.relay.retained]);
    this.bus = new BusClient(birth, retained, toSupervisor, { nowMs, schedule: timer });
    const counters = slotRegion(proxy.memory, proxy.layout, slot);
    resetGauges(counters, proxy.layout);
    this.metrics = new WorkerMetrics({
      layout: proxy.layout,
      region: counters,
      send: toSupervisor,
    });
    this.plane = new WorkerDataPlane(
      {
        ...{ slot, workers: 1, config, stats: proxy.layout, counters, log: proxy.logger },
        ...{ clientIds: new ClientIds(birth, () => {}), bus: this.bus, send: toSupervisor },
        metrics: this.metrics,
        set: oneSet(config, 1)[0]!,
      },
      new WorkerModules(new Map()),
      {
        ...{ engine: this.engine, reason: "it is simulated" },
        ...{ handOverSocket: own, openFiles: OPEN_FILES, addresses: [] },
        usableMemory: () => 2 ** 30,
        collect: () => {
          this.collections++;
        },
        bufferBytes: () => 0,
      },
    );
    this.bus.open();
  }

  listen(): void {
    const [pool] = this.proxy.config.pools;
    this.plane.listen([{ pool: pool!.name, fd: -1 }], {});
  }

  /** From the bus. */
  send(message: Parameters<BusPeer["send"]>[0]): void {
    if (!this.isGone) this.bus.onMessage(structuredClone(message));
  }

  private onMessage(message: FromWorker): void {
    const { proxy } = this;
    const copy = JSON.parse(JSON.stringify(message)) as FromWorker;
    if (copy.type !== "want_block") {
      proxy.relay.onMessage(this, copy);
      return;
    }
    proxy.world.after(1, () => {
      const base = proxy.place(copy);
      if (!this.isGone) this.metrics.onBlock({ type: "block", id: copy.id, base });
    });
  }

  /** Its process ends. */
  end(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.plane.close();
    this.proxy.kernel.close(this.own);
    this.proxy.kernel.close(this.handOverSocket);
  }
}
