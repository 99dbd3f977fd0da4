/** What operators see of modules: options by `proxy config`, counters by `proxy stats`. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { configWith, modulesRig, startWith } from "../support/modules-rig.ts";
import { startRedis } from "../support/redis-server.ts";
import { commandOf } from "../support/run-command.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);

const DENIED = "-ERR denied by this proxy's configuration\r\n";
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

test("options of a protocol of a module are known to proxy config, with what they were before", async () => {
  const rig = modulesRig();
  const code = readFileSync(rig.path("echo.ts"), "utf8");
  rig.write(
    "echo.ts",
    code
      .replace("import {", "import { integer,")
      .replace('name: "echo",', 'name: "echo", options: { max_key: integer({ default: 250 }) },'),
  );
  const config = configWith([rig.path("echo.ts")], [{ name: "kv", lines: ["protocol: echo"] }]);
  const { proxy } = await startWith(config, stops);
  const get = async (...args: string[]): Promise<string> =>
    (await commandOf(proxy, "config", "get", ...args)).output;
  expect(await get("kv.max_key")).toBe("250\n");
  expect(await get("pools.kv.max_key")).toBe("250\n");
  expect(await get()).toMatch(/^pools\.kv\.max_key +250 +by reload$/m);
  const set = await commandOf(proxy, "config", "set", "kv.max_key", "8", "--save", "--reload");
  expect(set.output).toContain("pools.kv.max_key: 250 → 8, written into the file, and reloaded");
  expect(await get("kv.max_key")).toBe("8\n");
  expect((await commandOf(proxy, "config", "get", "kv.max_kye")).errors).toContain(
    'did you mean "kv.max_key"?',
  );
});

test("proxy stats shows what modules count, with what it means", async () => {
  const rig = modulesRig();
  const server = await startRedis();
  stops.push(() => server.stop());
  const lines = [`servers: ["${server.host}:${server.port}:1 one"]`, "filters: [deny]"];
  const config = configWith([rig.path("deny.ts")], [{ name: "main", lines }]);
  const { proxy, clients } = await startWith(config, stops);
  expect(await clients[0]!.ask("GET", "a")).toBe(DENIED);
  const counted = "module deny of pool main\n  denied  1  requests that were refused\n";
  await eventually(async () => (await commandOf(proxy, "stats")).output.includes(counted));
  const { output } = await commandOf(proxy, "stats", "--all");
  expect(output).toMatch(/^ {2}faults +0 {2}times that the module failed$/m);
  const { modules } = JSON.parse((await commandOf(proxy, "stats", "--json")).output) as {
    readonly modules: readonly unknown[];
  };
  expect(modules).toContainEqual({
    ...{ pool: "main", module: "deny", counter: "denied", value: 1 },
    help: "requests that were refused",
  });
});

async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 50; tries++) if (await isSo()) return;
  throw new Error("waited in vain");
}
