/** Requests that took long: noticed, named, and shown with the server that was slow. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { SlowEntry, SlowLogReport } from "../../src/api/inspection.ts";
import { until } from "../support/echo-proxy.ts";
import {
  type OperatorRig,
  reloadWith,
  respClient,
  startOperatorRig,
  textClient,
} from "../support/operator-rig.ts";
import { commandOf, mustRun } from "../support/run-command.ts";
import { makeDirectory } from "../support/server-process.ts";
import { stopAll } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

async function logOf({ proxy }: OperatorRig, ...args: string[]): Promise<SlowLogReport> {
  return (await mustRun<{ report: SlowLogReport }>(proxy, "slowlog", ...args)).report;
}

/** Asks again until an entry is there: workers tell of them a moment later. */
async function entryOf(rig: OperatorRig, fits: (entry: SlowEntry) => boolean): Promise<SlowEntry> {
  for (let tries = 0; tries < 100; tries++) {
    const found = (await logOf(rig, "-n", "1000")).entries.find(fits);
    if (found !== undefined) return found;
  }
  throw new Error("the slow log never has the entry");
}

/** Has the Redis server answer nothing that is sent within `act`, for so long. */
async function hang(rig: OperatorRig, ms: number, act: () => void | Promise<void>): Promise<void> {
  process.kill(rig.redis.pid, "SIGSTOP");
  try {
    await act();
    await Bun.sleep(ms);
  } finally {
    process.kill(rig.redis.pid, "SIGCONT");
  }
}

test("a request whose server was slow is named, with the times apart", async () => {
  const rig = await startOperatorRig(2, ["slowlog: 300ms"]);
  const client = await respClient(rig.main);
  await client.ask("CLIENT", "SETNAME", "shop");
  await client.ask("GET", "quick");
  await hang(rig, 400, () =>
    client.command(["SET", Buffer.from("slow\xff", "latin1"), "x".repeat(5000)], ["GET", "behind"]),
  );
  await client.replies(2);
  const entry = await entryOf(rig, ({ command }) => command === "SET");
  expect(entry).toMatchObject({ pool: "main", name: "shop", user: "default", server: "main-1" });
  expect(entry).toMatchObject({ key: "slow\\xff", failure: null, replyBytes: 5 });
  expect(entry.requestBytes).toBeGreaterThan(5000);
  expect(entry.requests).toBeGreaterThanOrEqual(1);
  expect(entry.totalUs).toBeGreaterThanOrEqual(300_000);
  expect(entry.serverUs!).toBeGreaterThan(250_000);
  expect(entry.queueUs! + entry.serverUs!).toBeLessThanOrEqual(entry.totalUs + 50_000);
  expect(entry.worker).toMatch(/^worker\/\d+$/);
  expect(`${entry.client}`).toBe((await client.ask("CLIENT", "ID")).substring(1).trim());
  expect((await logOf(rig, "-n", "1000")).entries.some(({ key }) => key === "quick")).toBe(false);
  const { pools } = (
    await mustRun<{ status: { pools: { name: string; counters: Record<string, number> }[] } }>(
      rig.proxy,
      "status",
    )
  ).status;
  expect(pools.find(({ name }) => name === "main")!.counters["slow_requests"]).toBeGreaterThan(0);
  const text = (await commandOf(rig.proxy, "slowlog")).output;
  expect(text).toContain("slow\\xff");
  const overHttp = (await (await fetch(`${rig.admin}/slowlog?pool=main`)).json()) as {
    report: SlowLogReport;
  };
  expect(overHttp.report.entries.some(({ number }) => number === entry.number)).toBe(true);
});

test("a blocking command that waits is not slow; a request that times out is, with its failure", async () => {
  const rig = await startOperatorRig(1, ["slowlog: 100ms", "timeout: 400ms"]);
  const blocked = await respClient(rig.main);
  await blocked.ask("BLPOP", "nothing", "0.3");
  const client = await respClient(rig.main);
  await hang(rig, 0, async () => {
    expect(await client.ask("GET", "late")).toContain("timed out");
  });
  const entry = await entryOf(rig, ({ key }) => key === "late");
  expect(entry.failure).toContain("timed out");
  expect((await logOf(rig)).entries.some(({ command }) => command === "BLPOP")).toBe(false);
});

test("a file of its own has them as well, is made anew at USR1, and goes on after an upgrade", async () => {
  const directory = makeDirectory("slow-file");
  const path = join(directory, "slow.log");
  const rig = await startOperatorRig(1, ["slowlog: 10ms"], [`log: { slow_file: ${path} }`]);
  const client = await respClient(rig.main);
  // Before the server has been greeted for the first time, the proxy itself waits.
  await client.ask("GET", "quick");
  const slowLine = async (key: string): Promise<string> => {
    await hang(rig, 30, () => client.command(["GET", key]));
    await client.reply();
    await entryOf(rig, (entry) => entry.key === key);
    const lines = readFileSync(path, "latin1").split("\n");
    return lines.find((line) => line.includes(` key=${key} `)) ?? "";
  };
  const wanted = /slow request at=\S+ pool=main command=GET .* server=main-1 .*event=slow_request$/;
  expect(await slowLine("first")).toMatch(wanted);
  renameSync(path, `${path}.1`);
  process.kill(rig.proxy.pid, "SIGUSR1");
  await until("it is made anew", () => existsSync(path));
  expect(await slowLine("second")).toMatch(wanted);
  expect(readFileSync(`${path}.1`, "latin1")).not.toContain("second");
  await mustRun(rig.proxy, "upgrade");
  const later = await respClient(rig.main);
  await hang(rig, 30, () => later.command(["GET", "third"]));
  await later.reply();
  await until("the next program goes on", () => readFileSync(path, "latin1").includes("third"));
});

test("the threshold changes while it runs, keys can be hidden, and a reload keeps what was logged", async () => {
  const rig = await startOperatorRig(2, ["slowlog: none"]);
  const text = await textClient(rig.cache);
  await text.ask("version\r\n");
  const client = await respClient(rig.main);
  await hang(rig, 20, () => client.command(["GET", "unseen"]));
  await client.reply();
  await mustRun(rig.proxy, "config", "set", "main.slowlog", "1ms");
  await mustRun(rig.proxy, "config", "set", "main.slowlog_keys", "false");
  await hang(rig, 20, () => client.command(["GET", "hidden"]));
  await client.reply();
  const entry = await entryOf(rig, ({ command }) => command === "GET");
  expect(entry.key).toBeNull();
  const before = (await logOf(rig)).kept;
  expect(before).toBeGreaterThan(0);
  await reloadWith(rig, 1);
  expect((await logOf(rig)).kept).toBeGreaterThanOrEqual(before);
  await mustRun(rig.proxy, "slowlog", "--reset", "--pool", "cache");
  expect((await logOf(rig)).kept).toBeGreaterThanOrEqual(before);
  await mustRun(rig.proxy, "slowlog", "--reset");
  expect(await logOf(rig)).toEqual({ entries: [], kept: 0, missed: 0 });
});

test("with a flood of slow requests some are told of, all are counted, and the log is bounded", async () => {
  const rig = await startOperatorRig(1, ["slowlog: 1ms"]);
  const clients = await Promise.all(Array.from({ length: 50 }, () => respClient(rig.main)));
  for (let round = 0; round < 4; round++) {
    await hang(rig, 20, () => {
      for (const client of clients) client.command(["GET", "k"]);
    });
    await Promise.all(clients.map((client) => client.reply()));
  }
  await entryOf(rig, ({ command }) => command === "GET");
  const { kept, missed } = await logOf(rig, "-n", "5000");
  expect(kept).toBeLessThanOrEqual(1024);
  expect(missed).toBeGreaterThan(0);
});
