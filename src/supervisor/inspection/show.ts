/** What clients see with `PROXY SHOW TABLE` and `stats proxy TABLE`, where their pool allows it: of that pool, and of the processes. */
import type { ControlResult } from "../../api/control-socket.ts";
import type { ClientReport, ShownRow, ShownTable } from "../../api/inspection.ts";
import { healthOf } from "../../api/stats.ts";
import { ADMIN_RENDER_MS } from "../../base/limits.ts";
import { isDrained } from "../../config/drained.ts";
import { latencyRows, percentilesOf } from "../../metrics/latency-rows.ts";
import { type ProcessFacts, readProcess } from "../../os/process-facts.ts";
import { StartError } from "../start-error.ts";
import { configGet } from "../steering/config-orders.ts";
import type { ChangeTarget } from "../supervisor-options.ts";
import { resetTracking, showTracking, startTracking, stopTracking } from "./hotkeys-command.ts";
import { shownPools } from "./inspection-requests.ts";

type Show = (
  target: ChangeTarget,
  pool: string,
  /** What stands behind the table's name. */
  words: readonly string[],
) => readonly ShownRow[] | Promise<readonly ShownRow[]>;

const CLIENTS_SHOWN = 100;
const SLOW_SHOWN = 50;
/** As many as a Redis server keeps, unless it is told otherwise. */
const SLOW_LONG = 128;
const KEYS_SHOWN = 50;
const ANY = { address: null, name: null, user: null, state: null };

/** In the order of HELP. */
const TABLES: Readonly<Record<string, { readonly help: string; readonly show: Show }>> = {
  POOLS: {
    help: "the pool: clients, requests, failures, and maxwait: the longest wait now, and whose",
    show: showPool,
  },
  SERVERS: {
    help: "the pool's servers: state, connections, requests, queues, trouble",
    show: showServers,
  },
  CLIENTS: {
    help: `the pool's clients, the ${CLIENTS_SHOWN} with the most requests`,
    show: showClients,
  },
  WORKERS: { help: "the processes: state, clients, age, deaths", show: showWorkers },
  LATENCY: {
    help: "percentiles in microseconds, since the proxy started (`proxy latency --for 10s`: of ten seconds)",
    show: showLatency,
  },
  SLOWLOG: {
    help: `the last ${SLOW_SHOWN} slow requests, times in microseconds`,
    show: showSlowLog,
  },
  HOTKEYS: {
    help: `the ${KEYS_SHOWN} keys that most requests ask for, of the last minute`,
    show: showHotKeys,
  },
  BIGKEYS: { help: `the ${KEYS_SHOWN} largest keys that were noticed`, show: showBigKeys },
  CONFIG: { help: "the pool's options as they hold now", show: showConfig },
  MEM: {
    help: "memory and CPU time of the processes",
    show: (target) => showFacts(target, memory),
  },
  FDS: { help: "open files of the processes", show: (target) => showFacts(target, openFiles) },
  HELP: {
    help: "this; over RESP, TEXT behind a table's name gives lines for people",
    show: () => Object.entries(TABLES).map(([table, { help }]) => ({ table, help })),
  },
};

interface Other {
  readonly show: Show;
  /** What was shown before does not hold any more. */
  readonly changes: boolean;
}

/** For commands of protocols, not for humans: these are in no list. Each name is two words. */
const OTHERS: Readonly<Record<string, Other>> = {
  "SLOWLOG LONG": {
    show: ({ resources }, pool) => slowRows(resources, pool, SLOW_LONG),
    changes: false,
  },
  "SLOWLOG RESET": {
    show({ resources }, pool) {
      resources.slowLog.reset(pool);
      return [];
    },
    changes: true,
  },
  "LATENCY BUCKETS": { show: showBuckets, changes: false },
  "HOTKEYS START": { show: startTracking, changes: true },
  "HOTKEYS STOP": { show: stopTracking, changes: true },
  "HOTKEYS RESET": { show: resetTracking, changes: true },
  "HOTKEYS GET": { show: showTracking, changes: false },
};

export class Showing {
  readonly #target: ChangeTarget;
  /** Made a moment ago, by pool and table. */
  readonly #made: Map<string, { readonly table: Promise<ShownTable>; readonly atMs: number }> =
    new Map();

  constructor(target: ChangeTarget) {
    this.#target = target;
  }

  /** However many ask, a table is made once in a while. @param name in any case */
  show(pool: string, name: string): Promise<ShownTable> {
    const wanted = name.toUpperCase();
    const found = showOf(wanted);
    if (found === null) {
      const names = Object.keys(TABLES).join(", ");
      return Promise.resolve({ problem: `there is no such table; there are ${names}` });
    }
    const key = `${wanted} ${pool}`;
    const made = this.#made.get(key);
    const nowMs = performance.now();
    if (!found.changes && made !== undefined && nowMs - made.atMs < ADMIN_RENDER_MS) {
      return made.table;
    }
    const rows = this.#make(found, pool);
    // What was made before a reset must not be shown after it.
    if (found.changes) this.#made.clear();
    else this.#made.set(key, { table: rows, atMs: nowMs });
    return rows;
  }

  async #make({ show, words }: FoundShow, pool: string): Promise<ShownTable> {
    try {
      return { rows: await show(this.#target, pool, words) };
    } catch (error) {
      if (error instanceof StartError) return { problem: error.problems.join("; ") };
      throw error;
    }
  }
}

interface FoundShow extends Other {
  readonly words: readonly string[];
}

/** Null: there is no such table. */
function showOf(name: string): FoundShow | null {
  if (Object.hasOwn(TABLES, name)) return { show: TABLES[name]!.show, changes: false, words: [] };
  const [first, second, ...words] = name.split(" ");
  const other = `${first} ${second}`;
  return Object.hasOwn(OTHERS, other) ? { ...OTHERS[other]!, words } : null;
}

function figuresOf({ resources, config }: ChangeTarget, pool: string) {
  return resources.stats.figures(config).filter(({ name }) => name === pool);
}

async function showPool(target: ChangeTarget, pool: string): Promise<readonly ShownRow[]> {
  const [longest] = (await clientsOf(target, pool, "wait", 1)).rows;
  const { waitMs = 0 } = longest ?? {};
  return figuresOf(target, pool).map(({ name, counters }) => ({
    ...{ pool: name, ...counters },
    maxwait_us: Math.round(waitMs * 1000),
    maxwait_client: waitMs > 0 ? (longest?.id ?? 0) : 0,
    maxwait_address: waitMs > 0 ? (longest?.address ?? "") : "",
  }));
}

function showServers(target: ChangeTarget, pool: string): readonly ShownRow[] {
  const { levers } = target.steering;
  const listed = target.running.pools.find(({ name }) => name === pool)?.servers ?? [];
  return figuresOf(target, pool).flatMap(({ servers }) =>
    servers.map(({ name, counters, trouble }) => {
      const address = listed.find((server) => server.name === name)?.address ?? null;
      const isHeld = isDrained(levers, { pool, name, address });
      const owes = counters.server_connections > 0 || counters.out_queue > 0;
      return {
        ...{ server: name, ...counters, state: healthOf(counters.health) ?? "" },
        ...{ trouble: trouble?.kind ?? "", drain: isHeld ? (owes ? "draining" : "drained") : "" },
      };
    }),
  );
}

async function clientsOf(
  { generations }: ChangeTarget,
  pool: string,
  order: "wait" | "requests",
  limit: number,
): Promise<ClientReport> {
  return await generations.inspector.clients({ ...ANY, pool, order, limit });
}

async function showClients(target: ChangeTarget, pool: string): Promise<readonly ShownRow[]> {
  const { rows } = await clientsOf(target, pool, "requests", CLIENTS_SHOWN);
  return rows.map((row) => ({ ...row }));
}

function showWorkers({ generations }: ChangeTarget): readonly ShownRow[] {
  return generations.statuses.map(({ name, pid, state, clients, ageMs, respawns }) => ({
    ...{ process: name, pid: pid ?? 0, state, clients, age_ms: ageMs ?? 0, respawns },
  }));
}

function showLatency({ resources }: ChangeTarget, pool: string): readonly ShownRow[] {
  return latencyRows(resources.stats.sets())
    .filter((row) => row.pool === pool)
    .map(({ of, time, figures }) => ({
      ...{ of, time, count: figures.count, ...rounded(percentilesOf(figures)) },
    }));
}

/** Of each family the requests that took less, in powers of two of microseconds, up to the first that has all. */
function showBuckets({ resources }: ChangeTarget, pool: string): readonly ShownRow[] {
  return latencyRows(resources.stats.sets())
    .filter((row) => row.pool === pool && row.time === "total" && row.of !== "all")
    .flatMap(({ of, figures: { buckets, count } }) => {
      const rows: ShownRow[] = [];
      let [at, below] = [0, 0];
      for (let us = 1; below < count && at < buckets.length; us *= 2) {
        for (; at < buckets.length && buckets[at]![0] < us; at++) below += buckets[at]![1];
        if (below > 0) rows.push({ family: of, us, below });
      }
      return rows;
    });
}

function rounded(values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, us]) => [name, Math.round(us)]));
}

function showSlowLog({ resources }: ChangeTarget, pool: string): readonly ShownRow[] {
  return slowRows(resources, pool, SLOW_SHOWN);
}

function slowRows(
  { slowLog }: ChangeTarget["resources"],
  pool: string,
  count: number,
): readonly ShownRow[] {
  const { entries } = slowLog.read({ after: 0, count, pool });
  return entries.toReversed().map((entry) => {
    const { queueUs, serverUs, server, key, failure, ...rest } = entry;
    return {
      ...{ ...rest, queueUs: queueUs ?? 0, serverUs: serverUs ?? 0, server: server ?? "" },
      ...{ key: key ?? "", failure: failure ?? "" },
    };
  });
}

function showHotKeys({ resources, running }: ChangeTarget, pool: string): readonly ShownRow[] {
  const { rows } = resources.keys.hot(shownPools(running, pool), KEYS_SHOWN);
  return rows.map(({ key, server, command, requests, perSecond, share, bytes }) => ({
    ...{ key, server: server ?? "", command, requests, per_second: Math.round(perSecond) },
    ...{ percent: Math.round(share * 1000) / 10, bytes },
  }));
}

function showBigKeys({ resources, running }: ChangeTarget, pool: string): readonly ShownRow[] {
  const wanted = { limit: KEYS_SHOWN, order: "bytes" } as const;
  const { rows } = resources.keys.big(shownPools(running, pool), wanted);
  return rows.map(({ key, server, command, bytes, elements, seen, atMs, client, address }) => ({
    ...{ key, server: server ?? "", command, bytes, elements: elements ?? -1, seen, atMs },
    ...{ client, address },
  }));
}

function showConfig(target: ChangeTarget, pool: string): readonly ShownRow[] {
  const result: ControlResult = configGet(target, { verb: "config_get", path: null });
  if (!result.ok || result.verb !== "config_get") return [];
  const own = `pools.${pool}.`;
  return result.options
    .filter(({ path }) => path.startsWith(own))
    .map(({ path, text, isLive, setting }) => ({
      ...{ option: path.substring(own.length), value: text, live: isLive ? 1 : 0 },
      set: setting === null ? 0 : 1,
    }));
}

function showFacts(
  { generations, admin }: ChangeTarget,
  shown: (facts: ProcessFacts) => ShownRow,
): readonly ShownRow[] {
  const children = [...generations.statuses, ...admin.statuses];
  return [{ name: "supervisor", pid: process.pid }, ...children].flatMap(({ name, pid }) => {
    const facts = pid === null ? null : readProcess(pid);
    return facts === null ? [] : [{ process: name, ...shown(facts) }];
  });
}

function memory({ residentBytes, cpuSeconds }: ProcessFacts): ShownRow {
  return { resident_bytes: residentBytes, cpu_ms: Math.round(cpuSeconds * 1000) };
}

function openFiles({ openFiles: count }: ProcessFacts): ShownRow {
  return { open_files: count ?? -1 };
}
