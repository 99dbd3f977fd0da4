/** Everything in a worker that touches traffic: one PoolPlane per pool, and what they share. */
import type { PoolConfig } from "../api/config.ts";
import type { ListenerGrant } from "../api/control.ts";
import { POOL } from "../api/stats.ts";
import { assert } from "../base/assert.ts";
import { Turn } from "../base/turn.ts";
import { initHashes } from "../hash/hash-function.ts";
import { type Acceptor, acceptOn } from "../io/listen.ts";
import { openFilesMax } from "../os/open-files.ts";
import { PoolPlane } from "./pool-plane.ts";
import type { DataPlane, DataPlaneOptions } from "./worker.ts";

/** How often deadlines are looked at: what a timeout may be late by. */
const DEADLINE_STEP_MS = 10;
/** Descriptors kept free for what is neither client nor server: logs, listeners, timers, a new generation. */
const RESERVED_FILES = 64;
/** Client ids are sequence × this + slot: no two workers give the same. */
const CLIENT_ID_STEP = 4096;

/** Builds what serves the configuration in `options`. */
export async function createDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  await initHashes();
  return new WorkerDataPlane(options);
}

class WorkerDataPlane implements DataPlane {
  private readonly options: DataPlaneOptions;
  private readonly pools: Map<string, PoolPlane> = new Map();
  private readonly acceptors: Acceptor[] = [];
  private readonly deadlines: Timer;
  private readonly clientsMax: number;
  private clientIds = 0;
  private onAllGone: (() => void) | null = null;

  constructor(options: DataPlaneOptions) {
    this.options = options;
    const turn = new Turn();
    const servers = options.config.pools.reduce(
      (sum, pool) => sum + pool.servers.length * pool.serverConnections,
      0,
    );
    this.clientsMax = Math.max(openFilesMax() - servers - RESERVED_FILES, 1);
    for (const pool of options.config.pools) this.addPool(pool, turn);
    this.deadlines = setInterval(() => this.checkDeadlines(), DEADLINE_STEP_MS);
  }

  get clients(): number {
    let clients = 0;
    for (const pool of this.pools.values()) clients += pool.sessions.size;
    return clients;
  }

  listen(grants: readonly ListenerGrant[]): void {
    for (const { pool, fd } of grants) {
      const plane = this.pools.get(pool);
      assert(
        plane !== undefined,
        `a listener was granted for pool ${pool}, which is not configured`,
      );
      const config = this.options.config.pools.find(({ name }) => name === pool);
      this.acceptors.push(
        acceptOn(fd, config?.tcpKeepalive === true, (stream) => plane.accept(stream)),
      );
    }
  }

  drain(timeoutMs: number, done: (closed: number) => void): void {
    for (const acceptor of this.acceptors) acceptor.stop();
    const timer = setTimeout(() => {
      this.onAllGone = null;
      done(this.clients);
    }, timeoutMs);
    this.onAllGone = () => {
      clearTimeout(timer);
      done(0);
    };
    for (const pool of this.pools.values()) pool.drain();
    this.checkGone();
  }

  close(): void {
    clearInterval(this.deadlines);
    for (const acceptor of this.acceptors) acceptor.stop();
    for (const pool of this.pools.values()) pool.close();
  }

  private addPool(pool: PoolConfig, turn: Turn): void {
    const { stats, counters, log, slot } = this.options;
    const layout = stats.pools.find(({ name }) => name === pool.name);
    assert(layout !== undefined, `pool ${pool.name} has no place in the statistics`);
    this.pools.set(
      pool.name,
      new PoolPlane({
        pool,
        layout,
        turn,
        log,
        counters,
        clientsEverywhere: () => this.clientsEverywhere(layout.base),
        hasRoom: () => this.clients < this.clientsMax,
        nextClientId: () => ++this.clientIds * CLIENT_ID_STEP + slot,
        onClientGone: () => this.checkGone(),
      }),
    );
  }

  /** Sums the gauge that every worker keeps in the shared memory. */
  private clientsEverywhere(poolBase: number): number {
    const { counters, slot, stats } = this.options;
    const memory = new Float64Array(
      counters.buffer,
      counters.byteOffset - slot * stats.stride * Float64Array.BYTES_PER_ELEMENT,
      stats.slots * stats.stride,
    );
    let clients = 0;
    for (let i = 0; i < stats.slots; i++) {
      clients += memory[i * stats.stride + poolBase + POOL.client_connections]!;
    }
    return clients;
  }

  private checkDeadlines(): void {
    const nowMs = performance.now();
    for (const pool of this.pools.values()) pool.checkDeadlines(nowMs);
  }

  private checkGone(): void {
    if (this.onAllGone === null || this.clients > 0) return;
    const onAllGone = this.onAllGone;
    this.onAllGone = null;
    onAllGone();
  }
}
