/**
 * `npm run bench`: compares this proxy with its peers. See docs/benchmarks.md.
 *
 * Progress goes to stderr, the tables to stdout. Whatever happens, every process that was started is ended.
 */
import { endAll } from "./children.ts";
import { namesOf, type Options, parseOptions, USAGE } from "./options.ts";
import { requireProc } from "./proc.ts";
import { findProxies } from "./proxies.ts";
import { Run } from "./run.ts";

/** A run that takes this many times what it should, and a minute, is ended. */
const PATIENCE_FACTOR = 4;
/** Seconds besides the rounds themselves: filling, checking and warming up for each proxy and workload. */
const WORKLOAD_OVERHEAD_SECONDS = 2.5;
const CAPACITY_SECONDS = 4;
const BAD_DAY_SECONDS = 60;
const MEMORY_SECONDS = 4;

let isEnding = false;

async function run(options: Options): Promise<void> {
  requireProc();
  const kinds = await findProxies({ ...options, given: options.proxies });
  const seconds = estimate(options, kinds.length);
  const names = kinds.map(({ name }) => name).join(", ");
  process.stderr.write(`bench: ${names}: about ${Math.ceil(seconds / 6) / 10} minutes\n`);
  const patienceMs = (seconds * PATIENCE_FACTOR + 60) * 1e3;
  setTimeout(() => fail(new Error("the run takes far too long")), patienceMs).unref();
  const whole = new Run(options, kinds);
  await whole.measure();
  process.stdout.write(whole.markdown());
  if (whole.hasFailures()) process.exitCode = 1;
}

/** Seconds that the run should take. */
function estimate(options: Options, proxies: number): number {
  const { rounds, latencySeconds, loads } = options;
  const perWorkload = rounds * options.secondsPerRound + WORKLOAD_OVERHEAD_SECONDS;
  const rates = options.requestsPerSecond === null ? loads.length : 1;
  const latency = rates * rounds * (latencySeconds + 0.3) + CAPACITY_SECONDS;
  const perProxy =
    options.workloads.length * perWorkload +
    (options.withLatency ? latency : 0) +
    (options.withBadDay ? BAD_DAY_SECONDS : 0) +
    (options.withMemory ? MEMORY_SECONDS + options.leaveSeconds : 0);
  return proxies * perProxy + (options.withLatency ? latency : 0);
}

function fail(error: unknown): void {
  // Ending the children makes what waits for them fail too: only the first error is the cause.
  if (isEnding) return;
  isEnding = true;
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  void endAll().finally(() => process.exit(1));
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
  else run(options).then(() => endAll(), fail);
}

main();
