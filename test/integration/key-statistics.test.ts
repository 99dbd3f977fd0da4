/** Busy and big keys: found in traffic, and shown everywhere that operators look. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import type { BigKeysReport, HotKeysReport } from "../../src/api/key-report.ts";
import {
  type OperatorRig,
  reloadWith,
  respClient,
  startOperatorRig,
  textClient,
} from "../support/operator-rig.ts";
import { commandOf, mustRun } from "../support/run-command.ts";
import { stopAll } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

async function hotOf({ proxy }: OperatorRig, ...args: string[]): Promise<HotKeysReport> {
  return (await mustRun<{ report: HotKeysReport }>(proxy, "hotkeys", ...args)).report;
}

async function bigOf({ proxy }: OperatorRig, ...args: string[]): Promise<BigKeysReport> {
  return (await mustRun<{ report: BigKeysReport }>(proxy, "bigkeys", ...args)).report;
}

/** Does `act` until `look` finds something: workers tell what they found a moment later. */
async function until<Found>(
  act: () => Promise<unknown>,
  look: () => Promise<Found | undefined>,
): Promise<Found> {
  for (let tries = 0; tries < 200; tries++) {
    await act();
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error("it is never shown");
}

test("the key that most requests ask for leads, over all workers, also after a reload", async () => {
  const rig = await startOperatorRig(2, ["proxy_commands: true"]);
  const clients = [await respClient(rig.main), await respClient(rig.main)];
  const traffic = async (): Promise<void> => {
    for (const [c, client] of clients.entries()) {
      const cold = Array.from({ length: 20 }, (_, i) => ["GET", `cold:${c}:${i}`]);
      await client.ask("GET", "hot");
      client.command(...cold, ...new Array(20).fill(["GET", "hot"]));
      await client.replies(40);
    }
  };
  const lead = (): Promise<HotKeysReport | undefined> =>
    hotOf(rig, "main", "-n", "3").then((report) =>
      report.samples > 30 && report.rows[0]?.key === "hot" ? report : undefined,
    );
  const { rows } = await until(traffic, lead);
  expect(rows[0]).toMatchObject({ pool: "main", command: "GET", server: "main-1" });
  expect(rows[0]!.share).toBeWithin(0.2, 0.9);
  expect((await commandOf(rig.proxy, "hotkeys")).output).toContain("hot");
  expect((await hotOf(rig, "cache")).rows).toEqual([]);
  const overHttp = await fetch(`${rig.admin}/hotkeys?pool=main&limit=1`);
  const { report } = (await overHttp.json()) as { report: HotKeysReport };
  expect(report.rows.map(({ key }) => key)).toEqual(["hot"]);
  expect((await fetch(`${rig.admin}/hotkeys?nosuch=1`)).status).toBe(400);
  const shown = await clients[0]!.ask("PROXY", "SHOW", "HOTKEYS");
  expect(shown).toContain("hot");
  await reloadWith(rig, 1);
  expect((await hotOf(rig, "main")).rows[0]!.key).toBe("hot");
});

test("big keys of both protocols, by what is read, written and counted", async () => {
  const rig = await startOperatorRig(1, ["proxy_commands: true", "big_keys_elements: 100"]);
  const client = await respClient(rig.main);
  const cache = await textClient(rig.cache);
  await client.ask("SET", "large", "x".repeat(200_000));
  const elements = Array.from({ length: 150 }, (_, i) => `${i}`);
  await client.ask("RPUSH", "long", ...elements);
  const value = "y".repeat(100_000);
  await cache.ask(`set blob 0 0 ${value.length}\r\n${value}\r\n`);
  const rows = await until(
    async () => {
      await client.ask("GET", "large");
      await client.ask("LLEN", "long");
      await cache.ask("get blob\r\n", "END\r\n");
    },
    async () => {
      const report = await bigOf(rig);
      return report.rows.length >= 3 ? report.rows : undefined;
    },
  );
  const named = new Map(rows.map((row) => [row.key, row]));
  expect(named.get("large")).toMatchObject({ pool: "main", server: "main-1" });
  expect(named.get("large")!.bytes).toBeWithin(200_000, 200_100);
  expect(named.get("long")).toMatchObject({ elements: 150 });
  expect(named.get("blob")).toMatchObject({ pool: "cache" });
  const [longest] = (await bigOf(rig, "main", "--sort", "elements", "-n", "1")).rows;
  expect(longest!.key).toBe("long");
  expect((await commandOf(rig.proxy, "bigkeys", "cache")).output).toContain("blob");
  expect(await client.ask("PROXY", "SHOW", "BIGKEYS")).toContain("large");
  expect(await cache.ask("stats proxy bigkeys\r\n", "END\r\n")).toContain("key blob");
  const overHttp = await fetch(`${rig.admin}/bigkeys?order=elements&limit=1`);
  const { report } = (await overHttp.json()) as { report: BigKeysReport };
  expect(report.rows[0]!.key).toBe("long");
  expect((await fetch(`${rig.admin}/bigkeys?order=nosuch`)).status).toBe(400);
  await commandOf(rig.proxy, "bigkeys", "--reset");
  expect((await bigOf(rig)).rows.every(({ seen }) => seen < 3)).toBe(true);
});

test("keys that are hidden are shown nowhere, from that moment on", async () => {
  const rig = await startOperatorRig(1, ["proxy_commands: true"]);
  const client = await respClient(rig.main);
  await client.ask("SET", "secret", "x".repeat(100_000));
  await until(
    () => client.ask("GET", "secret"),
    async () => ((await bigOf(rig)).rows.length > 0 ? true : undefined),
  );
  await commandOf(rig.proxy, "config", "set", "main.slowlog_keys", "false");
  await client.ask("GET", "secret");
  expect((await bigOf(rig)).rows).toEqual([]);
  expect((await hotOf(rig)).rows).toEqual([]);
  for (const table of ["HOTKEYS", "BIGKEYS"]) {
    expect(await client.ask("PROXY", "SHOW", table)).not.toContain("secret");
  }
});
