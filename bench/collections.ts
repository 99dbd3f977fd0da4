/**
 * How much garbage requests make, and how long a worker stands still while that is collected: `bun bench/collections.ts [--seconds S]
 * [--depths 1,16,64] [--engines uring,bun] [--binary PATH]`, Markdown on stdout.
 *
 * The runtime writes down each collection (BUN_JSC_logGC), small ones of young objects (eden) and full ones:
 *
 *   [GC<0x30ea019c118>: START M 8875kb => EdenCollection, … p=4.08ms (max 4.08)...]
 *   [GC<0x30ea019c118>: M … => 10151kb, p=2.47ms (max 4.08), cycle 33.58ms END]
 *
 * A collection stands in several lines, as the worker goes on in between; `p` is how long it stood still each time. What was allocated
 * between two collections is the difference between the size at the end of one and at the start of the next.
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { type Child, runDirectory, runToEnd, startChild, stopAll, stopChild } from "./children.ts";
import { keySpaceFor } from "./key-space.ts";
import { machineFacts } from "./machine.ts";
import { requireProc } from "./proc.ts";
import { fill, startServer } from "./servers.ts";
import { freePort, waitForPort } from "./wire.ts";

const VALUE_BYTES = 100;
const CLIENTS = 50;
const COMMAND_MS = 120_000;
/** Until its functions are compiled, a worker makes other garbage than later. */
const WARM_UP_SECONDS = 5;
const TRIAL_REQUESTS = 50_000;
const KIB = 1024;

/** What the collector of one process did. */
interface Collections {
  eden: number;
  full: number;
  allocatedKib: number;
  pausesMs: number[];
}

async function main(): Promise<void> {
  requireProc();
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "10" },
      depths: { type: "string", default: "1,16,64" },
      engines: { type: "string", default: "uring,bun" },
      binary: { type: "string", default: join(dirname(import.meta.dir), "dist", "proxy") },
    },
  });
  const space = keySpaceFor(VALUE_BYTES);
  const { port: server } = await startServer("redis", await freePort());
  await fill([server], space);
  const rows: string[] = [];
  for (const engine of values.engines.split(",")) {
    const { child, port } = await start(values.binary, engine, server);
    for (const depth of values.depths.split(",")) {
      process.stderr.write(`${engine}, depth ${depth}\n`);
      const load = async (requests: number): Promise<number> => {
        const startedMs = performance.now();
        await runToEnd(
          [
            ...["redis-benchmark", "-p", `${port}`, "-c", `${CLIENTS}`, "-P", depth, "--csv"],
            ...["-n", `${requests}`, "-r", `${space.keys}`, "GET", "key:__rand_int__"],
          ],
          COMMAND_MS,
        );
        return (performance.now() - startedMs) / 1e3;
      };
      const rate = TRIAL_REQUESTS / (await load(TRIAL_REQUESTS));
      await load(Math.ceil(rate * WARM_UP_SECONDS));
      const logFrom = child.log().length;
      const requests = Math.ceil(rate * Number(values.seconds));
      const seconds = await load(requests);
      const found = collectionsIn(child.log().substring(logFrom));
      rows.push(row(engine, depth, requests, seconds, found));
    }
    await stopChild(child);
  }
  const { cores, cpu, kernel, bun, commit, loadAtStart } = await machineFacts();
  process.stdout.write(
    `${cores} cores (${cpu}), Linux ${kernel}, Bun ${bun}, commit ${commit}, load ${loadAtStart.toFixed(1)} before; one worker, ${CLIENTS} clients, GET of ${VALUE_BYTES} bytes\n\n` +
      "| engine | depth | requests/s | allocated per s | bytes a request | collections | of which full | longest pause | all pauses, of the time |\n" +
      `| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n${rows.join("")}`,
  );
}

async function start(
  binary: string,
  engine: string,
  server: number,
): Promise<{ readonly child: Child; readonly port: number }> {
  const port = await freePort();
  const config = join(runDirectory(), `${engine}.yaml`);
  const text = [
    ...[`engine: ${engine}`, "workers: 1", "pools:", "  main:"],
    ...[`    listen: 127.0.0.1:${port}`, `    servers: ["127.0.0.1:${server}:1"]`, ""],
  ];
  writeFileSync(config, text.join("\n"));
  const child = startChild(engine, ["env", "BUN_JSC_logGC=1", binary, "-c", config]);
  if (!(await waitForPort(port, child.hasExited))) throw new Error(child.logTail());
  return { child, port };
}

/** Those of the process that has allocated the most: under load that is the worker. Null: none has collected anything. */
function collectionsIn(log: string): Collections | null {
  const byHeap = new Map<string, Collections>();
  const endKib = new Map<string, number>();
  for (const [, heap, line] of log.matchAll(/\[GC<(0x[0-9a-f]+)>: ([^[]*)/g)) {
    const found = byHeap.get(heap!) ?? { eden: 0, full: 0, allocatedKib: 0, pausesMs: [] };
    byHeap.set(heap!, found);
    const start = /START M (\d+)kb => (Eden|Full)Collection/.exec(line!);
    if (start !== null) {
      if (start[2] === "Full") found.full++;
      else found.eden++;
      const before = endKib.get(heap!);
      if (before !== undefined) found.allocatedKib += Math.max(Number(start[1]) - before, 0);
    }
    for (const [, pause] of line!.matchAll(/\bp=([\d.]+)ms/g)) found.pausesMs.push(Number(pause));
    const end = /=> (\d+)kb, p=.* END\]/.exec(line!);
    if (end !== null) endKib.set(heap!, Number(end[1]));
  }
  const all = [...byHeap.values()].sort((a, b) => b.allocatedKib - a.allocatedKib);
  return all[0] ?? null;
}

function row(
  engine: string,
  depth: string,
  requests: number,
  seconds: number,
  found: Collections | null,
): string {
  const { eden, full, allocatedKib, pausesMs } = found ?? {
    ...{ eden: 0, full: 0, allocatedKib: 0 },
    pausesMs: [] as number[],
  };
  const paused = pausesMs.reduce((sum, pause) => sum + pause, 0);
  const cells = [
    ...[engine, depth, Math.round(requests / seconds).toString()],
    `${Math.round(allocatedKib / seconds)} KiB`,
    ((allocatedKib * KIB) / requests).toFixed(1),
    ...[`${eden + full}`, `${full}`, `${Math.max(0, ...pausesMs).toFixed(1)} ms`],
    `${((paused / (seconds * 1e3)) * 100).toFixed(2)} %`,
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
