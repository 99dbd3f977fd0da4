/**
 * `npm run bench`: compares this proxy with nutcracker and others. See docs/benchmarks.md.
 *
 * Progress goes to stderr, the tables to stdout. Whatever happens, every process that was started is ended.
 */
import { writeFileSync } from "node:fs";
import { stopAll } from "./children.ts";
import { measureLatency } from "./latency.ts";
import { machineFacts } from "./machine.ts";
import { startMemcachedServers } from "./memcached-servers.ts";
import { measureMemory } from "./memory.ts";
import { namesOf, type Options, parseOptions, USAGE } from "./options.ts";
import { requireProc } from "./proc.ts";
import {
  BASE_NAME,
  findProxies,
  type ProxyKind,
  type RunningProxy,
  startProxy,
  stopProxy,
  versionOf,
} from "./proxies.ts";
import { toMarkdown } from "./report.ts";
import {
  type LatencyRow,
  type MemoryRow,
  RESULT_VERSION,
  type Result,
  type ThroughputRow,
} from "./result.ts";
import { startServers } from "./servers.ts";
import { measureThroughput } from "./throughput.ts";
import type { BenchProtocol } from "./workloads.ts";

/** A run that takes this many times what it should, and a minute, is ended. */
const PATIENCE_FACTOR = 4;
/** Seconds besides the rounds themselves: filling, checking and warming up for each proxy and workload. */
const WORKLOAD_OVERHEAD_SECONDS = 1;
const MEMORY_SECONDS = 4;

let isEnding = false;

async function run(options: Options): Promise<void> {
  requireProc();
  const kinds = await findProxies(options.proxies, options.without);
  const seconds = estimate(options, kinds.length);
  progress(
    `${kinds.map(({ name }) => name).join(", ")}: about ${Math.ceil(seconds / 6) / 10} minutes`,
  );
  setTimeout(
    () => fail(new Error("the run takes far too long")),
    (seconds * PATIENCE_FACTOR + 60) * 1e3,
  ).unref();
  const result = await measure(options, kinds);
  const markdown = toMarkdown(result);
  if (options.jsonFile !== null)
    writeFileSync(options.jsonFile, `${JSON.stringify(result, null, 2)}\n`);
  if (options.markdownFile !== null) writeFileSync(options.markdownFile, markdown);
  process.stdout.write(markdown);
}

async function measure(options: Options, kinds: readonly ProxyKind[]): Promise<Result> {
  const startedAt = new Date().toISOString();
  const proxies = [];
  for (const kind of kinds) proxies.push({ name: kind.name, version: await versionOf(kind) });
  const servers = await startServers();
  const { throughput, latency } = await measureSpeed(options, kinds, servers);
  const memcache = await measureMemcache(options, kinds);
  let memory: readonly MemoryRow[] = [];
  if (options.withMemory) {
    progress("memory");
    memory = await measureMemory(kinds, servers, options.leaveSeconds * 1_000);
  }
  return {
    version: RESULT_VERSION,
    startedAt,
    machine: await machineFacts(),
    settings: { rounds: options.rounds, secondsPerRound: options.secondsPerRound },
    base: (kinds.find(({ name }) => name === BASE_NAME) ?? kinds[0]!).name,
    proxies,
    throughput: [...throughput, ...memcache],
    latency,
    memory,
  };
}

/** Latency comes first: nutcracker keeps the memory that the heavier workloads made it take. */
async function measureSpeed(
  options: Options,
  kinds: readonly ProxyKind[],
  servers: readonly number[],
): Promise<{ throughput: readonly ThroughputRow[]; latency: readonly LatencyRow[] }> {
  const throughput: ThroughputRow[] = [];
  let latency: readonly LatencyRow[] = [];
  const isNeeded =
    options.withLatency || options.workloads.some(({ protocol }) => protocol === "redis");
  if (!isNeeded) return { throughput, latency };
  const proxies = [];
  for (const kind of kinds) proxies.push(await startProxy(kind, servers, "redis"));
  if (options.withLatency) {
    progress("latency");
    const settings = { rounds: options.rounds, secondsPerRound: options.latencySeconds };
    latency = await measureLatency(proxies, servers, settings, options.requestsPerSecond);
  }
  throughput.push(...(await measureAll("redis", options, proxies, servers)));
  for (const proxy of proxies) await stopProxy(proxy);
  return { throughput, latency };
}

/** The workloads of one protocol. */
async function measureAll(
  protocol: BenchProtocol,
  options: Options,
  proxies: readonly RunningProxy[],
  servers: readonly number[],
): Promise<readonly ThroughputRow[]> {
  const rows: ThroughputRow[] = [];
  for (const [index, workload] of options.workloads.entries()) {
    if (workload.protocol !== protocol) continue;
    progress(`${index + 1}/${options.workloads.length} ${workload.name}`);
    rows.push(...(await measureThroughput(workload, proxies, servers, options)));
  }
  return rows;
}

async function measureMemcache(
  options: Options,
  kinds: readonly ProxyKind[],
): Promise<readonly ThroughputRow[]> {
  if (!options.workloads.some(({ protocol }) => protocol === "memcache")) return [];
  const servers = await startMemcachedServers();
  const proxies = [];
  for (const kind of kinds) proxies.push(await startProxy(kind, servers, "memcache"));
  const rows = await measureAll("memcache", options, proxies, servers);
  for (const proxy of proxies) await stopProxy(proxy);
  return rows;
}

/** Seconds that the run should take. */
function estimate(options: Options, proxies: number): number {
  const perWorkload = options.rounds * options.secondsPerRound + WORKLOAD_OVERHEAD_SECONDS;
  const latency = options.withLatency ? options.rounds * (options.latencySeconds + 1) : 0;
  const memory = options.withMemory ? MEMORY_SECONDS + options.leaveSeconds : 0;
  return proxies * (options.workloads.length * perWorkload + latency + memory) + latency;
}

function progress(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

function fail(error: unknown): void {
  // Ending the children makes what waits for them fail too: only the first error is the cause.
  if (isEnding) return;
  isEnding = true;
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  void stopAll().finally(() => process.exit(1));
}

function main(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => fail(new Error(`ended by ${signal}`)));
  }
  let options: Options;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(
      `bench: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`,
    );
    process.exit(2);
  }
  if (options.help) process.stdout.write(USAGE);
  else if (options.list) process.stdout.write(`${namesOf(options).join("\n")}\n`);
  else run(options).then(() => stopAll(), fail);
}

main();
