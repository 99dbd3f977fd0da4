/**
 * Which servers leave that are no longer found: those that cannot be connected from here, a few at a time, and never the last one.
 *
 * When a source loses sight of healthy servers, because something between it and them is broken, they go on serving.
 */
import type { ServerConfig } from "../../api/config.ts";
import type { Discovery } from "../../api/discovery.ts";
import { DISCOVERY_DEAD_LOOKS, DISCOVERY_PROBED_AT_ONCE } from "../../base/discovery-limits.ts";
import { removableOf } from "./changes.ts";

export interface DeparturesOptions {
  readonly removes: Discovery["removes"];
  /** Servers leave no more often. */
  readonly intervalMs: number;
  /** Never rejects. */
  readonly isReachable: (server: ServerConfig) => Promise<boolean>;
}

export class Departures {
  private readonly options: DeparturesOptions;
  /** By name: how often in a row it could not be connected. */
  private readonly dead: Map<string, number> = new Map();
  private chosenMs = Number.NEGATIVE_INFINITY;
  /** Where among those that are missing it is gone on with. */
  private next = 0;

  constructor(options: DeparturesOptions) {
    this.options = options;
  }

  /**
   * @param missing those of `total` servers that are no longer found
   * @returns the names of those that leave now
   */
  async choose(
    missing: readonly ServerConfig[],
    total: number,
    nowMs: number,
  ): Promise<readonly string[]> {
    const { removes, intervalMs } = this.options;
    for (const name of this.dead.keys()) {
      if (!missing.some((server) => server.name === name)) this.dead.delete(name);
    }
    if (missing.length === 0 || nowMs - this.chosenMs < intervalMs) return [];
    this.chosenMs = nowMs;
    if (removes === "dead") await this.probe(missing);
    const leaving = missing.map(({ name }) => name).filter((name) => this.mayLeave(name));
    return leaving.filter((_, index) => index < removableOf(total));
  }

  private mayLeave(name: string): boolean {
    if (this.options.removes === "unlisted") return true;
    return (this.dead.get(name) ?? 0) >= DISCOVERY_DEAD_LOOKS;
  }

  private async probe(missing: readonly ServerConfig[]): Promise<void> {
    const count = Math.min(missing.length, DISCOVERY_PROBED_AT_ONCE);
    const probed = Array.from(
      { length: count },
      (_, i) => missing[(this.next + i) % missing.length]!,
    );
    this.next = (this.next + count) % missing.length;
    await Promise.all(
      probed.map(async (server) => {
        const isAlive = await this.options.isReachable(server);
        this.dead.set(server.name, isAlive ? 0 : (this.dead.get(server.name) ?? 0) + 1);
      }),
    );
  }
}
