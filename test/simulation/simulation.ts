/** One run: a proxy, its servers and its clients, from one seed, until all that went wrong is over and everything has to be right. */
import { initHashes } from "../../src/hash/hash-function.ts";
import { loadConfig } from "../support/load-config.ts";
import { Checker, type Patience, SMUGGLED } from "./checker.ts";
import type { ClientHabits, ClientRig, SimulatedClient } from "./client.ts";
import { strike } from "./faults.ts";
import { type Call, install, Kernel, PASSING } from "./kernel.ts";
import { MemcacheClient } from "./memcache-client.ts";
import { MemcacheSpeaker, MemcacheStore } from "./memcache-server.ts";
import { MemoryOracle } from "./memory.ts";
import { Network } from "./network.ts";
import { Peer } from "./peer.ts";
import { configText, type PoolPlan, planClient, planEngine, planPool, planWay } from "./plan.ts";
import type { Random } from "./random.ts";
import { RedisClient } from "./redis-client.ts";
import { RedisSpeaker, RedisStore } from "./redis-server.ts";
import { Server, type Speaker, type SpeakerHost } from "./server.ts";
import { SimulatedProxy, type SimulatedWorker } from "./worker.ts";
import { World } from "./world.ts";

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly string[];
  /** Of everything that happened. */
  readonly hash: number;
  /** Empty unless it was asked for. */
  readonly trace: readonly string[];
  readonly plan: PoolPlan;
  readonly answered: number;
  readonly failed: number;
  readonly simulatedMs: number;
}

/** Requests to servers in good order take no longer, with all that a way and a turn may take. */
const HEALTHY_MS = 1500;
const HAND_OVER_MS = 20_000;
/** Longer than a client of another server may wait. */
const HANGS_AT_START_MS = 4_000;
const FORMAT = 4;
/** A browser gives up then. */
const PAGE_MS = 1000;
/** A proxy in which nothing happens may look after itself so often in a second. */
const IDLE_TIMERS_PER_SECOND = 10;
const IDLE_MS = 4000;
/** What a worker holds is looked at so often while there is load, in one of so many runs and in all heavy ones: it takes long. */
const MEMORY_LOOKS = 4;
const MEMORY_RUNS = 5;

export async function prepare(): Promise<void> {
  await initHashes();
}

/** To be called after `prepare`. */
export function simulate(seed: number, keepsTrace = false): Outcome {
  const world = new World(seed, keepsTrace);
  const run = new Run(world);
  const kernel = run.kernel;
  const end = install(kernel);
  try {
    run.play();
  } catch (error) {
    run.checker.fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    end();
  }
  const { violations, answered, failed } = run.checker;
  return {
    ...{ seed, violations, hash: world.hash, trace: world.trace ?? [], plan: run.plan },
    ...{ answered, failed, simulatedMs: world.nowMs - world.startMs },
  };
}

class Run {
  readonly world: World;
  readonly random: Random;
  readonly kernel: Kernel;
  readonly network: Network;
  readonly plan: PoolPlan;
  readonly checker: Checker;
  readonly servers: Server[];
  readonly stores: Map<Server, { get(key: string): unknown }> = new Map();
  readonly proxy: SimulatedProxy;
  readonly clients: SimulatedClient<unknown>[] = [];
  private current: SimulatedWorker;
  private isMoving = false;
  private readonly memory: MemoryOracle[] = [];
  private readonly looksAtMemory: boolean;

  constructor(world: World) {
    this.world = world;
    this.random = world.random.fork();
    this.kernel = new Kernel(world);
    this.network = new Network(world);
    this.plan = planPool(this.random);
    this.looksAtMemory = this.plan.isHeavy || world.seed % MEMORY_RUNS === 0;
    this.servers = this.createServers();
    this.checker = new Checker(
      world,
      this.servers,
      this.patience,
      this.plan.retryTimeoutMs !== null,
    );
    const names = this.servers.map(({ name }) => name);
    const { config, problems } = loadConfig(configText(this.plan, names), "simulation.yaml");
    if (config === null) throw new Error(JSON.stringify(problems));
    this.proxy = new SimulatedProxy(world, this.network, this.kernel, config);
    this.current = this.startWorker();
  }

  private get patience(): Patience {
    const { timeoutMs, connectTimeoutMs, retryTimeoutMs } = this.plan;
    const longestMs = Math.max(timeoutMs ?? 0, 1000);
    return {
      healthyMs: HEALTHY_MS,
      // The wait for a connection, and then for a reply.
      troubledMs:
        timeoutMs === null ? Number.POSITIVE_INFINITY : timeoutMs + connectTimeoutMs + HEALTHY_MS,
      recoveryMs: 3 * longestMs + connectTimeoutMs + 2 * (retryTimeoutMs ?? 0) + 2500,
      liesMs: timeoutMs === null ? Number.POSITIVE_INFINITY : 3 * longestMs + 2000,
    };
  }

  private createServers(): Server[] {
    const { world, network } = this;
    return Array.from({ length: this.plan.servers }, (_, at) => {
      const options = {
        world,
        network,
        name: `s${at + 1}`,
        port: at + 1,
        way: planWay(this.random, this.plan.isFine),
      };
      const onKey = (key: string): void => this.checker.onKey(key, server);
      let speak: (host: SpeakerHost) => Speaker;
      const server: Server = new Server(options, (host) => speak(host));
      if (this.plan.protocol === "redis") {
        const store = new RedisStore(world, onKey);
        speak = (host) => new RedisSpeaker(store, host);
        this.stores.set(server, store);
      } else {
        const store = new MemcacheStore(onKey);
        speak = () => new MemcacheSpeaker(store);
        this.stores.set(server, store);
      }
      return server;
    });
  }

  private startWorker(): SimulatedWorker {
    const worker = this.proxy.start(planEngine(this.random, this.plan.isFine));
    if (this.looksAtMemory) this.memory.push(new MemoryOracle(this.checker, worker));
    worker.listen();
    return worker;
  }

  play(): void {
    const { world, random, plan, checker } = this;
    const endMs = world.nowMs + (plan.startsInTrouble ? HANGS_AT_START_MS : plan.loadMs);
    if (plan.startsInTrouble) random.pick(this.servers).hang(HANGS_AT_START_MS);
    for (let i = 0; i < plan.clients; i++) {
      const rig = { ...this, way: planWay(random, plan.isFine) };
      // With a server in trouble the first one may be alone for long.
      world.after(random.next() * (plan.startsInTrouble ? HANGS_AT_START_MS / 2 : 20), () =>
        this.clients.push(this.createClient(i, rig, planClient(random, plan))),
      );
    }
    if (plan.protocol === "memcache") world.after(random.next() * plan.loadMs, () => this.browse());
    for (let i = 0; i < plan.faults; i++) {
      world.after(random.next() * plan.loadMs, () => this.strike(endMs));
    }
    for (let i = 0; i < plan.handOvers; i++) {
      world.after(random.next() * plan.loadMs, () => this.handOver());
    }
    for (let look = 1; look <= MEMORY_LOOKS; look++) {
      world.runUntil(world.startMs + ((endMs - world.startMs) * look) / MEMORY_LOOKS);
      for (const oracle of this.memory) oracle.check();
    }
    world.note("all is well");
    for (const client of this.clients) client.calmDown();
    world.runUntil(endMs + checker.patience.recoveryMs + 3000);
    for (const client of this.clients) client.stop();
    this.settle();
    for (const client of this.clients) client.verify();
    this.settle();
    this.checkStores();
    for (const client of this.clients) client.leave();
    world.runUntil(world.nowMs + 6000);
    this.checkEnd();
  }

  private createClient(id: number, rig: ClientRig, habits: ClientHabits): SimulatedClient<unknown> {
    const Client = this.plan.protocol === "redis" ? RedisClient : MemcacheClient;
    return new Client(id, rig, habits) as unknown as SimulatedClient<unknown>;
  }

  /** A web page has a browser send something to the proxy. */
  private browse(): void {
    const way = planWay(this.random, this.plan.isFine);
    const user = { onText() {}, onGone() {} };
    const page = new Peer(this.world, this.network.connectClient(way), user);
    const first = this.random.pick(["POST / HTTP/1.1", "GET /a b HTTP/1.1", "OPTIONS * HTTP/1.0"]);
    const text = `${first}\r\nX-A: b\r\n\r\nset ${SMUGGLED} 0 0 1\r\n1\r\n`;
    page.sendSlowly(text, this.random);
    this.world.after(PAGE_MS, () => page.close(false));
  }

  private strike(endMs: number): void {
    if (this.world.nowMs < endMs) strike({ ...this, lies: this.plan.lies }, endMs);
  }

  /** Until all is answered that can be. */
  private settle(): void {
    const { world } = this;
    for (let i = 0; i < 30 && !this.clients.every(({ isIdle }) => isIdle); i++) {
      world.runUntil(world.nowMs + 500);
      for (const client of this.clients) client.watch();
    }
    for (const client of this.clients) {
      if (!client.isIdle) this.checker.fail(`client ${client.id} gets no answer`);
    }
  }

  private checkStores(): void {
    if (this.checker.mayMove) return;
    for (const client of this.clients) {
      for (const [key, model] of client.models) {
        const home = this.checker.homes.get(key);
        if (home === undefined) continue;
        const value = this.stores.get(home)!.get(key);
        if (!model.allows(value)) {
          this.checker.fail(
            `${home.name} has ${JSON.stringify(value)} for ${key}, which can be ${model.shown}`,
          );
        }
      }
    }
  }

  private checkEnd(): void {
    const { world, checker, kernel, proxy } = this;
    for (const oracle of this.memory) oracle.checkEnd();
    for (const worker of proxy.workers) {
      if (worker.isGone) continue;
      if (worker.plane.clients > 0)
        checker.fail(`${worker.plane.clients} clients are left that have gone`);
      const before = worker.engine.timersFired;
      world.runUntil(world.nowMs + IDLE_MS);
      const fired = worker.engine.timersFired - before;
      if (fired > (IDLE_TIMERS_PER_SECOND * IDLE_MS) / 1000) {
        checker.fail(`${fired} timers in ${IDLE_MS} ms in which nothing happens`);
      }
    }
    for (const worker of proxy.workers) worker.end();
    world.runUntil(world.nowMs + 6000);
    if (kernel.openFiles > 0) checker.fail(`${kernel.openFiles} descriptors are left open`);
  }

  // Moves

  /** A new worker takes all clients over, and the one before it ends. */
  private handOver(): void {
    const { world, kernel, checker, plan, random } = this;
    // One at a time, as a supervisor has them.
    if (this.isMoving) return;
    this.isMoving = true;
    const from = this.current;
    const to = this.startWorker();
    this.current = to;
    kernel.failing = Object.keys(PASSING) as Call[];
    kernel.failureChance = plan.callFailures;
    const isHindered = plan.callFailures > 0;
    world.note("hand-over");
    if (isHindered) checker.hinderedUntilMs = Number.POSITIVE_INFINITY;
    const beganMs = world.nowMs;
    let due = 0;
    const pass = (): void => {
      const passed = kernel.relay(
        from.handOverSocket,
        to.handOverSocket,
        Math.min(due, random.between(1, 8)),
      );
      due -= passed;
      if (passed > 0 && !to.isGone) {
        to.plane.adopt(passed, (counts) => {
          if (counts.failed > 0) checker.fail(`${counts.failed} clients could not be adopted`);
        });
      }
      if (due > 0) world.after(random.next() * 5, pass);
    };
    from.plane.handOver(
      {
        type: "hand_over",
        sessions: null,
        pools: ["pool"],
        format: FORMAT,
        timeoutMs: HAND_OVER_MS,
      },
      {
        onPackets: (count) => {
          due += count;
          world.after(random.next() * 5, pass);
        },
        onDone: (_moved, left) => {
          world.note("handed over", left);
          if (isHindered) checker.hinderedUntilMs = world.nowMs + 500;
          // Who was about to end stays, and ends here.
          if (left > 0 && world.nowMs - beganMs >= HAND_OVER_MS) {
            checker.mayClose = true;
            checker.fail(`${left} clients stayed behind`);
          }
          from.plane.drain(HAND_OVER_MS, () => {
            // What the supervisor has not passed on yet is its own by then.
            const endWhenPassed = (): void => {
              if (due > 0) {
                world.after(1, endWhenPassed);
                return;
              }
              from.end();
              this.isMoving = false;
            };
            endWhenPassed();
          });
        },
      },
    );
  }
}
