/**
 * Whether the percentiles that the proxy tells are those that its clients see: `bun bench/agreement.ts [--binary PATH] [--delays 0.2,2,20]
 * [--seconds 0.5,0.7,2] [--rounds N] [--engine NAME]`, Markdown on stdout; exit code 1 when a percentile is off by more than 2 %
 * and the clock's grain.
 *
 * A server answers each request a fixed time after it came, and knows how long it really held it. The load generator has one request at a
 * time. It counts from its write to its read, the proxy from its own read to its own write. What lies between
 * the two, the way over the loopback and to wake up at its end, is a client's to see and no proxy's to tell. It is shown, and measured
 * where there is little else: with requests that the proxy answers itself (ECHO), each as long after the one before as the server takes, as
 * what the client sees less what the proxy tells. So the proxy's total_us and the way are compared with what the client sees.
 *
 * The main threads of all three have one core together, of which one at a time has need: to wake another core up would be most of the
 * way, and take differently long for each. What is shown is the median of all rounds.
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import type { HistogramFigures } from "../src/api/stats.ts";
import { added, nameOfShare, percentile, since } from "../src/metrics/percentiles.ts";
import {
  type Child,
  runDirectory,
  runToEnd,
  startChild,
  startTalker,
  stopAll,
  stopChild,
  type Talker,
} from "./children.ts";
import { Generator } from "./generator.ts";
import { type HistogramText, LatencyHistogram } from "./latency-histogram.ts";
import type { SliceOrder } from "./load/open-loop.ts";
import { machineFacts } from "./machine.ts";
import { requireProc } from "./proc.ts";
import { median } from "./statistics.ts";
import { freePort, waitForPort } from "./wire.ts";

const VALUE_BYTES = 100;
const COMMAND_MS = 10_000;
const REPORT_MS = 5_000;
const WARM_UP_SECONDS = 3;
const CORE = "1";
const SHARES: readonly number[] = [0.5, 0.9, 0.95, 0.98, 0.99];
/** What is asked for: 2 % and the grain of the proxy's clock, which tells whole microseconds. */
const OFF_MOST = 0.02;
const GRAIN_US = 1;
const NONE: HistogramFigures = { count: 0, sum: 0, buckets: [] };

interface Status {
  readonly processes: readonly { readonly role: string; readonly pid: number }[];
  readonly metrics: readonly {
    readonly set: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly values: Readonly<Record<string, HistogramFigures>>;
  }[];
}

/** What the proxy has told since it was started. */
interface Told {
  readonly total: HistogramFigures;
  readonly server: HistogramFigures;
}

/** What came of one slice of load. */
interface Slice {
  readonly sent: number;
  /** By the client. */
  readonly seen: LatencyHistogram;
  /** By the server. */
  readonly held: LatencyHistogram;
}

/** Through the proxy. */
interface ToldSlice extends Slice {
  readonly told: Told;
}

interface Round {
  readonly through: ToldSlice;
  /** The proxy answers itself. */
  readonly near: ToldSlice;
}

/** One percentile, in µs. */
interface Row {
  readonly delayMs: number;
  readonly share: number;
  /** By the client. */
  readonly seen: number;
  /** By the proxy. */
  readonly total: number;
  readonly way: number;
  /** How far total and way are from what the client saw. */
  readonly off: number;
  /** By the server itself. */
  readonly held: number;
  /** How long the server took, as the proxy tells it: with the way there. */
  readonly server: number;
}

async function main(): Promise<void> {
  requireProc();
  const { values } = parseArgs({
    options: {
      binary: { type: "string", default: join(dirname(import.meta.dir), "dist", "proxy") },
      delays: { type: "string", default: "0.2,2,20" },
      seconds: { type: "string", default: "0.5,0.7,2" },
      rounds: { type: "string", default: "9" },
      engine: { type: "string", default: "auto" },
    },
  });
  const { binary, engine } = values;
  const seconds = values.seconds.split(",").map(Number);
  const rows: Row[] = [];
  for (const [index, delayMs] of values.delays.split(",").map(Number).entries()) {
    process.stderr.write(`${delayMs} ms\n`);
    const bench = await Bench.start({ binary, engine, delayMs });
    const rounds = await bench.measure(
      Number(values.rounds),
      seconds[Math.min(index, seconds.length - 1)]!,
    );
    await bench.stop();
    rows.push(...SHARES.map((share) => rowOf(delayMs, rounds, share)));
  }
  const { cores, cpu, kernel, bun, commit } = await machineFacts();
  process.stdout.write(
    `${cores} cores (${cpu}), Linux ${kernel}, Bun ${bun}, commit ${commit}; engine ${engine}, ${values.rounds} rounds of ${values.seconds} s\n\n`,
  );
  process.stdout.write(table(rows));
  if (rows.some(isOff)) process.exitCode = 1;
}

interface BenchOptions {
  readonly binary: string;
  readonly engine: string;
  readonly delayMs: number;
}

interface BenchParts {
  readonly options: BenchOptions;
  readonly config: string;
  /** The proxy's. */
  readonly port: number;
  readonly server: Talker;
  readonly proxy: Child;
  readonly generator: Generator;
}

/** A server of one delay, a proxy before it, and a generator that asks both. */
class Bench {
  readonly #parts: BenchParts;

  private constructor(parts: BenchParts) {
    this.#parts = parts;
  }

  static async start(options: BenchOptions): Promise<Bench> {
    const { binary, engine, delayMs } = options;
    const [port, serverPort] = [await freePort(), await freePort()];
    const program = join(import.meta.dir, "load", "late-server.ts");
    const server = startTalker([
      ...[process.execPath, program],
      ...[`${serverPort}`, `${delayMs * 1000}`, `${VALUE_BYTES}`],
    ]);
    const config = join(runDirectory(), `agreement-${port}.yaml`);
    writeFileSync(
      config,
      `workers: 1\nengine: ${engine}\nstats: { listen: "127.0.0.1:${await freePort()}" }\npools:\n  a: { listen: "127.0.0.1:${port}", servers: ["127.0.0.1:${serverPort}:1"] }\n`,
    );
    await waitForPort(serverPort, () => false);
    const proxy = startChild("proxy", [binary, "-c", config]);
    if (!(await waitForPort(port, proxy.hasExited))) throw new Error(proxy.logTail());
    const generator = new Generator({ connections: 1, valueBytes: VALUE_BYTES });
    const { processes } = await statusOf(options.binary, config);
    const workers = processes.filter(({ role }) => role === "worker").map(({ pid }) => pid);
    for (const pid of [server.pid, generator.pid, ...workers]) await pinToCore(pid);
    return new Bench({ options, config, port, server, proxy, generator });
  }

  async measure(count: number, seconds: number): Promise<Round[]> {
    await this.#ask(WARM_UP_SECONDS, false);
    const rounds: Round[] = [];
    for (let round = 0; round < count; round++) {
      const through = await this.#through(seconds, false);
      rounds.push({ through, near: await this.#through(seconds, true) });
    }
    return rounds;
  }

  async stop(): Promise<void> {
    await this.#parts.generator.end();
    await stopChild(this.#parts.proxy);
    await this.#parts.server.end();
  }

  async #through(seconds: number, isNear: boolean): Promise<ToldSlice> {
    const before = await this.#told();
    const slice = await this.#ask(seconds, isNear);
    const after = await this.#told();
    const total = since(after.total, before.total);
    // That of the server may have a question of the proxy's own in it.
    const server = since(after.server, before.server);
    if (total.count !== slice.sent)
      throw new Error(`${slice.sent} were sent, ${total.count} told of`);
    return { ...slice, told: { total, server } };
  }

  /** @param isNear the proxy answers itself */
  async #ask(seconds: number, isNear: boolean): Promise<Slice> {
    await this.#held();
    const order: SliceOrder = {
      ...{
        ports: [this.#parts.port],
        requestsPerSecond: null,
        warmUpSeconds: 0,
        seconds,
        windows: 1,
      },
      ...{ groups: [{ connections: 1, keys: [1, 2] }], isBadDay: false },
      ...(isNear ? { echoEachNs: this.#parts.options.delayMs * 1e6 } : {}),
    };
    const { groups, sent } = await this.#parts.generator.slice(order, "the proxy");
    const seen = LatencyHistogram.from(groups[0]![0]!.latency);
    return { sent, seen, held: LatencyHistogram.from(await this.#held()) };
  }

  async #held(): Promise<HistogramText> {
    this.#parts.server.say("");
    return JSON.parse(await this.#parts.server.line(REPORT_MS, "the late server")) as HistogramText;
  }

  async #told(): Promise<Told> {
    const text = await runToEnd(
      [this.#parts.options.binary, "status", "-c", this.#parts.config, "--json"],
      COMMAND_MS,
    );
    const { metrics } = (JSON.parse(text) as { readonly status: Status }).status;
    const sum = (name: string, row: string): HistogramFigures =>
      metrics
        .filter(({ set }) => set === name)
        .map(({ values }) => values[row]!)
        .reduce(added, NONE);
    return { total: sum("times", "total_us"), server: sum("server_times", "server_us") };
  }
}

async function statusOf(binary: string, config: string): Promise<Status> {
  const text = await runToEnd([binary, "status", "-c", config, "--json"], COMMAND_MS);
  return (JSON.parse(text) as { readonly status: Status }).status;
}

/** Its main thread only: those that collect garbage and compile are not to stand in its way. */
async function pinToCore(pid: number): Promise<void> {
  await runToEnd(["taskset", "-cp", CORE, `${pid}`], COMMAND_MS);
}

function rowOf(delayMs: number, rounds: readonly Round[], share: number): Row {
  const of = (figure: (round: Round) => number): number => median(rounds.map(figure));
  const seen = ({ through }: Round): number => through.seen.percentileMicros(share);
  const held = ({ through }: Round): number => through.held.percentileMicros(share);
  const total = ({ through: { told } }: Round): number => percentile(told.total, share);
  const server = ({ through: { told } }: Round): number => percentile(told.server, share);
  const way = ({ near }: Round): number =>
    near.seen.percentileMicros(share) - percentile(near.told.total, share);
  return {
    ...{ delayMs, share, seen: of(seen), held: of(held), total: of(total), server: of(server) },
    ...{ way: of(way), off: of((round) => total(round) + way(round) - seen(round)) },
  };
}

function isOff({ seen, off }: Row): boolean {
  return Math.abs(off) > seen * OFF_MOST + GRAIN_US;
}

function table(rows: readonly Row[]): string {
  const lines = [
    "| delay, ms | | client sees, µs | proxy's total | way | off | | server held | proxy's server time |",
    `|${" --- |".repeat(9)}`,
  ];
  for (const row of rows) {
    const { delayMs, share, seen, total, way, off, held, server } = row;
    const cells = [
      ...[`${delayMs}`, nameOfShare(share), seen.toFixed(1), `${total}`, way.toFixed(1)],
      ...[`${off.toFixed(1)} µs, ${((off / seen) * 100).toFixed(1)} %`],
      ...[isOff(row) ? "off" : "agrees", held.toFixed(1), `${server}`],
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return `${lines.join("\n")}\n`;
}

try {
  await main();
} finally {
  await stopAll();
}
