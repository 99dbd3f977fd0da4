/** What stands out in an overview: what an operator who looks at all of it would say. */
import type {
  ClientsShown,
  Finding,
  OverviewStatus,
  PoolRow,
  ProcessRow,
  ServerRow,
} from "../../api/overview.ts";

/** What is needed of a row of `/hotkeys`, where there is such a report. */
interface HotKey {
  readonly pool: string;
  readonly key: string;
  readonly perSecond: number;
  readonly share: number;
}

/** The same of `/bigkeys`. */
interface BigKey {
  readonly pool: string;
  readonly key: string;
  readonly command: string;
  readonly bytes: number;
  readonly elements: number | null;
  readonly atMs: number;
}

export interface Found {
  readonly atMs: number;
  readonly status: OverviewStatus | null;
  /** Why no client should come now, in the words of `/ready`. */
  readonly reasons: readonly string[];
  readonly processes: readonly ProcessRow[];
  readonly pools: readonly PoolRow[];
  readonly servers: readonly ServerRow[];
  readonly clients: ClientsShown | null;
  /** By path, see Overview.looks. */
  readonly looks: Readonly<Record<string, unknown>>;
}

/** A server is compared with the others of its pool when it had so many requests a second. */
const RATE_MIN = 1;
/** With fewer the 99th percentile is one of few requests. */
const TAIL_RATE_MIN = 10;
/** It is slow when it takes so many times as long as the one in their middle, and so long at least. */
const SLOW_FACTOR = 5;
const SLOW_US = 2_000;
/** A worker is busy from this share of its core on. */
const BUSY_CPU = 0.9;
/** One worker has too much when it has so many times the average, and is no idle one. */
const UNEVEN_FACTOR = 1.8;
const UNEVEN_CPU = 0.5;
/** One client is noisy when it sends so much of its pool's requests, and so many a second, beside others. */
const NOISY_SHARE = 0.5;
const NOISY_RATE = 100;
const BESIDE_CLIENTS = 3;
/** A key is hot from this share of its pool's requests on, when they are so many a second as make a client noisy. */
const HOT_SHARE = 0.2;
/** A key is told of from this size or length on, and for so long after it was seen last. */
const BIG_BYTES = 512 * 1024;
const BIG_ELEMENTS = 20_000;
const BIG_SHOWN_MS = 600_000;
/** Memory of replies that a client does not take. */
const UNREAD_BYTES = 1024 * 1024;
const DEATH_SHOWN_MS = 300_000;
const FINDINGS_MAX = 12;

const TROUBLES: Readonly<Record<string, string>> = {
  refused: "no connection to it",
  closed: "it closed a connection",
  timeout: "no reply in time",
  handshake: "the handshake with it failed",
  garbage: "a reply that is none",
  probe: "its health checks fail",
  signal: "it answers with errors of its state",
};

export function findingsIn(found: Found): Finding[] {
  const all = [
    ...found.reasons.map((text): Finding => ({ level: "bad", text })),
    ...serversInTrouble(found),
    ...failingPools(found),
    ...slowServers(found),
    ...busyWorkers(found),
    ...loudClients(found),
    ...hotKeys(found),
    ...bigKeys(found),
    ...deaths(found),
    ...heldBack(found),
    ...migrations(found),
  ];
  const grave = { bad: 0, warn: 1, note: 2 };
  return all
    .sort((a, b) => grave[a.level] - grave[b.level])
    .filter((_, index) => index < FINDINGS_MAX);
}

function serversInTrouble({ servers, atMs }: Found): Finding[] {
  return servers.flatMap(({ pool, server, trouble }): Finding[] => {
    if (trouble === null) return [];
    const state = trouble.state === "down" || trouble.state === "probing" ? "down" : "in trouble";
    const what = TROUBLES[trouble.kind ?? ""] ?? "it failed";
    const out = trouble.ejectedBy > 0 ? ", taken out of the ring" : "";
    const age = ageOf(atMs - trouble.sinceMs);
    return [
      { level: "bad", text: `${pool}: server ${server} is ${state} for ${age}: ${what}${out}` },
    ];
  });
}

function failingPools({ pools }: Found): Finding[] {
  return pools
    .filter(({ errorRate }) => errorRate > 0)
    .map(({ pool, errorRate }) => ({
      level: "bad",
      text: `${pool}: ${countOf(errorRate)} requests a second fail`,
    }));
}

function slowServers({ pools, servers }: Found): Finding[] {
  return servers.flatMap((row): Finding[] => {
    if (row.rate < RATE_MIN || row.p99 < SLOW_US) return [];
    const said = `${row.pool}: server ${row.server} is slow`;
    const others = servers.filter(
      (other) => other !== row && other.pool === row.pool && other.rate >= RATE_MIN,
    );
    const isMeasured = row.rate >= TAIL_RATE_MIN;
    for (const share of isMeasured ? (["p50", "p99"] as const) : (["p50"] as const)) {
      const middle = middleOf(others.map((other) => other[share]));
      if (middle === null || row[share] < Math.max(SLOW_US, SLOW_FACTOR * middle)) continue;
      return [
        {
          level: "warn",
          text: `${said}: ${share} ${timeOf(row[share])}, others ${timeOf(middle)}`,
        },
      ];
    }
    // There is none to compare it with.
    const { slowlogMs = null } = pools.find(({ pool }) => pool === row.pool) ?? {};
    if (others.length > 0 || slowlogMs === null || !isMeasured || row.p99 < slowlogMs * 1000)
      return [];
    return [{ level: "warn", text: `${said}: p99 ${timeOf(row.p99)}` }];
  });
}

/** Of two in the middle the smaller one. Null: there are none. */
function middleOf(values: readonly number[]): number | null {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? null;
}

/** Those that serve the same pools are alike. */
function busyWorkers({ processes }: Found): Finding[] {
  const workers = processes.filter(({ role, state }) => role === "worker" && state === "serving");
  return [...Map.groupBy(workers, ({ pool }) => pool).values()].flatMap(busyAmong);
}

function busyAmong(workers: readonly ProcessRow[]): Finding[] {
  const mean = workers.reduce((sum, { rate }) => sum + rate, 0) / workers.length;
  // With few clients it is theirs to be where they are.
  const clients = workers.reduce((sum, worker) => sum + worker.clients, 0);
  const canBeEven = workers.length > 1 && clients >= BESIDE_CLIENTS * workers.length;
  return workers.flatMap(({ name, cpu, rate }): Finding[] => {
    if (cpu === null) return [];
    const share = `${Math.round(cpu * 100)} % of a core`;
    if (cpu >= BUSY_CPU) return [{ level: "warn", text: `${name} is busy: ${share}` }];
    const isUneven = canBeEven && rate > UNEVEN_FACTOR * mean && cpu >= UNEVEN_CPU;
    return isUneven
      ? [
          {
            level: "warn",
            text: `${name} has ${countOf(rate)} of ${countOf(mean * workers.length)} requests a second`,
          },
        ]
      : [];
  });
}

function loudClients({ clients, pools }: Found): Finding[] {
  return (clients?.rows ?? []).flatMap((row): Finding[] => {
    const who = `${row.pool}: client ${row.address}${row.name === "" ? "" : ` (${row.name})`}`;
    if (row.owed >= UNREAD_BYTES) {
      const mebibytes = (row.owed / UNREAD_BYTES).toFixed(1);
      return [{ level: "warn", text: `${who} does not take its replies: ${mebibytes} MiB wait` }];
    }
    const pool = pools.find(({ pool: name }) => name === row.pool);
    if (pool === undefined || pool.clients < BESIDE_CLIENTS || row.rate < NOISY_RATE) return [];
    const share = row.rate / Math.max(pool.rate, row.rate);
    if (share < NOISY_SHARE) return [];
    const text = `${who} sends ${Math.round(share * 100)} % of the requests`;
    return [{ level: "warn", text: `${text}, ${countOf(row.rate)} a second` }];
  });
}

function hotKeys({ looks }: Found): Finding[] {
  const report = looks["/hotkeys"] as { readonly rows?: readonly HotKey[] } | undefined;
  return (report?.rows ?? [])
    .filter(({ share, perSecond }) => share >= HOT_SHARE && perSecond >= NOISY_RATE)
    .map(({ pool, key, share, perSecond }) => ({
      level: "warn",
      text: `${pool}: key ${key} is hot: ${Math.round(share * 100)} % of the last minute's requests, ${countOf(perSecond)} a second`,
    }));
}

/** Of each pool the largest, which come first. */
function bigKeys({ looks, atMs }: Found): Finding[] {
  const report = looks["/bigkeys"] as { readonly rows?: readonly BigKey[] } | undefined;
  const told = new Set<string>();
  return (report?.rows ?? []).flatMap((row): Finding[] => {
    const { pool, key, command, bytes, elements } = row;
    const isBig = bytes >= BIG_BYTES || (elements ?? 0) >= BIG_ELEMENTS;
    if (!isBig || told.has(pool) || atMs - row.atMs > BIG_SHOWN_MS) return [];
    told.add(pool);
    const facts = [
      ...(bytes === 0 ? [] : [`${Math.round(bytes / 1024).toLocaleString("en")} KiB`]),
      ...(elements === null ? [] : [`${elements.toLocaleString("en")} elements`]),
    ].join(", ");
    return [{ level: "note", text: `${pool}: key ${key} is big: ${facts} (${command})` }];
  });
}

function deaths({ processes, atMs }: Found): Finding[] {
  return processes.flatMap(({ name, role, lastDeath }): Finding[] => {
    if (role === "admin" || lastDeath === null || atMs - lastDeath.atMs > DEATH_SHOWN_MS) return [];
    const ago = ageOf(atMs - lastDeath.atMs);
    return [{ level: "warn", text: `${name} died ${ago} ago: ${lastDeath.reason}` }];
  });
}

function heldBack({ status }: Found): Finding[] {
  if (status === null) return [];
  const { levers = [], settings = [], lastChange, activity } = status;
  return [
    ...levers.map(
      ({ kind, pool, text }): Finding => ({
        level: "warn",
        text: `${pool ?? "all pools"}: held back by an operator: ${kind}${text === "" ? "" : ` ${text}`}`,
      }),
    ),
    ...(activity === null ? [] : [{ level: "note", text: `${activity} is going on` } as const]),
    ...(lastChange !== null && !lastChange.ok
      ? [
          {
            level: "warn",
            text: `the last ${lastChange.what} failed: ${lastChange.problems[0]}`,
          } as const,
        ]
      : []),
    ...(settings.length === 0
      ? []
      : [{ level: "note", text: `${settings.length} running values are not the file's` } as const]),
  ];
}

function migrations({ status }: Found): Finding[] {
  return (status?.migrations ?? []).map(({ pool, phase, problem, isPaused, isReverse, to }) => {
    if (problem !== null) {
      return { level: "warn", text: `${pool}: keys do not move to ${to.join(" ")}: ${problem}` };
    }
    const text =
      phase === "declined"
        ? `${pool}: keys stay on other servers than the file says, as an operator has decided`
        : `${pool}: keys move ${isReverse ? "back " : ""}to ${to.join(" ")}${isPaused ? ", paused" : ""}`;
    return { level: "note", text };
  });
}

function ageOf(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

function timeOf(us: number): string {
  return us < 1000 ? `${us} µs` : `${Number((us / 1000).toPrecision(3))} ms`;
}

function countOf(rate: number): string {
  return rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en");
}
