/**
 * What each accept mode costs and how evenly it spreads clients: `bun bench/accept.ts [--rounds N] [--modes a,b]`, Markdown
 * on stdout.
 *
 * steady: one client after the other connects and says nothing; wake-ups (voluntary context switches of the event loops'
 *   threads, the acceptor's included) and CPU time, less what the same processes use when nothing happens, per client.
 * burst: all clients connect at once and ask one question; when the last one has its answer.
 *
 * All proxies of a round run one after the other, and rounds are interleaved, so that noise meets all of them.
 */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { runDirectory, runToEnd, startChild, stopAll, stopChild } from "./children.ts";
import { machineFacts } from "./machine.ts";
import { cpuBetween, cpuSnapshot, type ProcessId, processTree, requireProc } from "./proc.ts";
import { median } from "./statistics.ts";
import { freePort, waitForPort } from "./wire.ts";

const MODES = ["reuseport", "shared", "mutex", "dispatch"] as const;
const WORKERS = [2, 4, 8] as const;
const CLIENTS = [50, 1000] as const;
const STEADY_GAP_MS = 2;
const SETTLE_MS = 150;
const IDLE_MS = 1_000;
/** A client's id is a multiple of this plus the number of its worker's birth. */
const CLIENT_ID_STEP = 4096;
const ASK_TIMEOUT_MS = 20_000;

interface Round {
  readonly wakesPerClient: number;
  readonly cpuUsPerClient: number;
  readonly steadySpread: readonly number[];
  readonly burstSpread: readonly number[];
  readonly burstMs: number;
}

interface Cell {
  readonly mode: string;
  readonly workers: number;
  readonly clients: number;
  readonly rounds: Round[];
}

interface Usage {
  readonly wakes: number;
  readonly cpuNs: number;
}

/** One connection. `worker` resolves with the number of the worker that answers. */
interface Client {
  worker(): Promise<number>;
  close(): void;
}

async function main(): Promise<void> {
  requireProc();
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      modes: { type: "string", default: MODES.join() },
    },
  });
  const program = await executable();
  const cells: Cell[] = values.modes
    .split(",")
    .flatMap((mode) =>
      WORKERS.flatMap((workers) =>
        CLIENTS.map((clients) => ({ mode, workers, clients, rounds: [] as Round[] })),
      ),
    );
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const cell of cells) {
      process.stderr.write(`round ${round}: ${cell.mode} ${cell.workers} × ${cell.clients}\n`);
      cell.rounds.push(await measure(program, cell));
    }
  }
  const { cores, cpu, kernel, bun, commit } = await machineFacts();
  process.stdout.write(`${cores} cores (${cpu}), Linux ${kernel}, Bun ${bun}, commit ${commit}; `);
  process.stdout.write(`median of ${values.rounds} rounds\n\n${table(cells)}`);
}

async function measure(program: string, cell: Cell): Promise<Round> {
  const port = await freePort();
  const config = join(runDirectory(), "accept.yaml");
  const pool = `  a: { listen: "127.0.0.1:${port}", servers: ["127.0.0.1:1:1"] }`;
  writeFileSync(config, `accept: ${cell.mode}\nworkers: ${cell.workers}\npools:\n${pool}\n`);
  const child = startChild(`${cell.mode}-${cell.workers}`, [program, "-c", config]);
  try {
    if (!(await waitForPort(port, child.hasExited))) throw new Error(child.logTail());
    await ready(() => child.logTail().includes(" supervisor ready "));
    await Bun.sleep(SETTLE_MS);
    const serving = processTree(child.pid).filter(({ pid }) => isServing(pid));
    const steady = await runSteady(port, cell, serving);
    await Bun.sleep(SETTLE_MS);
    const burst = await runBurst(port, cell);
    return { ...steady, ...burst };
  } finally {
    await stopChild(child);
  }
}

async function runSteady(
  port: number,
  cell: Cell,
  serving: readonly ProcessId[],
): Promise<Pick<Round, "wakesPerClient" | "cpuUsPerClient" | "steadySpread">> {
  const idle = await usageDuring(serving, () => Bun.sleep(IDLE_MS));
  const clients: Client[] = [];
  const busy = await usageDuring(serving, async () => {
    for (let i = 0; i < cell.clients; i++) {
      clients.push(await connect(port));
      await Bun.sleep(STEADY_GAP_MS);
    }
    await Bun.sleep(SETTLE_MS);
  });
  const share = busy.ms / idle.ms;
  const spread = await spreadOf(clients, cell.workers);
  for (const client of clients) client.close();
  return {
    wakesPerClient: (busy.wakes - idle.wakes * share) / cell.clients,
    cpuUsPerClient: (busy.cpuNs - idle.cpuNs * share) / 1000 / cell.clients,
    steadySpread: spread,
  };
}

async function runBurst(port: number, cell: Cell): Promise<Pick<Round, "burstMs" | "burstSpread">> {
  const startedAt = performance.now();
  const clients = await Promise.all(Array.from({ length: cell.clients }, () => connect(port)));
  const burstSpread = await spreadOf(clients, cell.workers);
  const burstMs = performance.now() - startedAt;
  for (const client of clients) client.close();
  return { burstMs, burstSpread };
}

async function usageDuring(
  processes: readonly ProcessId[],
  act: () => Promise<void>,
): Promise<Usage & { readonly ms: number }> {
  const startedAt = performance.now();
  const wakes = wakeUps(processes);
  const cpu = cpuSnapshot(processes);
  await act();
  return {
    wakes: wakeUps(processes) - wakes,
    cpuNs: cpuBetween(cpu, cpuSnapshot(processes)),
    ms: performance.now() - startedAt,
  };
}

/** How often the event loops went to sleep, which is how often they were woken. */
function wakeUps(processes: readonly ProcessId[]): number {
  return processes.reduce((sum, { pid }) => {
    const status = readFileSync(`/proc/${pid}/task/${pid}/status`, "latin1");
    return sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
  }, 0);
}

function isServing(pid: number): boolean {
  return /worker|acceptor/.test(readFileSync(`/proc/${pid}/comm`, "latin1"));
}

/** Clients of each worker, largest first. */
async function spreadOf(clients: readonly Client[], workers: number): Promise<number[]> {
  const counts = new Array<number>(workers).fill(0);
  for (const worker of await Promise.all(clients.map((client) => client.worker()))) {
    counts[worker] = (counts[worker] ?? 0) + 1;
  }
  return counts.sort((a, b) => b - a);
}

async function connect(port: number): Promise<Client> {
  const answer = Promise.withResolvers<number>();
  let text = "";
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_socket, chunk) {
        text += chunk.toString("latin1");
        if (text.endsWith("\r\n")) answer.resolve(Number(text.substring(1)) % CLIENT_ID_STEP);
      },
      close: () => answer.reject(new Error("a client was cut off")),
    },
  });
  answer.promise.catch(() => {});
  return {
    async worker() {
      socket.write("CLIENT ID\r\n");
      const timeout = Bun.sleep(ASK_TIMEOUT_MS).then(() => {
        throw new Error("a client got no answer");
      });
      timeout.catch(() => {});
      return await Promise.race([answer.promise, timeout]);
    },
    close: () => void socket.end(),
  };
}

async function ready(isReady: () => boolean): Promise<void> {
  for (let attempt = 0; !isReady(); attempt++) {
    if (attempt > 500) throw new Error("the proxy does not start");
    await Bun.sleep(20);
  }
}

/** A copy: building again while this runs must not change what it measures. */
async function executable(): Promise<string> {
  const root = dirname(import.meta.dir);
  const built = join(root, "dist", "proxy");
  if (!existsSync(built)) await runToEnd([process.execPath, join(root, "build.ts")], 120_000);
  const copy = join(runDirectory(), "proxy");
  copyFileSync(built, copy);
  return copy;
}

function table(cells: readonly Cell[]): string {
  const head = [
    "mode",
    "workers",
    "clients",
    "wake-ups per client",
    "CPU µs per client",
    "steady: most and fewest per worker",
    "burst: most and fewest",
    "burst: all answered after ms",
  ];
  const rows = cells.map(({ mode, workers, clients, rounds }) => [
    mode,
    `${workers}`,
    `${clients}`,
    median(rounds.map((round) => round.wakesPerClient)).toFixed(2),
    median(rounds.map((round) => round.cpuUsPerClient)).toFixed(0),
    extremes(rounds.map((round) => round.steadySpread)),
    extremes(rounds.map((round) => round.burstSpread)),
    median(rounds.map((round) => round.burstMs)).toFixed(0),
  ]);
  const lines = [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}

function extremes(spreads: readonly (readonly number[])[]): string {
  const most = median(spreads.map((spread) => spread[0] ?? 0));
  const fewest = median(spreads.map((spread) => spread.at(-1) ?? 0));
  return `${most} / ${fewest}`;
}

try {
  await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await stopAll();
}
