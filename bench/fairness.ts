/**
 * How long a client that asks for little waits beside one that moves very much: `bun bench/fairness.ts [--seconds N] [--floods a,b]
 * [--binary NAME=PATH …] [--without direct,nutcracker] [--servers N]`, Markdown on stdout.
 *
 * A Redis server (or N, over which the keys are spread) for each row, and a proxy with one worker before it; beside them the server itself, without any. 200 GETs a second go over
 * four connections: for some seconds in which nothing else happens, and then beside each flood. What counts is the difference between the two. The floods are described in
 * bench/load/flood.ts; a flood that a proxy does not know is left out there.
 */
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { startTalker, stopAll, stopChild } from "./children.ts";
import { fillForFloods } from "./flood-keys.ts";
import { FLOODS, type FloodKind, type FloodReport, keyOf, SIEGES, VALUE } from "./load/flood.ts";
import type { PoliteReport } from "./load/polite-probe.ts";
import { machineFacts } from "./machine.ts";
import { figure, table } from "./markdown.ts";
import { loadProgram, POLITE_PER_SECOND, type Subject, startProbe, startSubject } from "./probe.ts";
import { memoryOf, processTree, requireProc } from "./proc.ts";
import { type Server, startServer } from "./servers.ts";
import { bulk, encode, freePort } from "./wire.ts";

/** A server keeps all that a client does not read, gigabytes here; and nutcracker knows no subscriptions. */
const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  direct: ["silent"],
  nutcracker: ["subscribe"],
};
const SETTLE_MS = 1000;
const REPORT_MS = 30_000;
const START_MS = 30_000;
const MIB = 1024 * 1024;
const WATCH_MS = 250;

interface Row {
  readonly flood: FloodKind | "nothing";
  readonly subject: string;
  readonly polite: PoliteReport;
  /** Null: nothing floods. */
  readonly moved: FloodReport | null;
  readonly mostMib: number;
}

async function main(): Promise<void> {
  requireProc();
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "10" },
      floods: { type: "string", default: FLOODS.join(",") },
      binary: { type: "string", multiple: true },
      without: { type: "string", default: "" },
      servers: { type: "string", default: "1" },
    },
  });
  const floods = values.floods.split(",") as FloodKind[];
  const known: readonly FloodKind[] = [...FLOODS, ...SIEGES];
  const unknown = floods.filter((flood) => !known.includes(flood));
  if (unknown.length > 0) throw new Error(`no such flood: ${unknown.join(", ")}`);
  const without = values.without.split(",");
  const own = `proxy=${join(dirname(import.meta.dir), "dist", "proxy")}`;
  const rows: Row[] = [];
  const names = ["direct", "nutcracker"].filter((name) => !without.includes(name));
  for (const given of [...names, ...(values.binary ?? [own])]) {
    for (const flood of ["nothing", ...floods] as const) {
      if (LEFT_OUT[given]?.includes(flood) === true) continue;
      process.stderr.write(`${given.split("=")[0]}: ${flood}\n`);
      // What a flood has left behind in a server is not to be met by the next.
      const servers: Server[] = [];
      for (let i = 0; i < Number(values.servers); i++) {
        const server = await startServer("redis", await freePort());
        // Each has all keys, and is asked for its own.
        await fillForFloods(server.port);
        servers.push(server);
      }
      const [server, ...others] = servers;
      const subject = await startSubject(given, server!, [], others);
      rows.push(await measure(subject, flood, Number(values.seconds) * 1000));
      if (subject.child !== null) await stopChild(subject.child);
      for (const each of servers) await stopChild(each.child);
    }
  }
  const { cores, cpu, kernel, bun, redis, commit } = await machineFacts();
  process.stdout.write(
    `${cores} cores (${cpu}), Linux ${kernel}, Bun ${bun}, Redis ${redis}, commit ${commit}; ${POLITE_PER_SECOND} requests/s\n\n` +
      `${inTable(rows)}\n`,
  );
}

async function measure(subject: Subject, flood: Row["flood"], forMs: number): Promise<Row> {
  const probe = startProbe(subject, encode("GET", keyOf(1)), bulk(VALUE));
  await Bun.sleep(SETTLE_MS);
  await probe.report();
  let mostKib = 0;
  const watching = setInterval(() => {
    if (subject.child === null) return;
    mostKib = Math.max(mostKib, memoryOf(processTree(subject.child.pid)).rssLargestKib);
  }, WATCH_MS);
  const flooding =
    flood === "nothing"
      ? null
      : startTalker([
          ...[process.execPath, loadProgram("flood.ts")],
          JSON.stringify({ kind: flood, port: subject.port }),
        ]);
  await flooding?.line(START_MS, flood);
  await Bun.sleep(forMs);
  const polite = await probe.report();
  clearInterval(watching);
  await probe.end();
  let moved: FloodReport | null = null;
  if (flooding !== null) {
    const end = flooding.end();
    moved = JSON.parse(await flooding.line(REPORT_MS, flood)) as FloodReport;
    await end;
  }
  return { flood, subject: subject.name, polite, moved, mostMib: mostKib / 1024 };
}

function inTable(rows: readonly Row[]): string {
  const head = ["beside", "through", "p50 ms", "p99", "p99 less quiet", "longest", "not answered"];
  const lines = rows.map(({ flood, subject, polite, moved, mostMib }) => {
    const quiet = rows.find((row) => row.subject === subject && row.flood === "nothing")!;
    const { p50, p99, max, faults, waiting, oldestMs } = polite;
    return [
      ...[flood, subject, figure(p50), figure(p99), figure(p99 - quiet.polite.p99)],
      figure(Math.max(max, oldestMs)),
      `${waiting}${faults > 0 ? `, ${faults} faults` : ""}`,
      moved === null ? "" : figure(moved.requests),
      moved === null ? "" : `${figure(moved.replyBytes / MIB)} MiB, ${moved.closed} closed`,
      figure(mostMib),
    ];
  });
  return table([...head, "the flood's requests", "and replies", "most RSS, MiB"], lines);
}

try {
  await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await stopAll();
}
