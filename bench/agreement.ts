/**
 * Whether the percentiles that the proxy tells are those that its clients see: `bun bench/agreement.ts [--binary PATH] [--delays 0.2,2,20]
 * [--seconds N] [--rounds N] [--clients N]`, Markdown on stdout.
 *
 * A server answers each request a fixed time after it came. The load generator, which has one request at a time on each of its
 * connections, counts from its write to its read; the proxy counts from its own read to its own write. What lies between the two, the
 * way over the loopback and what the generator waits for a core, is a client's to see and no proxy's to tell. How long it is shows where
 * there is no delay at all.
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import type { HistogramFigures } from "../src/api/stats.ts";
import { added, nameOfShare, percentile, SHOWN_SHARES, since } from "../src/metrics/percentiles.ts";
import { runDirectory, runToEnd, startChild, stopAll, stopChild } from "./children.ts";
import { Generator } from "./generator.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { machineFacts } from "./machine.ts";
import { requireProc } from "./proc.ts";
import { freePort, waitForPort } from "./wire.ts";

const VALUE_BYTES = 100;
const COMMAND_MS = 10_000;
const NONE: HistogramFigures = { count: 0, sum: 0, buckets: [] };

interface Status {
  readonly metrics: readonly {
    readonly set: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly values: Readonly<Record<string, HistogramFigures>>;
  }[];
}

interface Row {
  readonly delayMs: number;
  readonly requests: number;
  /** In µs, by place in SHOWN_SHARES. */
  readonly seen: readonly number[];
  readonly told: readonly number[];
}

async function main(): Promise<void> {
  requireProc();
  const { values } = parseArgs({
    options: {
      binary: { type: "string", default: join(dirname(import.meta.dir), "dist", "proxy") },
      delays: { type: "string", default: "0,0.2,2,20" },
      seconds: { type: "string", default: "5" },
      rounds: { type: "string", default: "1" },
      clients: { type: "string", default: "4" },
    },
  });
  const rows: Row[] = [];
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const delay of values.delays.split(",").map(Number)) {
      process.stderr.write(`round ${round}: ${delay} ms\n`);
      rows.push(
        await measure(values.binary, delay, Number(values.seconds), Number(values.clients)),
      );
    }
  }
  const { cores, cpu, kernel, bun, commit } = await machineFacts();
  process.stdout.write(
    `${cores} cores (${cpu}), Linux ${kernel}, Bun ${bun}, commit ${commit}\n\n`,
  );
  process.stdout.write(table(rows));
}

/** A server and a proxy of its own for each delay: one slice to warm up, one that counts. */
async function measure(
  binary: string,
  delayMs: number,
  seconds: number,
  clients: number,
): Promise<Row> {
  const [port, serverPort] = [await freePort(), await freePort()];
  const program = join(import.meta.dir, "load", "late-server.ts");
  const server = startChild("late-server", [
    ...[process.execPath, program, `${serverPort}`],
    ...[`${delayMs * 1000}`, `${VALUE_BYTES}`],
  ]);
  const config = join(runDirectory(), `agreement-${port}.yaml`);
  writeFileSync(
    config,
    `workers: 1\nstats: { listen: "127.0.0.1:${await freePort()}" }\npools:\n  a: { listen: "127.0.0.1:${port}", servers: ["127.0.0.1:${serverPort}:1"] }\n`,
  );
  await waitForPort(serverPort, server.hasExited);
  const proxy = startChild("proxy", [binary, "-c", config]);
  if (!(await waitForPort(port, proxy.hasExited))) throw new Error(proxy.logTail());
  const generator = new Generator({ connections: clients, valueBytes: VALUE_BYTES });
  const slice = (duration: number): ReturnType<Generator["slice"]> =>
    generator.slice(
      {
        ports: [port],
        requestsPerSecond: null,
        warmUpSeconds: 0,
        seconds: duration,
        windows: 1,
        groups: [{ connections: clients, keys: [1, 2, 3, 4] }],
        isBadDay: false,
      },
      "proxy",
    );
  await slice(seconds / 2);
  const before = await toldBy(binary, config);
  const { groups, sent } = await slice(seconds);
  const told = since(await toldBy(binary, config), before);
  await generator.end();
  await stopChild(proxy);
  await stopChild(server);
  if (told.count !== sent) throw new Error(`${sent} requests were sent, ${told.count} told of`);
  const seen = LatencyHistogram.from(groups[0]![0]!.latency);
  return {
    delayMs,
    requests: sent,
    seen: SHOWN_SHARES.map((share) => seen.percentileMicros(share)),
    told: SHOWN_SHARES.map((share) => percentile(told, share)),
  };
}

/** How long requests took since the proxy was started, in µs. */
async function toldBy(binary: string, config: string): Promise<HistogramFigures> {
  const text = await runToEnd([binary, "status", "-c", config, "--json"], COMMAND_MS);
  return (JSON.parse(text) as { readonly status: Status }).status.metrics
    .filter(({ set }) => set === "times")
    .map(({ values }) => values["total_us"]!)
    .reduce(added, NONE);
}

function table(rows: readonly Row[]): string {
  const names = SHOWN_SHARES.map(nameOfShare);
  const lines = [
    `| delay, ms | requests | ${names.map((name) => `${name}: client, proxy, µs`).join(" | ")} |`,
    `| --- | --- | ${names.map(() => "---").join(" | ")} |`,
  ];
  for (const { delayMs, requests, seen, told } of rows) {
    const cells = seen.map((client, at) => {
      const difference = told[at]! - client;
      const percent = ((difference / client) * 100).toFixed(1);
      return `${client.toFixed(0)}, ${told[at]!.toFixed(0)} (${difference.toFixed(0)} µs, ${percent} %)`;
    });
    lines.push(`| ${delayMs} | ${requests} | ${cells.join(" | ")} |`);
  }
  return `${lines.join("\n")}\n`;
}

try {
  await main();
} finally {
  await stopAll();
}
