import { expect, test } from "bun:test";
import { type Found, findingsIn } from "../../../../src/admin/overview/findings.ts";
import type { MigrationStatus } from "../../../../src/api/control-socket.ts";
import type {
  ClientsShown,
  OverviewStatus,
  PoolRow,
  ProcessRow,
  ServerRow,
} from "../../../../src/api/overview.ts";

const TIMES = { rate: 500, errorRate: 0, p50: 200, p90: 400, p99: 900, p999: 2000, max: 5000 };
const POOL: PoolRow = {
  ...{ pool: "main", protocol: "redis", listen: "h:1", clients: 9, slowlogMs: 10 },
  ...TIMES,
};
const STATUS = { phase: "serving", activity: null, lastChange: null } as OverviewStatus;
const CLIENT = { id: 1, pool: "main", address: "10.0.0.7:99", name: "", owed: 0, rate: 10 };
type Client = ClientsShown["rows"][number];

function server(name: string, more: Partial<ServerRow> = {}): ServerRow {
  return {
    ...{ pool: "main", server: name, trouble: null, connections: 2, queued: 0, awaited: 0 },
    ...{ queueP99: 0, requestBytes: 0, replyBytes: 0, ...TIMES, ...more },
  };
}

function worker(name: string, more: Partial<ProcessRow> = {}): ProcessRow {
  const base = {
    name,
    clients: 9,
    role: "worker",
    state: "serving",
    rate: 100,
    cpu: 0.2,
    lastDeath: null,
  };
  return { ...base, ...more } as ProcessRow;
}

function found(more: Partial<Found> = {}): string[] {
  const well: Found = {
    ...{ atMs: 100_000, status: STATUS, reasons: [], looks: {}, clients: null, pools: [POOL] },
    ...{ servers: [server("a"), server("b"), server("c")], processes: [worker("worker/0")] },
  };
  return findingsIn({ ...well, ...more }).map(({ level, text }) => `${level} ${text}`);
}

test("of a proxy that is well there is nothing to say", () => {
  expect(found()).toEqual([]);
});

test("a server in trouble, and why it is", () => {
  const trouble = { sinceMs: 88_000, workers: 2, ejectedBy: 1, kind: "timeout" } as const;
  expect(found({ servers: [server("a"), server("b", { trouble })] })).toEqual([
    "bad main: server b is in trouble for 12 s: no reply in time, taken out of the ring",
  ]);
});

test("a server that is slow beside the others of its pool", () => {
  const slow = { p50: 40_000, p99: 52_000 };
  const others = [server("a"), server("b"), server("c", slow)];
  expect(found({ servers: others })).toEqual([
    "warn main: server c is slow: p50 40 ms, others 200 µs",
  ]);
  // All of them are, or it has too few requests to tell, or only its tail is.
  expect(found({ servers: ["a", "b", "c"].map((name) => server(name, slow)) })).toEqual([]);
  expect(found({ servers: [server("a"), server("c", { ...slow, rate: 0.5 })] })).toEqual([]);
  expect(found({ servers: [server("a"), server("c", { p99: 30_000 })] })).toEqual([
    "warn main: server c is slow: p99 30 ms, others 900 µs",
  ]);
  expect(found({ servers: [server("a"), server("c", { p99: 30_000, rate: 2 })] })).toEqual([]);
});

test("the only server of a pool is slow by the pool's own threshold", () => {
  expect(found({ servers: [server("a", { p99: 30_000 })] })).toEqual([
    "warn main: server a is slow: p99 30 ms",
  ]);
  const never = { ...POOL, slowlogMs: null };
  expect(found({ servers: [server("a", { p99: 30_000 })], pools: [never] })).toEqual([]);
});

test("requests that fail, and a pool that is held back", () => {
  const lever = { kind: "pause", pool: "main", text: "" };
  const status = { ...STATUS, levers: [lever], settings: [{}] } as unknown as OverviewStatus;
  expect(found({ pools: [{ ...POOL, errorRate: 12.34 }], status })).toEqual([
    "bad main: 12 requests a second fail",
    "warn main: held back by an operator: pause",
    "note 1 running values are not the file's",
  ]);
});

test("a client that sends most of the requests, and one that takes no replies", () => {
  const rows = [
    { ...CLIENT, rate: 400, name: "import" },
    { ...CLIENT, id: 2, owed: 3 * 1024 * 1024 },
  ] as Client[];
  expect(found({ clients: { total: 9, rows } })).toEqual([
    "warn main: client 10.0.0.7:99 (import) sends 80 % of the requests, 400 a second",
    "warn main: client 10.0.0.7:99 does not take its replies: 3.0 MiB wait",
  ]);
  // A pool of one client is no pool in which one is noisy.
  const few = [{ ...POOL, clients: 1 }];
  expect(found({ clients: { total: 1, rows: [rows[0]!] }, pools: few })).toEqual([]);
});

test("the biggest key of each pool, while it is seen", () => {
  const row = {
    pool: "main",
    key: "<b>",
    command: "GET",
    bytes: 2 ** 20,
    elements: null,
    atMs: 99_000,
  };
  const rows = [
    row,
    { ...row, key: "second" },
    { ...row, pool: "lists", bytes: 0, elements: 40_000, command: "LPUSH" },
    { ...row, pool: "small", bytes: 100_000 },
    { ...row, pool: "old", atMs: 100_000 - 600_001 },
  ];
  expect(found({ looks: { "/bigkeys": { rows } } })).toEqual([
    "note main: key <b> is big: 1,024 KiB (GET)",
    "note lists: key <b> is big: 40,000 elements (LPUSH)",
  ]);
});

test("a hot key, where the proxy counts keys", () => {
  const row = { pool: "main", key: "<b>", perSecond: 300, share: 0.6 };
  expect(found({ looks: { "/hotkeys": { rows: [row] } } })).toEqual([
    "warn main: key <b> is hot: 60 % of the last minute's requests, 300 a second",
  ]);
  expect(found({ looks: { "/hotkeys": { problem: "off" } } })).toEqual([]);
});

test("a worker that is busy, has most of the work, or died", () => {
  const uneven = [worker("worker/0", { rate: 950, cpu: 0.6 }), worker("worker/1", { rate: 50 })];
  expect(found({ processes: uneven })).toEqual([
    "warn worker/0 has 950 of 1,000 requests a second",
  ]);
  expect(found({ processes: uneven.map((row) => ({ ...row, clients: 1 })) })).toEqual([]);
  expect(found({ processes: [worker("worker/0", { cpu: 0.97 })] })).toEqual([
    "warn worker/0 is busy: 97 % of a core",
  ]);
  const lastDeath = { atMs: 90_000, reason: "was killed by SIGKILL" };
  expect(found({ processes: [worker("worker/0", { lastDeath })] })).toEqual([
    "warn worker/0 died 10 s ago: was killed by SIGKILL",
  ]);
  expect(found({ processes: [worker("worker/0", { lastDeath })], atMs: 900_000 })).toEqual([]);
});

test("the gravest come first, and there are not too many", () => {
  const trouble = { sinceMs: 0, workers: 1, ejectedBy: 0, kind: null };
  const servers = Array.from({ length: 300 }, (_, index) => server(`s${index}`, { trouble }));
  const all = found({ servers, reasons: ["no worker serves"] });
  expect(all[0]).toBe("bad no worker serves");
  expect(all).toHaveLength(12);
});

test("keys that move to other servers, and what is in their way", () => {
  const moving = {
    ...{ pool: "main", epoch: 1, phase: "moving", isPaused: false, isReverse: false, sinceMs: 0 },
    ...{ from: ["a", "b"], to: ["a", "b", "c"], problem: null, servers: [], swept: [], sources: 2 },
  } as const;
  const shown = (more: object): string[] => {
    const migrations = [{ ...moving, ...more } as MigrationStatus];
    return found({ status: { ...STATUS, migrations } });
  };
  expect(shown({})).toEqual(["note main: keys move to a b c"]);
  expect(shown({ isPaused: true, isReverse: true })).toEqual([
    "note main: keys move back to a b c, paused",
  ]);
  expect(shown({ problem: "server h:3: OOM" })).toEqual([
    "warn main: keys do not move to a b c: server h:3: OOM",
  ]);
  expect(shown({ phase: "declined" })[0]).toContain("as an operator has decided");
});
