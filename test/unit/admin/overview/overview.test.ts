import { expect, test } from "bun:test";
import { OVERVIEW_LOOK_MS, OverviewLooks } from "../../../../src/admin/overview/looks.ts";
import { OverviewTexts } from "../../../../src/admin/overview/overview.ts";
import type { AdminStatus } from "../../../../src/api/control.ts";
import type { ControlResult, Look } from "../../../../src/api/control-socket.ts";
import type { Overview } from "../../../../src/api/overview.ts";
import { POOL } from "../../../../src/api/stats.ts";
import { EVENTS_SHOWN_MAX } from "../../../../src/base/page-limits.ts";
import { createStatsLayout, statsByteLength } from "../../../../src/metrics/layout.ts";
import { loadConfig } from "../../../support/load-config.ts";

const TEXT =
  "pools:\n  main: { listen: h:1, servers: [h:2:1 a] }\n  other: { listen: h:3, servers: [h:4:1] }\n";
const EVENT = { atMs: 1, level: "info", process: "supervisor", text: "reload done generation=2" };

interface Rig {
  readonly texts: OverviewTexts;
  readonly looks: Look[];
  asked: number;
  /** Passes a second in which the pool "main" gets so many requests. */
  second(requests: number): void;
  read(isWhole?: boolean): Promise<Overview>;
}

function rig(answer: (look: Look) => ControlResult | null = () => null): Rig {
  const config = loadConfig(TEXT, "F").config!;
  const layout = createStatsLayout(config, 2);
  const memory = new Float64Array(statsByteLength(layout) / 8);
  const status = { phase: "serving", processes: [], levers: [], lastChange: null, activity: null };
  const looks: Look[] = [];
  let nowMs = 0;
  const asked = (look: Look): Promise<ControlResult | null> => {
    looks.push(look);
    return Promise.resolve(answer(look));
  };
  const made: Rig = {
    texts: new OverviewTexts({
      config: () => config,
      read: () => ({ layout, memory }),
      ask: () => {
        made.asked += 1;
        return Promise.resolve(status as unknown as AdminStatus);
      },
      events: () => Array.from({ length: 150 }, (_, index) => ({ ...EVENT, number: index + 1 })),
      looks: new OverviewLooks(asked, () => nowMs),
      ...{ historyFd: null, nowMs: () => nowMs, epochMs: () => 1_000_000 + nowMs },
      onError: (error) => {
        throw error;
      },
    }),
    looks,
    asked: 0,
    second(requests) {
      nowMs += 1000;
      memory[layout.pools[0]!.base + POOL.requests]! += requests;
      made.texts.tick();
    },
    async read(isWhole = false) {
      return JSON.parse(`${await made.texts.text(isWhole)}`) as Overview;
    },
  };
  made.texts.tick();
  return made;
}

test("rates are those of the last seconds, and points those of each", async () => {
  const { second, read } = rig();
  for (let n = 0; n < 20; n++) second(n < 10 ? 50 : 200);
  const { pools, points, all } = await read();
  expect(pools.map(({ pool, rate }) => [pool, rate])).toEqual([
    ["main", 200],
    ["other", 0],
  ]);
  expect(all.rate).toBe(200);
  expect(points).toHaveLength(15);
  expect(points.map(({ pools: of }) => of["main"]?.[0])).toEqual([
    ...Array<number>(5).fill(50),
    ...Array<number>(10).fill(200),
  ]);
  expect((await read(true)).points).toHaveLength(20);
});

test("a second's text is made once for all who ask, and not when none does", async () => {
  const made = rig();
  for (let n = 0; n < 5; n++) made.second(1);
  expect(made.asked).toBe(0);
  const texts = await Promise.all(Array.from({ length: 200 }, () => made.texts.text(false)));
  await made.texts.text(true);
  expect(made.asked).toBe(1);
  // It is the very same memory, not a copy for each.
  expect(new Set(texts).size).toBe(1);
  made.second(1);
  expect(await made.texts.text(false)).not.toBe(texts[0]!);
  expect(made.asked).toBe(2);
});

test("workers are asked once in a while for all who look, and not when none does", async () => {
  const made = rig();
  for (let n = 0; n < 20; n++) made.second(1);
  expect(made.looks).toEqual([]);
  await made.read();
  const once = made.looks.length;
  expect(once).toBeGreaterThan(0);
  for (let n = 1; n < OVERVIEW_LOOK_MS / 1000; n++) {
    made.second(1);
    await Promise.all([made.read(), made.read(true)]);
  }
  expect(made.looks).toHaveLength(once);
  made.second(1);
  await made.read();
  await Bun.sleep(0);
  expect(made.looks.length).toBeGreaterThan(once);
});

test("clients have the rate of their requests since they were seen last", async () => {
  let requests = 1000;
  const row = { id: 7, pool: "main", ageMs: 10_000, owed: 0 };
  const made = rig((look) =>
    look.verb === "clients"
      ? ({
          ...{ ok: true, verb: "clients" },
          report: { total: 1, matching: 1, rows: [{ ...row, requests }] },
        } as unknown as ControlResult)
      : null,
  );
  const seen = async (): Promise<number | undefined> => {
    await made.read();
    await Bun.sleep(0);
    made.second(0);
    return (await made.read()).clients?.rows[0]?.rate;
  };
  expect(await seen()).toBe(100);
  for (let n = 0; n < 4; n++) made.second(0);
  requests += 2500;
  expect(await seen()).toBe(500);
});

test("events are bounded, and have their marks", async () => {
  const { events } = await rig().read();
  expect(events).toHaveLength(EVENTS_SHOWN_MAX);
  expect(events.at(-1)).toMatchObject({ number: 150, mark: "reload" });
});
