/**
 * How long clients wait while tens of thousands of others move: `bun bench/stall.ts [--clients N] [--workers N] [--rounds N]
 * [--binary PATH] [--engine NAME] [--verbs upgrade,reload]`, Markdown on stdout.
 *
 * Idle clients are connected, and a probe asks for a PING on 8 connections, 1 ms after each reply: for some seconds in which nothing
 * happens, and during each upgrade and reload. What it finds is told apart into what has different causes and different remedies:
 *
 *   stall      what a client waited, less what the probe itself waited for a core
 *   turn       CPU time of the longest turns of the proxy's event loops: what a client waits however many cores there are
 *   wait       how long an event loop that had something to do got no core: other processes had them, the proxy's own among them
 *   taken      how long the host of a virtual machine kept one of its cores to itself
 *
 * Turns and waits are written down by bench/load/turns.c, if there is a C compiler. Both cost a little of what they measure.
 */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
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
import type { IdleCrowdOrder } from "./load/idle-crowd.ts";
import type { Stall, StallReport } from "./load/stall-probe.ts";
import { machineFacts } from "./machine.ts";
import { requireProc } from "./proc.ts";
import { startServer } from "./servers.ts";
import { freePort, waitForPort } from "./wire.ts";

/** Connections of one process and to one address: each has only so many ports, and descriptors, for them. */
const PER_CROWD = 14_000;
const HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"];
const START_MS = 60_000;
const CROWD_MS = 120_000;
const CHANGE_MS = 180_000;
const QUIET_MS = 5_000;
const SETTLE_MS = 1_000;
const REPORT_MS = 10_000;
const TURN_LONG_MS = 10;
const EXPLAINED_STALLS = 3;
const EXPLAINING_TURNS = 4;

/** A line of the log of turns. */
interface Turn {
  readonly fromMs: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly waitMs: number;
  readonly isTurn: boolean;
  readonly process: string;
}

interface Row {
  readonly what: string;
  /** When the order was given, milliseconds since the epoch. */
  readonly orderedMs: number;
  readonly moved: string;
  readonly report: StallReport;
  /** Null: they are not written down. */
  readonly turns: readonly Turn[] | null;
}

interface Subject {
  readonly program: string;
  readonly config: string;
  readonly port: number;
  readonly turnsLog: string | null;
  readonly child: Child;
}

async function main(): Promise<void> {
  requireProc();
  const { values } = parseArgs({
    options: {
      clients: { type: "string", default: "40000" },
      workers: { type: "string", default: "4" },
      rounds: { type: "string", default: "3" },
      binary: { type: "string", default: join(dirname(import.meta.dir), "dist", "proxy") },
      engine: { type: "string", default: "" },
      verbs: { type: "string", default: "upgrade,reload" },
    },
  });
  const clients = Number(values.clients);
  const subject = await startSubject(values.binary, values.workers, values.engine);
  const crowds = await startCrowds(subject.port, clients);
  const probe = startTalker([process.execPath, load("stall-probe.ts"), String(subject.port)]);
  const ask = async (): Promise<StallReport> => {
    probe.say("report");
    return JSON.parse(await probe.line(REPORT_MS, "the probe")) as StallReport;
  };
  const rows: Row[] = [];
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const verb of ["nothing", ...values.verbs.split(",")]) {
      process.stderr.write(`round ${round}: ${verb}\n`);
      await ask();
      const fromMs = Date.now();
      const moved = await change(subject, verb, round);
      await Bun.sleep(SETTLE_MS);
      const report = await ask();
      rows.push({
        ...{ what: verb, orderedMs: fromMs, moved, report },
        turns: turnsSince(subject, fromMs),
      });
      const { p99, maxLessOwn, over20LessStolen } = report;
      process.stderr.write(
        `  ${moved} p99 ${ms(p99)}, max ${ms(maxLessOwn)}, ${over20LessStolen} over 20 ms without what the host took\n`,
      );
    }
  }
  const alive = await countAlive(crowds);
  const { cores, cpu, kernel, bun, commit, loadAtStart } = await machineFacts();
  process.stdout.write(
    `${cores} cores (${cpu}), Linux ${kernel}, Bun ${bun}, commit ${commit}, load ${loadAtStart.toFixed(1)} before; ` +
      `${values.workers} workers, ${clients} idle clients, of which ${alive} work at the end\n\n`,
  );
  process.stdout.write(`${table(rows)}\n${explained(rows)}`);
}

const load = (name: string): string => join(import.meta.dir, "load", name);

async function startSubject(binary: string, workers: string, engine: string): Promise<Subject> {
  const program = join(runDirectory(), "proxy");
  copyFileSync(binary, program);
  const server = await startServer("redis", await freePort());
  const port = await freePort();
  const config = join(runDirectory(), "stall.yaml");
  const pools = HOSTS.map(
    (host, i) => `  p${i}: { listen: "${host}:${port}", servers: ["127.0.0.1:${server.port}:1"] }`,
  );
  const top = engine === "" ? [] : [`engine: ${engine}`];
  const control = `control: ${join(runDirectory(), "control")}`;
  writeFileSync(
    config,
    [...top, control, `workers: ${workers}`, "pools:", ...pools, ""].join("\n"),
  );
  const library = await compileTurns();
  const turnsLog = library === null ? null : join(runDirectory(), "turns");
  const wrapper =
    library === null ? [] : ["env", `LD_PRELOAD=${library}`, `PROXY_TURNS_LOG=${turnsLog}`];
  const child = startChild("proxy", [...wrapper, program, "-c", config, "--reuseport"]);
  const isUp = await waitForPort(port, child.hasExited);
  for (const endMs = Date.now() + START_MS; !child.logTail().includes("supervisor ready"); ) {
    if (!isUp || Date.now() > endMs)
      throw new Error(`the proxy does not start:\n${child.logTail()}`);
    await Bun.sleep(50);
  }
  return { program, config, port, turnsLog, child };
}

/** Null: there is no C compiler. */
async function compileTurns(): Promise<string | null> {
  const library = join(runDirectory(), "turns.so");
  try {
    await runToEnd(["cc", "-O2", "-shared", "-fPIC", "-o", library, load("turns.c")], START_MS);
    return library;
  } catch (error) {
    process.stderr.write(`turns are not written down: ${(error as Error).message}\n`);
    return null;
  }
}

async function startCrowds(port: number, clients: number): Promise<Talker[]> {
  const crowds: Talker[] = [];
  for (let left = clients; left > 0; left -= PER_CROWD) {
    const order: IdleCrowdOrder = { hosts: HOSTS, port, connections: Math.min(left, PER_CROWD) };
    const crowd = startTalker([process.execPath, load("idle-crowd.ts"), JSON.stringify(order)]);
    await crowd.line(CROWD_MS, "idle clients");
    crowds.push(crowd);
  }
  return crowds;
}

async function countAlive(crowds: readonly Talker[]): Promise<number> {
  let alive = 0;
  for (const crowd of crowds) {
    crowd.say("ping");
    alive += Number(await crowd.line(CROWD_MS, "idle clients"));
  }
  return alive;
}

/** @returns what it says of itself */
async function change({ program, config }: Subject, verb: string, round: number): Promise<string> {
  if (verb === "nothing") {
    await Bun.sleep(QUIET_MS);
    return "";
  }
  if (verb === "reload") {
    const text = readFileSync(config, "utf8").replace(/\n# round .*/, "");
    writeFileSync(
      config,
      `${text.replace(/, timeout: \d+/g, "").replaceAll(" }", `, timeout: ${4000 + round} }`)}`,
    );
  }
  const output = await runToEnd([program, verb, "-c", config, "--json"], CHANGE_MS, verb);
  const last = output.trim().split("\n").at(-1) ?? "{}";
  const said = JSON.parse(last) as Record<string, Record<string, number>>;
  const { moved, lost, tookMs } = said["generation"] ?? said["crew"] ?? said;
  return `${moved} in ${(Number(tookMs) / 1000).toFixed(1)} s, ${lost} lost`;
}

function turnsSince({ turnsLog }: Subject, sinceMs: number): Turn[] | null {
  if (turnsLog === null) return null;
  if (!existsSync(turnsLog)) return [];
  return readFileSync(turnsLog, "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const [from, pid, what, wall, cpu, wait, ...name] = line.split(" ");
      return {
        ...{ fromMs: Number(from), wallMs: Number(wall), cpuMs: Number(cpu), waitMs: Number(wait) },
        ...{ isTurn: what === "cpu", process: `${name.join(" ")} ${pid}` },
      };
    })
    .filter(({ fromMs }) => fromMs >= sinceMs);
}

function table(rows: readonly Row[]): string {
  const head = [
    ...["during", "moved", "stall p50", "p99", "p99.9", "max"],
    ...["over 20 ms", "without what the host took"],
    ...["longest turns, CPU ms", `turns over ${TURN_LONG_MS}`, "longest wait for a core"],
  ];
  const lines = rows.map(({ what, orderedMs, moved, report, turns }) => {
    const longest = (turns ?? []).filter(({ isTurn }) => isTurn).sort((a, b) => b.cpuMs - a.cpuMs);
    const waits = (turns ?? []).map(({ waitMs }) => waitMs);
    const seen = [
      longest
        .slice(0, 3)
        .map(({ cpuMs, process, fromMs }) => `${ms(cpuMs)} ${process} ${after(fromMs, orderedMs)}`)
        .join(", "),
      `${longest.filter(({ cpuMs }) => cpuMs > TURN_LONG_MS).length}`,
      ms(Math.max(0, ...waits)),
    ];
    return [
      ...[what, moved, ms(report.p50), ms(report.p99), ms(report.p999), ms(report.maxLessOwn)],
      ...[`${report.over20LessOwn} of ${report.requests}`, `${report.over20LessStolen}`],
      ...(turns === null ? ["?", "?", "?"] : seen),
    ];
  });
  return [head, head.map(() => "---"), ...lines].map((row) => `| ${row.join(" | ")} |\n`).join("");
}

/** What the proxy's event loops did during the longest stalls. */
function explained(rows: readonly Row[]): string {
  const lines: string[] = [];
  for (const { what, orderedMs, report, turns } of rows) {
    if (what === "nothing" || turns === null) continue;
    const seen: Stall[] = [];
    for (const stall of report.stalls) {
      const { fromMs, toMs, ownMs, stolenMs } = stall;
      if (seen.some((other) => fromMs < other.toMs && toMs > other.fromMs)) continue;
      seen.push(stall);
      if (seen.length > EXPLAINED_STALLS) break;
      const within = turns
        .filter((turn) => turn.fromMs < toMs && turn.fromMs + turn.wallMs > fromMs)
        .sort((a, b) => b.wallMs - a.wallMs)
        .slice(0, EXPLAINING_TURNS);
      const texts = within.map(
        ({ isTurn, cpuMs, waitMs, process }) =>
          `${process} ${isTurn ? `turn ${ms(cpuMs)}, ` : ""}wait ${ms(waitMs)}`,
      );
      const lasted = `${ms(toMs - fromMs)} ms, of which the probe's own ${ms(ownMs)}, taken by the host ${ms(stolenMs)}`;
      const text = texts.length === 0 ? "no long turn or wait" : texts.join("; ");
      lines.push(`${what}, ${after(fromMs, orderedMs)}: ${lasted}: ${text}\n`);
    }
  }
  return lines.join("");
}

const ms = (value: number): string => value.toFixed(1);
const after = (atMs: number, orderedMs: number): string =>
  `after ${((atMs - orderedMs) / 1000).toFixed(2)} s`;

try {
  await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await stopAll();
}
