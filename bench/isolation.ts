/**
 * What clients of a pool notice when the workers of another die again and again, or one of them hangs in a loop: `bun bench/isolation.ts [--seconds 10]
 * [--binary NAME=PATH …]`, Markdown on stdout.
 *
 * One Redis server and one proxy with two pools, of which the second has a worker of its own (and, to compare, has not). 200 GETs a second go to
 * the first: for some seconds in which nothing happens, then while the second's worker is killed whenever it has come, and then while a
 * filter of the second pool loops without an end, until the watchdog kills its worker.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { runDirectory, startChild, stopAll, stopChild } from "./children.ts";
import type { PoliteReport } from "./load/polite-probe.ts";
import { machineFacts } from "./machine.ts";
import { figure, table } from "./markdown.ts";
import { POLITE_PER_SECOND, startProbe } from "./probe.ts";
import { processTree, requireProc } from "./proc.ts";
import { startServer } from "./servers.ts";
import { encode, freePort, waitForPort } from "./wire.ts";

const KILL_STEP_MS = 50;
const WATCHDOG_MS = 20_000;
const SETTLE_MS = 1_000;
const TEST_KEY = "key";
const LOOP = `import { defineFilter } from "proxy/module";
export default defineFilter({
  api: 1,
  name: "loop",
  start: () => ({
    request(r) {
      while (r.keyCount > 0 && r.keyStartsWith(0, "loop"));
    },
  }),
});
`;

interface Row {
  readonly name: string;
  readonly what: string;
  readonly polite: PoliteReport;
  /** Processes that came in place of others. */
  readonly replaced: number;
}

async function main(): Promise<void> {
  requireProc();
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "10" },
      binary: { type: "string", multiple: true },
    },
  });
  const own = `proxy=${join(dirname(import.meta.dir), "dist", "proxy")}`;
  const rows: Row[] = [];
  for (const given of values.binary ?? [own]) {
    for (const isApart of [true, false]) {
      rows.push(...(await measure(given, isApart, Number(values.seconds) * 1000)));
    }
  }
  const { cores, cpu, kernel, bun, commit } = await machineFacts();
  process.stdout.write(
    `${cores} cores (${cpu}), Linux ${kernel}, Bun ${bun}, commit ${commit}; ${POLITE_PER_SECOND} requests/s\n\n${inTable(rows)}\n`,
  );
}

async function measure(given: string, isApart: boolean, forMs: number): Promise<Row[]> {
  const [binary = "", path = ""] = given.split("=");
  const name = `${binary}, ${isApart ? "own worker" : "shared"}`;
  const server = await startServer("redis", await freePort());
  const [port, other] = [await freePort(), await freePort()];
  const config = join(runDirectory(), "isolation.yaml");
  writeFileSync(join(runDirectory(), "loop.ts"), LOOP);
  writeFileSync(
    config,
    `workers: 1
modules: [./loop.ts]
control: ${join(runDirectory(), "isolation.control")}
pools:
  bench: { listen: "127.0.0.1:${port}", servers: ["127.0.0.1:${server.port}:1"] }
  apart:
    listen: 127.0.0.1:${other}
    servers: ["127.0.0.1:${server.port}:1"]
    filters: [loop]
${isApart ? "    workers: { own: 1 }\n" : ""}`,
  );
  const child = startChild(name, [path, "-c", config]);
  if (!(await waitForPort(port, child.hasExited))) {
    throw new Error(`${name} does not accept connections:\n${child.logTail()}`);
  }
  const workers = (): number[] =>
    processTree(child.pid)
      .map(({ pid }) => pid)
      .filter((pid) => titleOf(pid).startsWith("proxy worker"));
  const victim = (): number | undefined =>
    workers().find((pid) => titleOf(pid) === `proxy worker ${isApart ? 1 : 0}`);
  const steady = workers().filter((pid) => pid !== victim());
  const processes = [child.pid, ...steady, server.child.pid];
  const subject = { name, port, child, processes };
  const probe = startProbe(subject, encode("GET", TEST_KEY), "$-1\r\n");
  await Bun.sleep(SETTLE_MS);
  await probe.report();
  const rows: Row[] = [];
  const phase = async (what: string, act: () => Promise<number>): Promise<void> => {
    process.stderr.write(`${name}: ${what}\n`);
    const [replaced] = await Promise.all([act(), Bun.sleep(forMs)]);
    rows.push({ name, what, polite: await probe.report(), replaced });
  };
  await phase("quiet", () => Promise.resolve(0));
  await phase("killed", () => killAgain(victim, forMs));
  await phase("in a loop", () => hang(other, victim));
  await probe.end();
  await stopChild(child);
  await stopChild(server.child);
  return rows;
}

/** @returns how many were killed */
async function killAgain(victim: () => number | undefined, forMs: number): Promise<number> {
  const endMs = performance.now() + forMs;
  let killed = 0;
  while (performance.now() < endMs) {
    const pid = victim();
    if (pid !== undefined) {
      process.kill(pid, "SIGKILL");
      killed++;
    }
    await Bun.sleep(KILL_STEP_MS);
  }
  return killed;
}

/** @returns 1 when another has come in place of the one that loops; 0: it has not in time */
async function hang(port: number, victim: () => number | undefined): Promise<number> {
  const endMs = performance.now() + WATCHDOG_MS;
  while (!(await ask(port, "PING"))) {
    if (performance.now() > endMs) return 0;
    await Bun.sleep(KILL_STEP_MS);
  }
  const before = victim();
  void ask(port, "GET", "loop");
  while (performance.now() < endMs) {
    await Bun.sleep(KILL_STEP_MS);
    const pid = victim();
    if (pid !== undefined && pid !== before) return 1;
  }
  return 0;
}

/** @returns whether it was answered before the connection ended */
function ask(port: number, ...words: string[]): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, "127.0.0.1", () =>
    socket.write(encode(words[0]!, ...words.slice(1))),
  );
  socket.on("data", () => socket.destroy());
  socket.once("data", () => resolve(true));
  socket.on("error", () => resolve(false));
  socket.on("close", () => resolve(false));
  return promise;
}

function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "latin1").trim();
  } catch {
    return "";
  }
}

function inTable(rows: readonly Row[]): string {
  const head = ["", "the other pool's worker", "p50 ms", "p99", "p99.9", "longest"];
  const lines = rows.map(({ name, what, polite, replaced }) => [
    ...[name, what, figure(polite.p50), figure(polite.p99), figure(polite.p999)],
    ...[figure(Math.max(polite.max, polite.oldestMs)), String(polite.waiting + polite.faults)],
    String(replaced),
  ]);
  return table([...head, "not answered", "replaced"], lines);
}

try {
  await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await stopAll();
}
