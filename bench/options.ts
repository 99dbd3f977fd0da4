/** The command line of the benchmark. */
import { parseArgs } from "node:util";
import { type Extent, selectWorkloads, type Workload } from "./workloads.ts";

export const LATENCY_NAME = "latency";
export const BAD_DAY_NAME = "bad-day";
export const MEMORY_NAME = "memory";

export interface Options {
  readonly help: boolean;
  readonly list: boolean;
  readonly workloads: readonly Workload[];
  readonly withLatency: boolean;
  readonly withBadDay: boolean;
  readonly withMemory: boolean;
  readonly rounds: number;
  readonly secondsPerRound: number;
  /** Length of a round of the latency figures. */
  readonly latencySeconds: number;
  /** Shares of the weakest proxy's maximum at which latencies are taken. */
  readonly loads: readonly number[];
  /** A rate instead of those shares; null: none. */
  readonly requestsPerSecond: number | null;
  /** How long memory may take to go back after its users have left. */
  readonly leaveSeconds: number;
  /** Extra proxies as given: "name=command". */
  readonly proxies: readonly string[];
  readonly without: readonly string[];
  /** Path of predixy; null: looked for in PATH. */
  readonly predixy: string | null;
  /** Engines of the own proxy; none: its default. */
  readonly engines: readonly string[];
  readonly jsonFile: string | null;
  readonly markdownFile: string | null;
}

export const USAGE = `Compares cache proxies on the same Redis and Memcached servers, in interleaved rounds, one thread each.

  npm run bench -- [options]

What runs:
  --quick             few workloads, short rounds: about two minutes
  --full              every workload: about an hour
  --only REGEX        only what has a name that matches, from everything there is; besides workloads there are
                      "latency" (at fixed rates), "bad-day" (something goes wrong under load) and "memory"
  --list              print the names of what would run
  --rounds N          interleaved rounds (9; --quick: 3)
  --seconds S         length of a round of a workload (0.7; --quick: 0.4)
  --latency-seconds S length of a round of the latency figures (2; --quick: 1)
  --loads A,B         loads of the latency figures, in percent of what the weakest proxy can do (10,30,50,70,90; --quick: 30)
  --rate N            this many requests a second instead, for latency and bad day

Who takes part (nutcracker and haproxy when they are installed, dist/proxy, built when it is missing):
  --predixy PATH      an executable of predixy (otherwise the one in PATH, if any)
  --engine NAME       this project's proxy with this engine (uring, bun), instead of its default. Repeatable: each takes part
  --proxy NAME=CMD    one more proxy; {config} in CMD is the path of a nutcracker.yml, {port} where it must
                      listen, {servers} the servers as host:port, {spare} another free port. Repeatable
  --without NAME      leave a proxy out (nutcracker, predixy, haproxy, proxy). Repeatable

What comes of it (tables go to stdout, progress to stderr):
  --json FILE         write the result for bench/compare.ts, as far as it has come, after every part
  --markdown FILE     write the tables to a file too. In a page that has the lines "<!-- figures: begin -->" and
                      "<!-- figures: end -->", what is between them is replaced
  --help

  npm run bench -- --predixy /opt/predixy/src/predixy --engine uring --engine bun --markdown docs/benchmarks.md
  npm run bench -- --only 'GET 100B' --proxy before='/tmp/old/proxy -c {config} --workers 1 -s {spare}'
  npm run bench -- --only 'latency|bad-day' --without haproxy

Exit code 1: something failed; what was measured before that is in the files. 2: the command line makes no sense.
`;

/** @throws with a message for humans when the command line makes no sense. */
export function parseOptions(words: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...words],
    allowPositionals: false,
    options: {
      quick: { type: "boolean", default: false },
      full: { type: "boolean", default: false },
      only: { type: "string" },
      list: { type: "boolean", default: false },
      rounds: { type: "string" },
      seconds: { type: "string" },
      "latency-seconds": { type: "string" },
      loads: { type: "string" },
      rate: { type: "string" },
      predixy: { type: "string" },
      engine: { type: "string", multiple: true, default: [] },
      proxy: { type: "string", multiple: true, default: [] },
      without: { type: "string", multiple: true, default: [] },
      json: { type: "string" },
      markdown: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const { quick, full, rate } = values;
  if (quick && full) throw new Error("--quick and --full exclude each other");
  const extent: Extent = quick ? "quick" : full ? "full" : "usual";
  const only = values.only === undefined ? null : new RegExp(values.only, "i");
  const wants = (name: string): boolean => only === null || only.test(name);
  const latencySeconds = values["latency-seconds"] ?? (quick ? "1" : "2");
  const options: Options = {
    help: values.help,
    list: values.list,
    workloads: selectWorkloads(extent, only),
    withLatency: wants(LATENCY_NAME),
    withBadDay: only === null ? !quick : wants(BAD_DAY_NAME),
    withMemory: wants(MEMORY_NAME),
    rounds: numberIn("--rounds", values.rounds ?? (quick ? "3" : "9"), 1, 100),
    secondsPerRound: numberIn("--seconds", values.seconds ?? (quick ? "0.4" : "0.7"), 0.1, 20),
    latencySeconds: numberIn("--latency-seconds", latencySeconds, 0.1, 60),
    loads: loadsOf(values.loads ?? (quick ? "30" : "10,30,50,70,90")),
    requestsPerSecond: rate === undefined ? null : numberIn("--rate", rate, 100, 200_000),
    leaveSeconds: quick ? 3 : 10,
    proxies: values.proxy,
    without: values.without,
    predixy: values.predixy ?? null,
    engines: values.engine,
    jsonFile: values.json ?? null,
    markdownFile: values.markdown ?? null,
  };
  if (namesOf(options).length === 0) {
    throw new Error(`--only ${values.only}: nothing has such a name; --list shows them`);
  }
  if (!Number.isInteger(options.rounds)) throw new Error("--rounds wants a whole number");
  return options;
}

/** What `--list` prints. */
export function namesOf(options: Options): readonly string[] {
  const names = options.workloads.map(({ name }) => name);
  if (options.withLatency) names.push(LATENCY_NAME);
  if (options.withBadDay) names.push(BAD_DAY_NAME);
  if (options.withMemory) names.push(MEMORY_NAME);
  return names;
}

function loadsOf(text: string): readonly number[] {
  return text.split(",").map((part) => numberIn("--loads", part, 1, 100) / 100);
}

function numberIn(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!(value >= least && value <= most)) {
    throw new Error(`${flag} wants a number from ${least} to ${most}, not ${text}`);
  }
  return value;
}
