/** What operators mistype: they are told so, in words that name what is wrong, and with an exit code other than 0. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClientReport } from "../../src/api/inspection.ts";
import { freePort } from "../support/free-port.ts";
import { type OperatorRig, respClient, startOperatorRig } from "../support/operator-rig.ts";
import { commandOf, mustRun, runCommand } from "../support/run-command.ts";
import { makeDirectory } from "../support/server-process.ts";
import { stopAll } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

let rig: OperatorRig;
beforeEach(async () => {
  rig = await startOperatorRig(1);
});

test("a pool that is not there is said to be none, by every command that takes a pool", async () => {
  const none = {
    code: 1,
    output: "",
    errors: 'proxy: there is no pool "mian"; did you mean "main"?\n',
  };
  const commands = [
    ["stats", "--pool", "mian"],
    ["latency", "--pool", "mian"],
    ["latency", "--pool", "mian", "--for", "1h"],
    ["clients", "--pool", "mian"],
    ["slowlog", "--pool", "mian"],
    ["slowlog", "--pool", "mian", "--follow"],
    ["slowlog", "--pool", "mian", "--reset"],
    ["hotkeys", "mian"],
    ["bigkeys", "mian"],
    ["bigkeys", "mian", "--reset"],
    ["pause", "mian"],
    ["resume", "mian"],
    ["readonly", "mian"],
    ["block", "KEYS", "--pool", "mian"],
  ];
  for (const [verb = "", ...args] of commands) {
    expect([verb, args, await commandOf(rig.proxy, verb, ...args)]).toEqual([verb, args, none]);
  }
  const json = await commandOf(rig.proxy, "stats", "--pool", "mian", "--json");
  expect([json.code, JSON.parse(json.output)]).toEqual([
    1,
    { ok: false, problems: ['there is no pool "mian"; did you mean "main"?'] },
  ]);
  const answer = await fetch(`${rig.admin}/clients?pool=mian`);
  expect(answer.status).toBe(404);
  for (const [verb = "", ...args] of [
    ["stats", "--pool", "main"],
    ["latency", "--pool", "main"],
    ["clients", "--pool", "main"],
    ["slowlog", "--pool", "main"],
    ["hotkeys", "main"],
    ["bigkeys", "main"],
  ]) {
    expect((await commandOf(rig.proxy, verb, ...args)).code).toBe(0);
  }
});

test("latency of one pool is without the others", async () => {
  const client = await respClient(rig.main);
  await client.ask("SET", "a", "1");
  const of = async (pool: string): Promise<readonly { readonly pool: string }[]> =>
    (
      await mustRun<{ readonly latency: readonly { readonly pool: string }[] }>(
        ...([rig.proxy, "latency", "--pool", pool] as const),
      )
    ).latency;
  expect(new Set((await of("main")).map(({ pool }) => pool))).toEqual(new Set(["main"]));
  expect(await of("cache")).toEqual([]);
});

test("clients takes --number, as other commands do, and --limit and -n", async () => {
  await respClient(rig.main);
  await respClient(rig.main);
  for (const flag of ["--number", "--limit", "-n"]) {
    const { report } = await mustRun<{ readonly report: ClientReport }>(
      ...([rig.proxy, "clients", flag, "1"] as const),
    );
    expect(report.rows).toHaveLength(1);
  }
});

test("what is wrong with a value that is not in the file has no place in the file", async () => {
  const level = await commandOf(rig.proxy, "log-level", "wran");
  expect(level).toEqual({
    ...{ code: 1, output: "" },
    errors: 'proxy: log: level: unknown value "wran"; did you mean "warn"?\n',
  });
  const set = await commandOf(rig.proxy, "config", "set", "main.timeout", "3x");
  expect(set.code).toBe(1);
  expect(set.errors).toStartWith('proxy: pool "main": timeout: expected ');
  const size = await commandOf(rig.proxy, "config", "set", "main.timeout_typo", "3");
  expect(size.errors).toContain("there is no option");
});

test("log-level says for how long", async () => {
  const { output } = await commandOf(rig.proxy, "log-level", "warn", "--for", "1h");
  expect(output).toBe("log.level: info → warn in all workers, for 1h\n");
});

test("the number of a lever is never another's", async () => {
  const pull = async (...args: string[]): Promise<number> =>
    (await mustRun<{ readonly lever: { readonly id: number } }>(rig.proxy, "block", ...args)).lever
      .id;
  expect(await pull("KEYS")).toBe(1);
  await mustRun(rig.proxy, "release", "1");
  expect(await pull("FLUSHALL")).toBe(2);
  expect(await pull("FLUSHALL", "--for", "1h")).toBe(2);
  expect((await commandOf(rig.proxy, "release", "1")).code).toBe(1);
  await mustRun(rig.proxy, "release", "all");
  await mustRun(rig.proxy, "upgrade");
  expect(await pull("KEYS")).toBe(3);
});

test("check --online --json says no more than its exit code", async () => {
  const file = join(makeDirectory("online"), "proxy.yaml");
  const text = (port: number): string =>
    `pools:\n  main:\n    listen: 127.0.0.1:${freePort()}\n    servers: ["${rig.redis.host}:${port}:1 one"]\n`;
  for (const [port, code] of [
    [rig.redis.port, 0],
    [freePort(), 1],
  ] as const) {
    writeFileSync(file, text(port));
    const check = await runCommand(["check", "-c", file, "--online", "--json"]);
    expect([check.code, JSON.parse(check.output)["ok"]]).toEqual([code, code === 0]);
  }
});
