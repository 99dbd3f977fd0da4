/** The command line of the benchmark. */
import { parseArgs } from "node:util";
import { type Extent, selectWorkloads, type Workload } from "./workloads.ts";

export const LATENCY_NAME = "latency";
export const MEMORY_NAME = "memory";

export interface Options {
  readonly help: boolean;
  readonly list: boolean;
  readonly workloads: readonly Workload[];
  readonly withLatency: boolean;
  readonly withMemory: boolean;
  readonly rounds: number;
  readonly secondsPerRound: number;
  /** Length of a round of the latency figures. */
  readonly latencySeconds: number;
  /** How long memory may take to go back after its users have left. */
  readonly leaveSeconds: number;
  readonly requestsPerSecond: number;
  /** Extra proxies as given: "name=command". */
  readonly proxies: readonly string[];
  readonly without: readonly string[];
  readonly jsonFile: string | null;
  readonly markdownFile: string | null;
}

export const USAGE = `Compares cache proxies on the same Redis and Memcached servers, in interleaved rounds, one worker each.

  npm run bench -- [options]

  --quick             few workloads, short rounds: about a minute
  --full              every workload that fits in memory: about half an hour
  --only REGEX        only workloads whose name matches, from all of them; also "latency" and "memory"
  --list              print the names of the workloads that would run
  --rounds N          rounds of each workload (5; --quick: 3)
  --seconds S         length of a round (1.5; --quick: 0.5)
  --rate N            requests a second for the latency figures (10000)
  --proxy NAME=CMD    one more proxy; {config} in CMD is the path of a nutcracker.yml, {port} where it must
                      listen, {servers} the servers as host:port, {spare} another free port. Repeatable
  --without NAME      leave a proxy out (nutcracker, proxy, haproxy). Repeatable
  --json FILE         write the result for bench/compare.ts
  --markdown FILE     write the tables that go to stdout to a file too
  --help

  npm run bench -- --only 'GET 100B' --proxy before='/tmp/old/proxy -c {config} --workers 1 -s {spare}'
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
      rate: { type: "string", default: "10000" },
      proxy: { type: "string", multiple: true, default: [] },
      without: { type: "string", multiple: true, default: [] },
      json: { type: "string" },
      markdown: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.quick && values.full) throw new Error("--quick and --full exclude each other");
  const extent: Extent = values.quick ? "quick" : values.full ? "full" : "usual";
  const only = values.only === undefined ? null : new RegExp(values.only, "i");
  const wants = (name: string): boolean => only === null || only.test(name);
  const options: Options = {
    help: values.help,
    list: values.list,
    workloads: selectWorkloads(extent, only),
    withLatency: wants(LATENCY_NAME),
    withMemory: wants(MEMORY_NAME),
    rounds: numberIn("--rounds", values.rounds ?? (values.quick ? "3" : "5"), 1, 100),
    secondsPerRound: numberIn(
      "--seconds",
      values.seconds ?? (values.quick ? "0.5" : "1.5"),
      0.1,
      20,
    ),
    latencySeconds: values.quick ? 1 : 5,
    leaveSeconds: values.quick ? 3 : 10,
    requestsPerSecond: numberIn("--rate", values.rate, 100, 200_000),
    proxies: values.proxy,
    without: values.without,
    jsonFile: values.json ?? null,
    markdownFile: values.markdown ?? null,
  };
  if (options.workloads.length === 0 && !options.withLatency && !options.withMemory) {
    throw new Error(`--only ${values.only}: no workload has such a name; --list shows them`);
  }
  if (!Number.isInteger(options.rounds)) throw new Error("--rounds wants a whole number");
  return options;
}

/** What `--list` prints. */
export function namesOf(options: Options): readonly string[] {
  const names = options.workloads.map(({ name }) => name);
  if (options.withLatency) names.push(LATENCY_NAME);
  if (options.withMemory) names.push(MEMORY_NAME);
  return names;
}

function numberIn(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!(value >= least && value <= most)) {
    throw new Error(`${flag} wants a number from ${least} to ${most}, not ${text}`);
  }
  return value;
}
