/** One run: its parts one after the other, and what has been measured so far. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { measureBadDay } from "./bad-day.ts";
import { measureLatency } from "./latency.ts";
import { machineFacts } from "./machine.ts";
import { putIntoPage } from "./markdown.ts";
import { startMemcachedServers } from "./memcached-servers.ts";
import { measureMemory } from "./memory.ts";
import type { Options } from "./options.ts";
import { type ProxyKind, versionOf } from "./proxies.ts";
import { toMarkdown } from "./report.ts";
import { RESULT_VERSION, type Result } from "./result.ts";
import { type RunningProxy, startProxy, stopProxy } from "./running-proxy.ts";
import { type Server, startServers } from "./servers.ts";
import { measureThroughput } from "./throughput.ts";
import type { BenchProtocol } from "./workloads.ts";

export class Run {
  readonly #options: Options;
  readonly #kinds: readonly ProxyKind[];
  #result: Result | null = null;

  constructor(options: Options, kinds: readonly ProxyKind[]) {
    this.#options = options;
    this.#kinds = kinds;
  }

  /** The files are written after every part, so that what has been measured is not lost with what fails later. */
  async measure(): Promise<void> {
    const options = this.#options;
    await this.#begin();
    const wantsRedis = options.workloads.some(({ protocol }) => protocol === "redis");
    if (wantsRedis || options.withLatency || options.withBadDay || options.withMemory) {
      const servers = [...(await startServers())];
      await this.#measureRedis(servers);
    }
    if (options.workloads.some(({ protocol }) => protocol === "memcache")) {
      await this.#part("memcached", async () => {
        await this.#measureWorkloads("memcache", await startMemcachedServers());
      });
    }
  }

  markdown(): string {
    return toMarkdown(this.#result!);
  }

  hasFailures(): boolean {
    const { throughput, badDay, failures } = this.#result!;
    return (
      failures.length > 0 || [...throughput, ...badDay].some(({ failure }) => failure !== null)
    );
  }

  async #begin(): Promise<void> {
    const { rounds, secondsPerRound } = this.#options;
    const proxies = [];
    for (const kind of this.#kinds) {
      proxies.push({ name: kind.name, role: kind.role, version: await versionOf(kind) });
    }
    this.#result = {
      version: RESULT_VERSION,
      startedAt: new Date().toISOString(),
      machine: await machineFacts(),
      settings: { rounds, secondsPerRound },
      ...{
        proxies,
        throughput: [],
        capacities: [],
        latency: [],
        badDay: [],
        memory: [],
        failures: [],
      },
    };
  }

  async #measureRedis(servers: Server[]): Promise<void> {
    const options = this.#options;
    const ports = servers.map(({ port }) => port);
    if (options.withLatency) await this.#part("latency", () => this.#measureLatency(ports));
    await this.#part("workloads", () => this.#measureWorkloads("redis", ports));
    const kinds = this.#kinds.filter(({ speaks }) => speaks.includes("redis"));
    if (options.withBadDay) {
      await this.#part("bad day", async () => {
        await measureBadDay(kinds, servers, options, progress, (row) => {
          this.#add({ badDay: [...this.#result!.badDay, row] });
        });
      });
    }
    if (!options.withMemory) return;
    await this.#part("memory", async () => {
      progress("memory");
      const leaveMs = options.leaveSeconds * 1_000;
      this.#add({ memory: await measureMemory(kinds, ports, leaveMs) });
    });
  }

  /** A part that fails is named in the report, and the run goes on with the next one. */
  async #part(name: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      const text = `${name}: ${error instanceof Error ? error.message : String(error)}`;
      progress(text);
      this.#add({ failures: [...this.#result!.failures, text.replaceAll("\n", " ")] });
    }
  }

  /** With proxies of its own: nutcracker keeps the memory that heavier work made it take. */
  async #measureLatency(servers: readonly number[]): Promise<void> {
    const { rounds, latencySeconds, loads, requestsPerSecond } = this.#options;
    const settings = { rounds, secondsPerRound: latencySeconds, loads, requestsPerSecond };
    const proxies = await this.#startAll("redis", servers);
    const { capacities, rows } = await measureLatency(proxies, servers, settings, progress);
    this.#add({ capacities, latency: rows });
    for (const proxy of proxies) await stopProxy(proxy);
  }

  async #measureWorkloads(protocol: BenchProtocol, servers: readonly number[]): Promise<void> {
    const { workloads } = this.#options;
    if (!workloads.some((workload) => workload.protocol === protocol)) return;
    let proxies = await this.#startAll(protocol, servers);
    for (const [index, workload] of workloads.entries()) {
      if (workload.protocol !== protocol) continue;
      progress(`${index + 1}/${workloads.length} ${workload.name}`);
      const rows = await measureThroughput(workload, proxies, servers, this.#options);
      this.#add({ throughput: [...this.#result!.throughput, ...rows] });
      for (const { proxy, failure } of rows) {
        if (failure !== null) progress(`${workload.name}, ${proxy} failed: ${failure}`);
      }
      if (rows.every(({ failure }) => failure === null)) continue;
      // One that failed may be gone, or in no state to be measured further.
      for (const proxy of proxies) await stopProxy(proxy);
      proxies = await this.#startAll(protocol, servers);
    }
    for (const proxy of proxies) await stopProxy(proxy);
  }

  async #startAll(protocol: BenchProtocol, servers: readonly number[]): Promise<RunningProxy[]> {
    const proxies = [];
    for (const kind of this.#kinds) {
      if (kind.speaks.includes(protocol)) proxies.push(await startProxy(kind, servers, protocol));
    }
    return proxies;
  }

  #add(part: Partial<Result>): void {
    this.#result = { ...this.#result!, ...part };
    const { jsonFile, markdownFile } = this.#options;
    if (jsonFile !== null) writeFileSync(jsonFile, `${JSON.stringify(this.#result)}\n`);
    if (markdownFile === null) return;
    const page = existsSync(markdownFile) ? readFileSync(markdownFile, "utf8") : "";
    writeFileSync(markdownFile, putIntoPage(page, this.markdown()));
  }
}

function progress(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}
