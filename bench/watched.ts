/**
 * What it costs traffic to be watched: `bun bench/watched.ts [--rounds N] [--seconds S] [--rate R] [--viewers N] [--readers N]
 * [--workers N] [--binary PATH]`, Markdown on stdout.
 *
 * A steady load goes through the proxy, in slices that take turns:
 *
 *   quiet     the admin port is asked nothing
 *   watched   200 viewers of the page, and readers of /metrics, /stats, /events and the page's history that never rest
 *   killed    the admin process is killed again and again
 *
 * Each slice's CPU time of the workers per request and its p99.9 are divided by those of the quiet slice of its round; shown is the median
 * of these ratios, and where it lies in 95 % of samples of the rounds. The viewers run at the lowest priority: they are on the same cores,
 * where in life they are on other machines.
 *
 * Then workers get all the load that they can take, and /metrics is asked for meanwhile.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import {
  type Child,
  runDirectory,
  runToEnd,
  startChild,
  startTalker,
  stopAll,
  type Talker,
} from "./children.ts";
import { Generator } from "./generator.ts";
import { type KeySpace, keySpaceFor } from "./key-space.ts";
import { type HistogramText, LatencyHistogram } from "./latency-histogram.ts";
import type { SliceOrder } from "./load/open-loop.ts";
import type { ViewersOrder, ViewersReport } from "./load/viewers.ts";
import { machineFacts } from "./machine.ts";
import { cpuBetween, cpuSnapshot, type ProcessId, processTree, requireProc } from "./proc.ts";
import { fill, startServer } from "./servers.ts";
import { median, medianInterval, percentile } from "./statistics.ts";
import { freePort, waitForPort } from "./wire.ts";

const VALUE_BYTES = 100;
const CONNECTIONS = 50;
const SERVERS = 2;
const START_MS = 60_000;
const WARM_UP_SECONDS = 0.5;
/** Of what the proxy can do, where no rate is given. */
const LOAD = 0.4;
const KILL_EACH_MS = 100;
const REPORT_MS = 10_000;
const LOOK_EACH_MS = 50;
const BUSY_CLIENTS = 64;
const BUSY_DEPTH = 16;
const LOWEST_PRIORITY = ["nice", "-n", "19"];

type What = "quiet" | "watched" | "killed";
const ALL: readonly What[] = ["quiet", "watched", "killed"];

interface Subject {
  readonly port: number;
  readonly adminPort: number;
  readonly supervisor: number;
  readonly workers: readonly ProcessId[];
  readonly space: KeySpace;
}

interface Slice {
  readonly cpuMicros: number;
  readonly p999: number;
  readonly latency: HistogramText;
  /** What the viewers had. */
  readonly seen: ViewersReport | null;
  readonly kills: number;
  /** Share of a core that the admin process used. */
  readonly adminCpu: number;
}

async function main(): Promise<void> {
  requireProc();
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "20" },
      seconds: { type: "string", default: "1" },
      rate: { type: "string", default: "0" },
      viewers: { type: "string", default: "200" },
      readers: { type: "string", default: "24" },
      workers: { type: "string", default: "2" },
      binary: { type: "string", default: join(dirname(import.meta.dir), "dist", "proxy") },
    },
  });
  const seconds = Number(values.seconds);
  const subject = await startSubject(values.binary, values.workers);
  const { adminPort, port, space } = subject;
  const generator = new Generator({ connections: CONNECTIONS, valueBytes: space.valueBytes });
  const order: ViewersOrder = {
    ...{ port: adminPort, viewers: Number(values.viewers), readers: Number(values.readers) },
  };
  const viewers = startTalker([
    ...LOWEST_PRIORITY,
    process.execPath,
    join(import.meta.dir, "load", "viewers.ts"),
    JSON.stringify(order),
  ]);
  // Twice: the first warms up.
  let most = 0;
  for (let n = 0; n < 2; n += 1) {
    const found = await generator.slice(sliceOf(port, space, null, 2), "the proxy");
    most = found.answered / found.seconds;
  }
  const rate = Number(values.rate) === 0 ? Math.round(most * LOAD) : Number(values.rate);
  const slices = new Map<What, Slice[]>(ALL.map((what) => [what, []]));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const what of round % 2 === 0 ? ALL : ALL.toReversed()) {
      const slice = await measure(what, subject, { generator, viewers, rate, seconds });
      slices.get(what)!.push(slice);
      process.stderr.write(`round ${round + 1}: ${what} ${slice.cpuMicros.toFixed(1)} us\n`);
    }
  }
  await generator.end();
  const idle = await lookTimes(adminPort, seconds, () => true);
  const busy = await lookWhileBusy(subject, seconds);
  const { cores, cpu, kernel, bun, commit, loadAtStart } = await machineFacts();
  process.stdout.write(
    `${cores} cores (${cpu}), Linux ${kernel}, Bun ${bun}, commit ${commit}, load ${loadAtStart.toFixed(1)} before; ` +
      `${values.workers} workers, ${rate} requests/s of at most ${Math.round(most)}, ${values.rounds} rounds of ${seconds} s each; ` +
      `${values.viewers} viewers and ${values.readers} readers\n\n`,
  );
  process.stdout.write(`${table(slices)}\n${busyTable(idle, busy)}`);
}

async function startSubject(binary: string, workers: string): Promise<Subject> {
  const ports: number[] = [];
  for (let n = 0; n < SERVERS; n += 1) {
    ports.push((await startServer(`redis-${n}`, await freePort())).port);
  }
  const space = keySpaceFor(VALUE_BYTES);
  await fill(ports, space);
  const [port, adminPort] = [await freePort(), await freePort()];
  const config = join(runDirectory(), "watched.yaml");
  const text = [
    ...[`control: ${join(runDirectory(), "control")}`, `workers: ${workers}`],
    ...["admin:", `  listen: 127.0.0.1:${adminPort}`],
    ...["pools:", "  main:", `    listen: 127.0.0.1:${port}`, "    servers:"],
    ...ports.map((server, index) => `      - 127.0.0.1:${server}:1 s${index}`),
    "",
  ];
  writeFileSync(config, text.join("\n"));
  const child = startChild("proxy", [binary, "-c", config]);
  for (const one of [port, adminPort]) await expectPort(one, child);
  const answer = await runToEnd([binary, "status", "-c", config, "--json"], START_MS, "status");
  const { status } = JSON.parse(answer) as {
    readonly status: {
      readonly pid: number;
      readonly processes: readonly { readonly role: string; readonly pid: number }[];
    };
  };
  const pids = status.processes.filter(({ role }) => role === "worker").map(({ pid }) => pid);
  const tree = processTree(status.pid).filter(({ pid }) => pids.includes(pid));
  return { port, adminPort, supervisor: status.pid, workers: tree, space };
}

async function expectPort(port: number, child: Child): Promise<void> {
  const isUp = await waitForPort(port, child.hasExited);
  if (!isUp) throw new Error(`the proxy does not start:\n${child.logTail()}`);
}

function sliceOf(port: number, space: KeySpace, rate: number | null, seconds: number): SliceOrder {
  const keys = Array.from({ length: space.keys }, (_, key) => key);
  return {
    ...{ ports: [port], requestsPerSecond: rate, warmUpSeconds: WARM_UP_SECONDS, seconds },
    ...{ windows: 1, groups: [{ connections: CONNECTIONS, keys }], isBadDay: false },
  };
}

interface Means {
  readonly generator: Generator;
  readonly viewers: Talker;
  readonly rate: number;
  readonly seconds: number;
}

async function measure(
  what: What,
  { port, space, workers, supervisor }: Subject,
  { generator, viewers, rate, seconds }: Means,
): Promise<Slice> {
  if (what === "watched") viewers.say("begin");
  const killing = { isOn: what === "killed", kills: 0 };
  const killer = killAgain(supervisor, killing);
  let before = cpuSnapshot(workers);
  let admin = adminOf(supervisor);
  let adminBefore = cpuSnapshot(admin === null ? [] : [admin]);
  const report = await generator.slice(sliceOf(port, space, rate, seconds), what, () => {
    before = cpuSnapshot(workers);
    admin = adminOf(supervisor);
    adminBefore = cpuSnapshot(admin === null ? [] : [admin]);
  });
  const used = cpuBetween(before, cpuSnapshot(workers));
  // The one that was killed has no more to say.
  const adminUsed =
    admin === null || what === "killed" ? 0 : cpuBetween(adminBefore, cpuSnapshot([admin]));
  killing.isOn = false;
  await killer;
  let seen: ViewersReport | null = null;
  if (what === "watched") {
    viewers.say("end");
    seen = JSON.parse(await viewers.line(REPORT_MS, "the viewers")) as ViewersReport;
  }
  const { latency } = report.groups[0]![0]!;
  const p999 = LatencyHistogram.from(latency).percentileMicros(0.999);
  return {
    ...{ cpuMicros: used / 1e3 / report.sent, p999, latency },
    ...{ seen, kills: killing.kills, adminCpu: adminUsed / 1e9 / (seconds + WARM_UP_SECONDS) },
  };
}

async function killAgain(
  supervisor: number,
  killing: { isOn: boolean; kills: number },
): Promise<void> {
  while (killing.isOn) {
    const admin = adminOf(supervisor);
    if (admin !== null) {
      process.kill(admin.pid, "SIGKILL");
      killing.kills += 1;
    }
    await Bun.sleep(KILL_EACH_MS);
  }
}

/** Null: there is none just now. */
function adminOf(supervisor: number): ProcessId | null {
  for (const id of processTree(supervisor)) {
    try {
      const title = readFileSync(`/proc/${id.pid}/cmdline`, "latin1");
      if (title.includes("proxy: admin")) return id;
    } catch {
      // It has ended meanwhile.
    }
  }
  return null;
}

/** Milliseconds of each look at /metrics. */
async function lookTimes(
  adminPort: number,
  seconds: number,
  isGoingOn: () => boolean,
): Promise<number[]> {
  const times: number[] = [];
  const endMs = performance.now() + seconds * 1e3;
  while (performance.now() < endMs && isGoingOn()) {
    const startedMs = performance.now();
    const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`, { keepalive: false });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`/metrics answers ${response.status}`);
    times.push(performance.now() - startedMs);
    await Bun.sleep(LOOK_EACH_MS);
  }
  return times;
}

interface Busy {
  readonly times: readonly number[];
  /** Cores that the workers used. */
  readonly cores: number;
}

async function lookWhileBusy(subject: Subject, seconds: number): Promise<Busy> {
  const { port, adminPort, workers, space } = subject;
  const load = startChild("redis-benchmark", [
    ...["redis-benchmark", "-h", "127.0.0.1", "-p", String(port), "-c", String(BUSY_CLIENTS)],
    ...["-P", String(BUSY_DEPTH), "-n", "1000000000", "-r", String(space.keys), "--threads", "2"],
    ...["GET", "key:__rand_int__"],
  ]);
  await Bun.sleep(1_000);
  const before = cpuSnapshot(workers);
  const startedMs = performance.now();
  const times = await lookTimes(adminPort, seconds, () => !load.hasExited());
  const ranMs = performance.now() - startedMs;
  const cores = cpuBetween(before, cpuSnapshot(workers)) / 1e6 / ranMs;
  if (load.hasExited()) throw new Error(`the load ended: ${load.logTail()}`);
  process.kill(load.pid, "SIGTERM");
  await load.exited;
  return { times, cores };
}

function table(slices: ReadonlyMap<What, readonly Slice[]>): string {
  const quiet = slices.get("quiet")!;
  const rows = ALL.map((what) => {
    const own = slices.get(what)!;
    const whole = new LatencyHistogram();
    for (const { latency } of own) whole.add(latency);
    const ratio = (figure: (slice: Slice) => number): string => {
      const ratios = own.map((slice, n) => figure(slice) / figure(quiet[n]!));
      const [low, high] = medianInterval(ratios);
      return `${median(ratios).toFixed(2)} (${low.toFixed(2)} – ${high.toFixed(2)})`;
    };
    const cpus = own.map(({ cpuMicros }) => cpuMicros);
    return [
      ...[what, `${median(cpus).toFixed(2)} (${Math.min(...cpus).toFixed(2)})`],
      ratio(({ cpuMicros }) => cpuMicros),
      ...[0.5, 0.99, 0.999].map((share) => whole.percentileMicros(share).toFixed(0)),
      ...[ratio(({ p999 }) => p999), askedOf(own)],
    ];
  });
  const head = [
    ...["", "CPU µs per request (least)", "to quiet"],
    ...["p50 µs", "p99", "p99.9", "p99.9 to quiet", "the admin process"],
  ];
  return markdown([head, ...rows]);
}

function askedOf(slices: readonly Slice[]): string {
  const kills = slices.reduce((sum, slice) => sum + slice.kills, 0);
  if (kills > 0) return `killed ${kills} times`;
  const seen = slices.flatMap((slice) => (slice.seen === null ? [] : [slice.seen]));
  const cores = median(slices.map(({ adminCpu }) => adminCpu)).toFixed(2);
  if (seen.length === 0) return `${cores} of a core`;
  const sum = (figure: (report: ViewersReport) => number): number =>
    seen.reduce((all, report) => all + figure(report), 0);
  const late = median(seen.map(({ viewersP99 }) => viewersP99)).toFixed(0);
  const answers = sum((report) => report.answers);
  const megabytes = (sum((report) => report.bytes) / 1e6).toFixed(0);
  const failures = sum((report) => report.failures);
  return `${cores} of a core; ${answers} answers, ${megabytes} MB, ${failures} failures; viewers' p99 ${late} ms`;
}

function busyTable(idle: readonly number[], { times, cores }: Busy): string {
  const row = (what: string, list: readonly number[]): string[] => {
    const sorted = list.toSorted((a, b) => a - b);
    const at = (share: number): string => percentile(sorted, share).toFixed(1);
    return [what, `${list.length}`, at(0.5), at(0.99), at(1)];
  };
  return markdown([
    ["/metrics", "looks", "p50 ms", "p99", "max"],
    row("idle", idle),
    row(`workers busy (${cores.toFixed(2)} cores)`, times),
  ]);
}

function markdown(rows: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = rows;
  return [head, head.map(() => "---"), ...rest].map((row) => `| ${row.join(" | ")} |\n`).join("");
}

try {
  await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await stopAll();
}
