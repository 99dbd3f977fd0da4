/**
 * What a worker holds while everything is asked of it at once that takes memory: `bun bench/siege.ts [--seconds 30] [--back 60]
 * [--binary NAME=PATH …] [--memory 256]`, Markdown on stdout.
 *
 * One Redis server, one worker with `client_memory` of so many MiB and room for 5,000 clients. 200 GETs a second, first with nothing beside them; then at once
 * 20 clients that read nothing, 1,000 that send a byte a second, a pipeline of 100,000, announced values of 10 GB, 6,000 clients, a million subscriptions and
 * 100,000 scripts (bench/load/flood.ts). Then all of them end, and after a minute (`--back`, in seconds) it is looked what the worker has given back.
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { runDirectory, startChild, startTalker, stopAll, stopChild } from "./children.ts";
import { fillForFloods } from "./flood-keys.ts";
import { type FloodKind, keyOf, SIEGES, VALUE } from "./load/flood.ts";
import type { PoliteReport } from "./load/polite-probe.ts";
import { machineFacts } from "./machine.ts";
import { figure, table } from "./markdown.ts";
import { loadProgram, startProbe } from "./probe.ts";
import { memoryOf, processTree, requireProc } from "./proc.ts";
import { startServer } from "./servers.ts";
import { bulk, encode, freePort, waitForPort } from "./wire.ts";

const BESIEGERS: readonly FloodKind[] = ["silent", "pipeline", ...SIEGES];
const CLIENTS_MAX = 5_000;
const QUIET_MS = 5_000;
const START_MS = 60_000;
const WATCH_MS = 250;
/** Of the budget, beside what a worker takes without clients. */
const MOST = 1.2;

interface Row {
  readonly name: string;
  readonly quiet: PoliteReport;
  readonly siege: PoliteReport;
  readonly startMib: number;
  readonly mostMib: number;
  readonly backMib: number;
}

async function main(): Promise<void> {
  requireProc();
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "30" },
      back: { type: "string", default: "60" },
      memory: { type: "string", default: "256" },
      binary: { type: "string", multiple: true },
    },
  });
  const own = `proxy=${join(dirname(import.meta.dir), "dist", "proxy")}`;
  const rows: Row[] = [];
  for (const given of values.binary ?? [own]) {
    const [memory, seconds, back] = [values.memory, values.seconds, values.back].map(Number);
    rows.push(await besiege(given, memory!, { forMs: seconds! * 1000, backMs: back! * 1000 }));
  }
  const { cores, cpu, kernel, bun, commit } = await machineFacts();
  process.stdout.write(
    `${cores} cores (${cpu}), Linux ${kernel}, Bun ${bun}, commit ${commit}; client_memory ${values.memory} MiB\n\n` +
      `${inTable(rows, Number(values.memory))}\n`,
  );
}

async function besiege(
  given: string,
  memoryMib: number,
  { forMs, backMs }: { readonly forMs: number; readonly backMs: number },
): Promise<Row> {
  const [name = "", path = ""] = given.split("=");
  const server = await startServer("redis", await freePort());
  await fillForFloods(server.port);
  const port = await freePort();
  const config = join(runDirectory(), `${name}.yaml`);
  writeFileSync(
    config,
    `workers: 1
client_memory: ${memoryMib}mb
control: ${join(runDirectory(), `${name}.control`)}
pools:
  bench:
    listen: 127.0.0.1:${port}
    servers: [127.0.0.1:${server.port}:1]
    client_connections: ${CLIENTS_MAX}
`,
  );
  const child = startChild(name, [path, "-c", config]);
  if (!(await waitForPort(port, child.hasExited))) {
    throw new Error(`${name} does not accept connections:\n${child.logTail()}`);
  }
  const tree = processTree(child.pid);
  const processes = [...tree.map(({ pid }) => pid), server.child.pid];
  const probe = startProbe({ name, port, child, processes }, encode("GET", keyOf(1)), bulk(VALUE));
  const nowMib = (): number => memoryOf(processTree(child.pid)).rssLargestKib / 1024;
  await probe.report();
  await Bun.sleep(QUIET_MS);
  const quiet = await probe.report();
  const startMib = nowMib();
  let mostMib = startMib;
  const watching = setInterval(() => (mostMib = Math.max(mostMib, nowMib())), WATCH_MS);
  const besiegers = BESIEGERS.map((kind) => {
    const order = JSON.stringify({ kind, port });
    return { kind, talker: startTalker([process.execPath, loadProgram("flood.ts"), order]) };
  });
  for (const { kind, talker } of besiegers) {
    await talker.line(START_MS, kind);
    process.stderr.write(`${name}: ${kind}\n`);
  }
  await Bun.sleep(forMs);
  const siege = await probe.report();
  if (siege.fault !== "") process.stderr.write(`${name}: the polite client got ${siege.fault}\n`);
  clearInterval(watching);
  await Promise.all(besiegers.map(({ talker }) => talker.end()));
  process.stderr.write(`${name}: they end\n`);
  await Bun.sleep(backMs);
  const backMib = nowMib();
  await probe.end();
  await stopChild(child);
  await stopChild(server.child);
  return { name, quiet, siege, startMib, mostMib, backMib };
}

function inTable(rows: readonly Row[], memoryMib: number): string {
  const head = ["", "RSS before, MiB", "most", "may be", "afterwards", "p50 ms", "quiet p99"];
  const lines = rows.map(({ name, quiet, siege, startMib, mostMib, backMib }) => [
    ...[name, figure(startMib), figure(mostMib), figure(startMib + MOST * memoryMib)],
    ...[figure(backMib), figure(siege.p50), figure(quiet.p99), figure(siege.p99)],
    ...[figure(Math.max(siege.max, siege.oldestMs)), `${siege.waiting + siege.faults}`],
  ]);
  return table([...head, "p99", "longest", "not answered"], lines);
}

try {
  await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await stopAll();
}
