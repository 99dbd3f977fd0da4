/** The modules of one worker: imported when it starts, and the same until it ends. */
import type { ModuleConfig, PoolConfig } from "../api/config.ts";
import type { FilterChain, Filtering } from "../api/filter.ts";
import { moduleCounter } from "../api/module-metrics.ts";
import type { PoolHost, ProtocolModule } from "../api/protocol-module.ts";
import { assert } from "../base/assert.ts";
import { MODULE_STOP_MS } from "../base/limits.ts";
import { type Definition, isProxied, optionsOf, readDefinition } from "./definition.ts";
import { type FilterUse, PoolFilters } from "./filter-chain.ts";
import type { ModulePool } from "./module-host.ts";
import { ProxiedPool } from "./proxied-pool.ts";
import { importCode } from "./public.ts";
import { TerminalPool } from "./terminal-protocol.ts";

export class WorkerModules {
  readonly #definitions: ReadonlyMap<string, Definition>;
  readonly #stops: (() => Promise<void>)[] = [];

  constructor(definitions: ReadonlyMap<string, Definition>) {
    this.#definitions = definitions;
  }

  /** The protocol of a module; null: no module has one of this name. Making its pool throws what the module's `start` throws. */
  protocolNamed(name: string): ProtocolModule | null {
    const found = this.#definitions.get(`protocol ${name}`);
    if (found?.kind !== "protocol") return null;
    const { definition } = found;
    return {
      ...{ name, options: optionsOf(definition.options), needsServers: isProxied(definition) },
      createPool: (host) => {
        const pool = isProxied(definition)
          ? new ProxiedPool(definition, host, poolOf(host))
          : new TerminalPool(definition, host.config.options, poolOf(host));
        this.#stops.push(() => pool.instance.close());
        return pool;
      },
    };
  }

  /** @returns null: the pool has no filters. @throws what a filter's `start` throws */
  createChain(host: PoolHost, filtering: Filtering | undefined): FilterChain | null {
    const { filters } = host.config;
    if (filters.length === 0) return null;
    assert(filtering !== undefined, "requests of a pool with filters can be filtered");
    const uses = filters.map((filter) => this.#useOf(filter));
    const chain = new PoolFilters(poolOf(host), host.route, filtering, uses);
    this.#stops.push(() => chain.stop());
    return chain;
  }

  /** No client is left. What modules have in hand is waited for, but not for long. */
  async stop(): Promise<void> {
    if (this.#stops.length === 0) return;
    const all = Promise.all(this.#stops.splice(0).map((stop) => stop()));
    await Promise.race([all, Bun.sleep(MODULE_STOP_MS)]);
  }

  #useOf({ name, options }: PoolConfig["filters"][number]): FilterUse {
    const found = this.#definitions.get(`filter ${name}`);
    assert(found?.kind === "filter", `a module defines the filter ${name}`);
    return { definition: found.definition, options };
  }
}

function poolOf(host: PoolHost): ModulePool {
  const { config, log, logLimit, schedule } = host;
  return {
    ...{ name: config.name, log, logLimit, schedule, now: () => performance.now() },
    servers: config.servers.map(({ name }) => name),
    counter: (module, counter, help) => {
      const metrics = host.metrics(moduleCounter(help), { module, counter });
      return { add: (by) => metrics.add("total", by) };
    },
  };
}

/** @throws Error that names the module */
export async function importModules(modules: readonly ModuleConfig[]): Promise<WorkerModules> {
  const definitions = new Map<string, Definition>();
  for (const { kind, name, path, code } of modules) {
    const found = readDefinition(await importCode(code));
    if (typeof found === "string") throw new Error(`module ${path}: ${found}`);
    definitions.set(`${kind} ${name}`, found);
  }
  return new WorkerModules(definitions);
}
