import { expect, test } from "bun:test";
import type { ClientRow } from "../../../src/api/inspection.ts";
import { sparkline } from "../../../src/cli/top-figures.ts";
import { TopKeys } from "../../../src/cli/top-keys.ts";
import type { Look } from "../../../src/cli/top-look.ts";
import { clientLines, clientRates, leaders, workerRates } from "../../../src/cli/top-views.ts";

function client(id: number, requests: number, more: Partial<ClientRow> = {}): ClientRow {
  return {
    ...{ id, pool: "main", address: `10.0.0.${id}:1`, name: "", user: "", worker: 0 },
    ...{ ageMs: 60_000, idleMs: 0, requests, received: requests * 10, sent: 0 },
    ...{ pending: 0, owed: 0, state: "idle", ...more },
  };
}

function look(atMs: number, rows: readonly ClientRow[], more: Partial<Look> = {}): Look {
  const status = {
    processes: [
      {
        role: "worker",
        name: "worker/0",
        pid: 5,
        state: "serving",
        clients: 2,
        respawns: 1,
        ageMs: 9,
      },
      {
        role: "worker",
        name: "worker/1",
        pid: null,
        state: "waiting",
        clients: 0,
        respawns: 3,
        ageMs: null,
      },
    ],
  } as unknown as Look["status"];
  const clients = { total: rows.length, matching: rows.length, rows };
  return { status, atMs, clients, hot: [], big: [], facts: new Map(), ...more };
}

test("a client's rate is of the time between two looks, and of one that is new since it came", () => {
  const before = look(1_000, [client(1, 5_000), client(2, 100)]);
  const now = look(3_000, [...[client(1, 5_020), client(2, 700)], client(3, 40, { ageMs: 4_000 })]);
  const rates = clientRates(before, now).map(({ row, rate, share }) => [row.id, rate, share]);
  expect(rates).toEqual([
    [2, 300, 300 / 320],
    [1, 10, 10 / 320],
    [3, 10, 10 / 320],
  ]);
  expect(clientRates(look(0, [], { clients: null }), now)).toHaveLength(3);
  expect(clientRates(before, look(1_000, [], { clients: null }))).toEqual([]);
});

test("what clients choose cannot write to the terminal", () => {
  const hostile = client(1, 100, { name: "\x1b[2Jname\r\n", address: "10.0.0.1:1" });
  const rates = clientRates(look(0, []), look(1_000, [hostile]));
  const shown = [...clientLines(rates), ...leaders(rates, look(1_000, []))].join("\n");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  expect(shown).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
  expect(shown).toContain("name");
});

test("the one with the most of each is told in a line of its own", () => {
  const rates = clientRates(look(0, []), look(1_000, [client(1, 1, { name: "reports" })]));
  const hot = { key: "k", server: "s1", share: 0.25, perSecond: 50, pool: "main" };
  const big = { key: "l", server: "s2", bytes: 2048, elements: 7, pool: "main" };
  const lines = leaders(
    rates,
    look(0, [], { hot: [hot] as unknown as Look["hot"], big: [big] as unknown as Look["big"] }),
  );
  expect(lines[0]).toMatch(/^busiest client\s+10\.0\.0\.1:1 \(reports\)\s+100%/);
  expect(lines[1]).toMatch(/^hottest key\s+k on s1\s+25% of its pool's last minute, 50\/s/);
  expect(lines[2]).toMatch(/^biggest key\s+l on s2\s+2\.0K, 7 elements/);
  expect(leaders([], look(0, []))).toEqual([]);
});

test("a process's CPU is told when it was seen twice", () => {
  const facts = (cpuSeconds: number): Look["facts"] =>
    new Map([[5, { cpuSeconds, systemSeconds: 0, residentBytes: 1024, openFiles: null }]]);
  const [first, second] = workerRates(
    look(0, [], { facts: facts(1) }),
    look(2_000, [], { facts: facts(2) }),
  );
  expect(first).toMatchObject({ cpu: 0.5, residentBytes: 1024, respawns: 1 });
  expect(second).toMatchObject({ cpu: null, residentBytes: null, pid: null });
  expect(workerRates(look(0, []), look(1_000, [], { facts: facts(2) }))[0]?.cpu).toBeNull();
});

test("keys change order, view and pool, each at once; others nothing", () => {
  const keys = new TopKeys(false, "all", null);
  let drawn = 0;
  keys.onChange = () => {
    drawn += 1;
  };
  keys.setPools(["a", "b"]);
  const states = [
    "r",
    "2",
    "\t",
    "\t",
    "\t",
    "\x1b[C",
    "\x1b[C",
    "\x1b[C",
    "\x1b[D",
    "x",
    "\x1b[A",
    "9",
  ].map((text) => {
    keys.onPressed(text);
    return `${keys.sort} ${keys.view} ${keys.pool}`;
  });
  expect(states).toEqual([
    ...["rate all null", "rate clients null", "rate keys null", "rate workers null"],
    ...["rate all null", "rate all a", "rate all b", "rate all null", "rate all b"],
    ...["rate all b", "rate all b", "rate all b"],
  ]);
  expect(drawn).toBe(states.length);
  keys.setPools(["a"]);
  expect(keys.pool).toBeNull();
  keys.onPressed("q");
  expect(keys.isQuit).toBe(true);
});

test("a sparkline is as wide as it is to be, and its highest value is the highest bar", () => {
  expect(sparkline([0, 5, 10], 5)).toBe("  ▁▅█");
  expect(sparkline([1, 2, 3, 4], 2)).toBe("▆█");
  expect(sparkline([0, 0], 3)).toBe(" ▁▁");
  expect(sparkline([], 3)).toBe("   ");
});
