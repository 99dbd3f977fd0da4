/**
 * `bun bench/micro/main.ts [REGEX]`: times the hot functions whose benchmarks match.
 *
 * Each benchmark runs in a process of its own, so that one does not spoil the call sites that another was compiled
 * with. It is warmed up, then timed in samples of about 20 ms; the median and the fastest are printed in ns per call.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { median } from "../statistics.ts";
import type { MicroBenchmark } from "./micro-benchmark.ts";

const OWN_FILES: readonly string[] = ["main.ts", "micro-benchmark.ts"];
const ONE = "--one";
const SAMPLES = 15;
const SAMPLE_NS = 20e6;
const WARM_UP_NS = 200e6;
const ITERATIONS_MAX = 2 ** 30;
const TIMEOUT_MS = 30_000;

async function findBenchmarks(): Promise<readonly MicroBenchmark[]> {
  const found: MicroBenchmark[] = [];
  for (const file of readdirSync(import.meta.dir).sort()) {
    if (!file.endsWith(".ts") || OWN_FILES.includes(file)) continue;
    const module = (await import(join(import.meta.dir, file))) as {
      benchmarks?: readonly MicroBenchmark[];
    };
    if (module.benchmarks === undefined) throw new Error(`${file} exports no benchmarks`);
    found.push(...module.benchmarks);
  }
  return found;
}

/** ns per call of each sample. */
async function measure(benchmark: MicroBenchmark): Promise<readonly number[]> {
  await benchmark.setUp?.();
  let iterations = 100;
  let spent = 0;
  let latest = time(benchmark, iterations);
  while (spent < WARM_UP_NS && iterations < ITERATIONS_MAX) {
    if (latest < SAMPLE_NS) iterations *= 2;
    latest = time(benchmark, iterations);
    spent += latest;
  }
  return Array.from({ length: SAMPLES }, () => time(benchmark, iterations) / iterations);
}

let checksum = 0;

function time(benchmark: MicroBenchmark, iterations: number): number {
  const start = Bun.nanoseconds();
  checksum += benchmark.run(iterations);
  return Bun.nanoseconds() - start;
}

function runInProcess(name: string): readonly number[] {
  const child = Bun.spawnSync([process.execPath, import.meta.path, ONE, name], {
    timeout: TIMEOUT_MS,
    stderr: "inherit",
  });
  if (child.exitCode !== 0) throw new Error(`${name} failed`);
  return JSON.parse(child.stdout.toString()) as readonly number[];
}

async function main(words: readonly string[]): Promise<void> {
  const benchmarks = await findBenchmarks();
  if (words[0] === ONE) {
    const benchmark = benchmarks.find(({ name }) => name === words[1]);
    if (benchmark === undefined) throw new Error(`no benchmark named ${words[1]}`);
    const samples = await measure(benchmark);
    if (Number.isNaN(checksum)) throw new Error(`${benchmark.name} computes nothing`);
    process.stdout.write(JSON.stringify(samples));
    return;
  }
  const filter = new RegExp(words[0] ?? "", "i");
  const chosen = benchmarks.filter(({ name }) => filter.test(name));
  if (chosen.length === 0) throw new Error(`no benchmark matches ${words[0]}`);
  console.log("| ns per call | median | fastest |\n| --- | ---: | ---: |");
  for (const { name } of chosen) {
    const samples = runInProcess(name);
    console.log(`| ${name} | ${median(samples).toFixed(1)} | ${Math.min(...samples).toFixed(1)} |`);
  }
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});
