/**
 * How long clients that are served wait while thousands of others drop their connections and come back at once: `bun bench/storm.ts
 * [--clients 10000] [--rounds 3] [--binary NAME=PATH …] [--backlog N]`, Markdown on stdout.
 *
 * One Redis server, one worker. 200 GETs a second go over four connections, for some seconds in which nothing happens, and then during each storm.
 */
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { startTalker, stopAll, stopChild, type Talker } from "./children.ts";
import { FILLER, keyName, keySpaceFor, storedValue } from "./key-space.ts";
import type { PoliteReport } from "./load/polite-probe.ts";
import { READY, type StampedeOrder, type StampedeReport } from "./load/stampede.ts";
import { machineFacts } from "./machine.ts";
import { figure, table } from "./markdown.ts";
import { loadProgram, POLITE_PER_SECOND, startProbe, startSubject } from "./probe.ts";
import { requireProc } from "./proc.ts";
import { fillOne, startServer } from "./servers.ts";
import { bulk, encode, freePort } from "./wire.ts";
import { VALUE_BYTES_SMALL } from "./workloads.ts";

/** Clients of one process: each has only so many descriptors. */
const PER_PROCESS = 2_500;
const GATHER_MS = 60_000;
const STORM_MS = 20_000;
const QUIET_MS = 5_000;
const SETTLE_MS = 1_000;

interface Row {
  readonly subject: string;
  readonly what: string;
  readonly polite: PoliteReport;
  /** Null: there is no storm. */
  readonly storm: StampedeReport | null;
}

async function main(): Promise<void> {
  requireProc();
  const { values } = parseArgs({
    options: {
      clients: { type: "string", default: "10000" },
      rounds: { type: "string", default: "3" },
      binary: { type: "string", multiple: true },
      backlog: { type: "string", default: "" },
    },
  });
  const own = `proxy=${join(dirname(import.meta.dir), "dist", "proxy")}`;
  const space = keySpaceFor(VALUE_BYTES_SMALL);
  const server = await startServer("redis", await freePort());
  await fillOne(server.port, space, FILLER);
  const options = values.backlog === "" ? [] : [`backlog: ${values.backlog}`];
  const rows: Row[] = [];
  for (const given of values.binary ?? [own]) {
    const subject = await startSubject(given, server, options);
    const { name, port } = subject;
    const reply = bulk(storedValue(0, space.valueBytes));
    const probe = startProbe(subject, encode("GET", keyName(0)), reply);
    const crowds = await gather(port, Number(values.clients), space.keys);
    await Bun.sleep(SETTLE_MS);
    for (let round = 1; round <= Number(values.rounds); round++) {
      process.stderr.write(`${name}: round ${round}\n`);
      await probe.report();
      await Bun.sleep(QUIET_MS);
      rows.push({ subject: name, what: "quiet", polite: await probe.report(), storm: null });
      const reports = await Promise.all(crowds.map(storm));
      // As long as the quiet time, or as the storm when that is longer.
      await Bun.sleep(Math.max(0, QUIET_MS - Math.max(...reports.map(({ lastMs }) => lastMs))));
      rows.push({
        subject: name,
        what: "storm",
        polite: await probe.report(),
        storm: sum(reports),
      });
    }
    for (const crowd of crowds) await crowd.end();
    await probe.end();
    if (subject.child !== null) await stopChild(subject.child);
  }
  const { cores, cpu, kernel, bun, commit } = await machineFacts();
  process.stdout.write(
    `${cores} cores (${cpu}), Linux ${kernel}, Bun ${bun}, commit ${commit}; ${values.clients} clients, ${POLITE_PER_SECOND} requests/s beside them\n\n` +
      `${inTable(rows)}\n`,
  );
}

async function gather(port: number, clients: number, keys: number): Promise<Talker[]> {
  const crowds: Talker[] = [];
  for (let left = clients; left > 0; left -= PER_PROCESS) {
    const order: StampedeOrder = { port, clients: Math.min(left, PER_PROCESS), keys };
    const crowd = startTalker([
      ...[process.execPath, loadProgram("stampede.ts")],
      JSON.stringify(order),
    ]);
    const line = await crowd.line(GATHER_MS, "clients");
    if (line !== READY) throw new Error(`clients say ${line}`);
    crowds.push(crowd);
  }
  return crowds;
}

async function storm(crowd: Talker): Promise<StampedeReport> {
  crowd.say("go");
  return JSON.parse(await crowd.line(STORM_MS, "clients")) as StampedeReport;
}

/** The slowest of them stand for all. */
function sum(reports: readonly StampedeReport[]): StampedeReport {
  const most = (of: (report: StampedeReport) => number): number => Math.max(...reports.map(of));
  const all = (of: (report: StampedeReport) => number): number =>
    reports.map(of).reduce((a, b) => a + b, 0);
  return {
    ...{ answered: all(({ answered }) => answered), failed: all(({ failed }) => failed) },
    ...{ p50Ms: most(({ p50Ms }) => p50Ms), p99Ms: most(({ p99Ms }) => p99Ms) },
    lastMs: most(({ lastMs }) => lastMs),
  };
}

function inTable(rows: readonly Row[]): string {
  const head = ["", "proxy", "p50 ms", "p99", "longest", "not answered", "came back", "failed"];
  const lines = rows.map(({ subject, what, polite, storm }) => [
    ...[what, subject, figure(polite.p50), figure(polite.p99)],
    ...[figure(Math.max(polite.max, polite.oldestMs)), String(polite.waiting + polite.faults)],
    ...(storm === null
      ? ["", "", "", ""]
      : [String(storm.answered), String(storm.failed), figure(storm.p50Ms), figure(storm.lastMs)]),
  ]);
  return table([...head, "half of them after ms", "the last"], lines);
}

try {
  await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await stopAll();
}
