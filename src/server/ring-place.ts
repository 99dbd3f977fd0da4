/** A server's place in its pool's ring, which it loses when `Ejections` says so. */
import type { PoolConfig } from "../api/config.ts";
import type { MetricBlock } from "../api/metrics.ts";
import { POOL, SERVER } from "../api/stats.ts";
import type { Logger } from "../base/log.ts";
import type { Ejectable } from "./ejections.ts";

export interface RingPlaceOptions {
  /** Of the server. */
  readonly name: string;
  readonly pool: PoolConfig;
  readonly log: Logger;
  readonly poolCounters: MetricBlock;
  readonly counters: MetricBlock;
  readonly epochMs: () => number;
  readonly isDown: () => boolean;
  /** Ends its connections: it has failed. */
  readonly takeDown: () => void;
  /** Has those tried again that are down. */
  readonly openDown: () => void;
}

export class RingPlace implements Ejectable {
  isEjected = false;
  private readonly options: RingPlaceOptions;

  constructor(options: RingPlaceOptions) {
    this.options = options;
  }

  eject(): void {
    const { name, pool, log, poolCounters, counters, epochMs, takeDown } = this.options;
    const { values, base } = counters;
    this.isEjected = true;
    poolCounters.values[poolCounters.base + POOL.server_ejects]! += 1;
    values[base + SERVER.ejected] = 1;
    values[base + SERVER.server_ejected_at] = epochMs() * 1000;
    log.warn("server is ejected", {
      server: name,
      ...(pool.healthCheckMs == null ? { retry_ms: pool.serverRetryTimeoutMs } : {}),
    });
    takeDown();
  }

  keep(): void {
    const { name, log, takeDown } = this.options;
    log.warn("server has failed but is not ejected: too many others are in trouble", {
      server: name,
    });
    takeDown();
  }

  restore(): void {
    const { name, log, counters, isDown, openDown } = this.options;
    const { values, base } = counters;
    this.isEjected = false;
    values[base + SERVER.ejected] = 0;
    if (!isDown()) {
      log.info("server is in the ring again", { server: name });
      return;
    }
    log.warn("server is ejected no more: all servers of the pool have failed", { server: name });
    // From now on clients wait for it.
    openDown();
  }

  probe(): void {
    this.options.openDown();
  }

  /** The server is no longer one of its pool's. */
  leave(): void {
    const { values, base } = this.options.counters;
    if (this.isEjected) values[base + SERVER.ejected] = 0;
  }
}
