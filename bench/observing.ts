/**
 * What it costs requests that they are observed: `bun bench/observing.ts [--rounds N] [--seconds S] [--depths 1,16,64] [--binary PATH]`,
 * Markdown on stdout.
 *
 * The same build runs three times before the same server: with the slow log, hot keys and big keys off, with all of them on, and off again,
 * which shows how much is noise. Short rounds take turns in one run. Each round's CPU time of the worker per request is divided by that of
 * the first one of the same round; shown are the median of these ratios and the interval that it is in for 95 % of 2,000 samples of the
 * rounds, and the ratio of the least figures. Histograms and counters are always on.
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { runDirectory, runToEnd, startChild, stopAll } from "./children.ts";
import { keySpaceFor } from "./key-space.ts";
import { machineFacts } from "./machine.ts";
import { cpuBetween, cpuSnapshot, type ProcessId, processTree, requireProc } from "./proc.ts";
import { fill, startServer } from "./servers.ts";
import { median, medianInterval } from "./statistics.ts";
import { freePort, waitForPort } from "./wire.ts";

const VALUE_BYTES = 100;
const CLIENTS = 50;
const COMMAND_MS = 60_000;
const WARM_UP_REQUESTS = 200_000;
/** To learn how many requests take so long as is wanted. */
const TRIAL_REQUESTS = 20_000;
const OFF = ["slowlog: none", "hot_keys: false", "big_keys: none"];
const ON = ["slowlog: 10ms", "slowlog_slowest: 10", "hot_keys: true", "big_keys: 64kb"];
const ALL: readonly (readonly [name: string, lines: readonly string[]])[] = [
  ["off", OFF],
  ["on", ON],
  ["off again", OFF],
];

interface Subject {
  readonly name: string;
  readonly port: number;
  readonly worker: readonly ProcessId[];
}

async function main(): Promise<void> {
  requireProc();
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "25" },
      seconds: { type: "string", default: "0.4" },
      depths: { type: "string", default: "1,16,64" },
      binary: { type: "string", default: join(dirname(import.meta.dir), "dist", "proxy") },
    },
  });
  const space = keySpaceFor(VALUE_BYTES);
  const { port: server } = await startServer("redis", await freePort());
  await fill([server], space);
  const subjects: Subject[] = [];
  for (const [name, lines] of ALL) subjects.push(await start(values.binary, name, lines, server));
  const lines: string[] = [];
  for (const depth of values.depths.split(",").map(Number)) {
    process.stderr.write(`depth ${depth}\n`);
    const load = (subject: Subject, requests: number): Promise<number> =>
      cpuMicros(subject, { depth, requests, keys: space.keys });
    for (const subject of subjects) await load(subject, WARM_UP_REQUESTS);
    const startedMs = performance.now();
    await load(subjects[0]!, TRIAL_REQUESTS);
    const perMs = TRIAL_REQUESTS / (performance.now() - startedMs);
    const requests = Math.ceil(perMs * Number(values.seconds) * 1e3);
    const found = subjects.map((): number[] => []);
    for (let round = 0; round < Number(values.rounds); round++) {
      for (let step = 0; step < subjects.length; step++) {
        // Each is first, second and third equally often.
        const index = (round + step) % subjects.length;
        found[index]!.push(await load(subjects[index]!, requests));
      }
    }
    const [off, ...others] = found;
    lines.push(row(depth, "off", off!, off!));
    for (const [n, own] of others.entries()) lines.push(row(depth, ALL[n + 1]![0], own, off!));
  }
  const { cores, cpu, kernel, bun, commit, loadAtStart } = await machineFacts();
  process.stdout.write(
    `${cores} cores (${cpu}), Linux ${kernel}, Bun ${bun}, commit ${commit}, load ${loadAtStart.toFixed(1)} before; ${values.rounds} rounds of ${values.seconds} s\n\n` +
      "| depth | | CPU µs per request (least) | to off | 95 % | least to least |\n| --- | --- | --- | --- | --- | --- |\n" +
      lines.join(""),
  );
}

async function start(
  binary: string,
  name: string,
  lines: readonly string[],
  server: number,
): Promise<Subject> {
  const [port, admin] = [await freePort(), await freePort()];
  const config = join(runDirectory(), `${name.replace(" ", "-")}.yaml`);
  const text = [
    ...["workers: 1", `admin: { listen: "127.0.0.1:${admin}" }`, "pools:", "  main:"],
    ...[`    listen: 127.0.0.1:${port}`, `    servers: ["127.0.0.1:${server}:1"]`],
    ...[...lines.map((line) => `    ${line}`), ""],
  ];
  writeFileSync(config, text.join("\n"));
  const child = startChild(name, [binary, "-c", config]);
  if (!(await waitForPort(port, child.hasExited))) throw new Error(child.logTail());
  const answer = await runToEnd([binary, "status", "-c", config, "--json"], COMMAND_MS, "status");
  const { status } = JSON.parse(answer) as {
    readonly status: {
      readonly pid: number;
      readonly processes: readonly { readonly role: string; readonly pid: number }[];
    };
  };
  const pids = status.processes.filter(({ role }) => role === "worker").map(({ pid }) => pid);
  const worker = processTree(status.pid).filter(({ pid }) => pids.includes(pid));
  return { name, port, worker };
}

interface Load {
  readonly depth: number;
  readonly requests: number;
  readonly keys: number;
}

/** Of the worker, for each request. */
async function cpuMicros(
  { name, port, worker }: Subject,
  { depth, requests, keys }: Load,
): Promise<number> {
  const before = cpuSnapshot(worker);
  await runToEnd(
    [
      ...["redis-benchmark", "-p", `${port}`, "-c", `${CLIENTS}`, "-P", `${depth}`, "--csv"],
      ...["-n", `${requests}`, "-r", `${keys}`, "GET", "key:__rand_int__"],
    ],
    COMMAND_MS,
    name,
  );
  return cpuBetween(before, cpuSnapshot(worker)) / 1e3 / requests;
}

function row(depth: number, name: string, own: readonly number[], off: readonly number[]): string {
  const ratios = own.map((figure, n) => figure / off[n]!);
  const [low, high] = medianInterval(ratios);
  const cells = [
    ...[`${depth}`, name, `${median(own).toFixed(2)} (${Math.min(...own).toFixed(2)})`],
    ...[median(ratios).toFixed(3), `${low.toFixed(3)} – ${high.toFixed(3)}`],
    (Math.min(...own) / Math.min(...off)).toFixed(3),
  ];
  return `| ${cells.join(" | ")} |\n`;
}

try {
  await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await stopAll();
}
