/** An upgrade to a script that leaves processes behind, which hold whatever was open when they were started. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive, until } from "../support/echo-proxy.ts";
import type { ProxyProcess } from "../support/proxy-process.ts";
import { commandOf, mustRun, statusOf } from "../support/run-command.ts";
import {
  clientOf,
  type Rig,
  start,
  stopAll,
  stops,
  type UpgradeResult,
  variant,
} from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

/** Upgraded to a script that starts a process and then becomes the proxy, in each of its roles. */
async function upgraded(...args: string[]): Promise<Rig & { leftBehind(): number[] }> {
  const rig = await start(...args);
  const list = join(rig.directory, "left-behind");
  const leftBehind = (): number[] =>
    existsSync(list) ? readFileSync(list, "utf8").trim().split("\n").map(Number) : [];
  stops.push(async () => {
    for (const pid of leftBehind()) if (isAlive(pid)) process.kill(pid, "SIGKILL");
  });
  const script = variant(rig.directory, "script", {}, [
    "sleep 600 > /dev/null 2>&1 &",
    `echo $! >> '${list}'`,
  ]);
  const { warning } = await mustRun<UpgradeResult>(rig.proxy, "upgrade", script);
  expect(warning).toBe(null);
  return { ...rig, leftBehind };
}

async function killed(proxy: ProxyProcess, name: string, times: number): Promise<void> {
  const { processes } = await statusOf(proxy);
  process.kill(processes.find((process) => process.name === name)?.pid ?? Number.NaN, "SIGKILL");
  for (;;) {
    const now = (await statusOf(proxy)).processes.find((process) => process.name === name);
    if (now?.respawns === times && now.state === "serving") {
      expect(now.lastDeath?.reason).toBe("was killed by SIGKILL");
      return;
    }
  }
}

test("a process that dies is replaced, and the proxy stops, whatever holds their channels", async () => {
  const rig = await upgraded("--accept", "dispatch");
  const { proxy } = rig;
  expect(proxy.stderr()).toMatch(/processes were left behind that hold the sockets .*\(sleep\)/);
  const [worker = ""] = (await statusOf(proxy)).processes.map(({ name }) => name);
  // The first was started by the program before this one, the second by this one.
  for (const times of [1, 2]) {
    for (const name of [worker, "acceptor", "admin"]) await killed(proxy, name, times);
  }
  const client = await clientOf(rig);
  expect(await client.ask("PING")).toBe("+PONG\r\n");
  expect(await mustRun<UpgradeResult>(proxy, "upgrade")).toMatchObject({ warning: null });
  expect(await client.ask("PING")).toBe("+PONG\r\n");
  const { code, output } = await commandOf(proxy, "stop");
  expect([code, output]).toEqual([0, "stopped\n"]);
  expect(await proxy.exited).toBe(0);
  expect(rig.leftBehind().filter(isAlive).length).toBeGreaterThan(0);
});

test("no process outlives a supervisor that is killed", async () => {
  const { proxy } = await upgraded("--accept", "dispatch");
  const children = (await statusOf(proxy)).processes.map(({ pid }) => pid ?? Number.NaN);
  expect(children).toHaveLength(4);
  process.kill(proxy.pid, "SIGKILL");
  await until("all have left", () => !children.some(isAlive));
});

test("what was left behind is reaped when it ends", async () => {
  const { proxy, leftBehind } = await upgraded();
  for (const pid of leftBehind()) if (isAlive(pid)) process.kill(pid, "SIGKILL");
  await until("it is reaped", () =>
    proxy.stderr().includes("a process that was left behind has ended"),
  );
});
