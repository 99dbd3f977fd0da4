/** What moving keys costs: how long a million take, how others wait meanwhile, and what a request costs when its key may have to move. */
import { freePort } from "../../test/support/free-port.ts";
import { homeOf, MigrationRig } from "../../test/support/migration/rig.ts";
import type { RespClient } from "../../test/support/resp-client.ts";
import { cpuBetween, cpuSnapshot, processTree } from "../proc.ts";
import { median, percentile } from "../statistics.ts";

const PROBE_MS = 5;
const DEPTH = 16;
const KEYS_ASKED = 500;

export interface SweepFigures {
  readonly keys: number;
  readonly seconds: number;
  /** Of requests that have nothing to do with it, in ms. */
  readonly quietP99: number;
  readonly sweepP99: number;
  readonly quietP50: number;
  readonly sweepP50: number;
}

/** So many small keys leave one server for another, while a client of another pool asks a third. @param rate null: as by default */
export async function measureSweep(keys: number, rate: number | null): Promise<SweepFigures> {
  const rig = new MigrationRig();
  try {
    const args = ["--enable-debug-command", "yes"];
    await rig.startServers(3, args);
    const lines = rate === null ? [] : [`migrate_rate: ${rate}`];
    const other = freePort();
    rig.more = [
      "  other:",
      `    listen: 127.0.0.1:${other}`,
      `    servers: ["127.0.0.1:${rig.servers[2]!.port}:1 s2"]`,
    ];
    await rig.start([0], ...lines);
    const direct = await rig.connect(rig.servers[0]!.port);
    await direct.ask("DEBUG", "POPULATE", `${keys}`, "small", "20");
    const moving = Number((await direct.ask("DBSIZE")).substring(1));
    const staying = "stays";
    const client = await rig.connect(other);
    await client.ask("SET", staying, "v");
    const quiet = await probe(client, staying, async () => await Bun.sleep(10_000));
    await rig.changeTo([1], ...lines);
    await rig.untilMoving();
    const startedMs = performance.now();
    const swept = await probe(client, staying, async () => {
      while ((await rig.statuses()).length > 0) await Bun.sleep(500);
    });
    const seconds = (performance.now() - startedMs) / 1_000;
    return {
      ...{ keys: moving, seconds, quietP99: percentile(quiet, 0.99) },
      ...{ sweepP99: percentile(swept, 0.99), quietP50: percentile(quiet, 0.5) },
      sweepP50: percentile(swept, 0.5),
    };
  } finally {
    await rig.stop();
  }
}

/** @returns how long each request took, the shortest first */
async function probe(
  client: RespClient,
  key: string,
  until: () => Promise<void>,
): Promise<number[]> {
  const times: number[] = [];
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      const startedMs = performance.now();
      await client.ask("GET", key);
      times.push(performance.now() - startedMs);
      await Bun.sleep(PROBE_MS);
    }
  })();
  await until();
  isOver = true;
  await asking;
  return times.sort((a, b) => a - b);
}

export interface CpuFigures {
  /** CPU of the workers per request, of that to a pool with the same servers whose keys never move. */
  readonly resting: number;
  readonly staying: number;
  readonly moved: number;
}

/** While a migration rests: GET of keys that stay, and of keys that have moved. Median of the ratios of all rounds. */
export async function measureCpu(rounds: number, requests: number): Promise<CpuFigures> {
  const rig = new MigrationRig();
  try {
    await rig.startServers(3);
    const plain = freePort();
    const [a, b] = rig.servers.map(({ port }) => port);
    rig.more = [
      "  plain:",
      `    listen: 127.0.0.1:${plain}`,
      `    servers: ["127.0.0.1:${a}:1 s0", "127.0.0.1:${b}:1 s1"]`,
    ];
    await rig.start([0, 1]);
    const before = [0, 1];
    const after = [0, 1, 2];
    const names = Array.from({ length: 20_000 }, (_, i) => `${(i * 2_654_435_761) % 2 ** 32}:k`);
    const stay = names.filter((name) => homeOf(name, before) === homeOf(name, after));
    const leave = names.filter((name) => homeOf(name, after) === 2);
    const keys = { staying: stay.slice(0, KEYS_ASKED), moved: leave.slice(0, KEYS_ASKED) };
    const client = await rig.connect();
    const other = await rig.connect(plain);
    for (const name of [...keys.staying, ...keys.moved]) await client.ask("SET", name, "v");
    const cost = async (to: RespClient, some: readonly string[]): Promise<number> => {
      const tree = rig.workerPids().flatMap((pid) => processTree(pid));
      const start = cpuSnapshot(tree);
      for (let sent = 0; sent < requests; sent += DEPTH) {
        const batch = Array.from({ length: DEPTH }, (_, i) => some[(sent + i) % some.length]!);
        to.command(...batch.map((name) => ["GET", name] as const));
        await to.replies(DEPTH);
      }
      return cpuBetween(start, cpuSnapshot(tree)) / requests;
    };
    const ratios = async (some: readonly string[]): Promise<number> => {
      const found: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const base = await cost(other, keys.staying);
        found.push((await cost(client, some)) / base);
      }
      return median(found);
    };
    await ratios(keys.staying);
    const resting = await ratios(keys.staying);
    await rig.changeTo(after);
    await rig.command("migration", "pause", "main");
    await rig.untilMoving();
    await cost(client, keys.moved);
    const staying = await ratios(keys.staying);
    return { resting, staying, moved: await ratios(keys.moved) };
  } finally {
    await rig.stop();
  }
}
