/** Redis's HOTKEYS and LATENCY, answered for the proxy in Redis's form. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { decodeReply } from "../../src/protocols/redis/codec/decode.ts";
import { respClient, startOperatorRig } from "../support/operator-rig.ts";
import type { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun } from "../support/run-command.ts";
import { stopAll } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

async function decoded(client: RespClient, ...command: [string, ...string[]]): Promise<unknown> {
  client.command(command);
  return plain(decodeReply(await client.reply(), 0));
}

/** Texts in place of bytes. */
function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString("latin1");
  return Array.isArray(value) ? value.map(plain) : value;
}

/** A flat list of names and values. */
function pairs(list: unknown): Map<string, unknown> {
  const all = list as unknown[];
  const names = all.filter((_, index) => index % 2 === 0);
  return new Map(names.map((name, index) => [`${name}`, all[2 * index + 1]]));
}

test("HOTKEYS tells the keys of the pool by time and by bytes", async () => {
  const rig = await startOperatorRig(2, ["proxy_commands: true", "hot_keys_samples: 10000"]);
  const clients = await Promise.all([respClient(rig.main), respClient(rig.main)]);
  const [client] = clients as [RespClient, RespClient];
  expect(await client.ask("HOTKEYS", "GET")).toBe("$-1\r\n");
  expect(await client.ask("HOTKEYS", "STOP")).toBe("$-1\r\n");
  expect(await client.ask("hotkeys", "start", "metrics", "2", "cpu", "net", "COUNT", "40")).toBe(
    "+OK\r\n",
  );
  expect(await client.ask("HOTKEYS", "START", "METRICS", "1", "CPU")).toBe(
    "-ERR hotkey tracking session already in progress\r\n",
  );
  expect(await client.ask("HOTKEYS", "RESET")).toStartWith(
    "-ERR hotkey tracking session in progress",
  );
  for (const one of clients) {
    await one.ask("SET", "large", "v".repeat(20_000));
    for (let i = 0; i < 20; i++) {
      await one.ask("GET", "large");
      await one.ask("SET", `small:${i}`, "v");
      await one.ask("EVAL", "for i = 1, 300000 do end", "1", "busy");
    }
  }
  const report = async (): Promise<Map<string, unknown>> => {
    const [only] = (await decoded(client, "HOTKEYS", "GET")) as unknown[];
    return pairs(only);
  };
  // Workers tell of keys a moment later.
  let found = await report();
  while (!(found.get("by-net-bytes") as unknown[]).includes("busy")) found = await report();
  expect([...found.keys()]).toEqual([
    ...["tracking-active", "sample-ratio", "selected-slots", "all-commands-all-slots-us"],
    ...["net-bytes-all-commands-all-slots", "collection-start-time-unix-ms"],
    ...["collection-duration-ms", "total-cpu-time-user-ms", "total-cpu-time-sys-ms"],
    ...["total-net-bytes", "by-cpu-time-us", "by-net-bytes"],
  ]);
  expect(found.get("selected-slots")).toEqual([[0, 16_383]]);
  expect((found.get("by-cpu-time-us") as unknown[])[0]).toBe("busy");
  expect((found.get("by-net-bytes") as unknown[])[0]).toBe("large");
  const [net, all] = ["total-net-bytes", "net-bytes-all-commands-all-slots"].map((name) =>
    Number(found.get(name)),
  );
  expect(net!).toBeGreaterThan(20_000);
  expect(all!).toBeGreaterThanOrEqual(40 * 20_000);
  expect(Number(found.get("all-commands-all-slots-us"))).toBeGreaterThan(1000);
  expect(await client.ask("HOTKEYS", "STOP")).toBe("+OK\r\n");
  const stopped = await report();
  expect(stopped.get("tracking-active")).toBe(0);
  await client.ask("GET", "large");
  expect(await report()).toEqual(stopped);
  // In RESP3 it is a map.
  await client.ask("HELLO", "3");
  expect(await client.ask("HOTKEYS", "GET")).toStartWith(
    "*1\r\n%12\r\n$15\r\ntracking-active\r\n:0\r\n",
  );
  expect(await client.ask("HOTKEYS", "RESET")).toBe("+OK\r\n");
  expect(await client.ask("HOTKEYS", "GET")).toBe("_\r\n");
});

test("HOTKEYS ends by itself, refuses what Redis refuses, and is the servers' where it is not the proxy's", async () => {
  const rig = await startOperatorRig(1, ["proxy_commands: true"]);
  const client = await respClient(rig.main);
  const refusals: readonly [command: string, error: string][] = [
    ["HOTKEYS", "wrong number of arguments for 'hotkeys' command"],
    ["HOTKEYS NOSUCH", "unknown subcommand or wrong number of arguments"],
    ["HOTKEYS GET x", "wrong number of arguments for 'hotkeys|get' command"],
    ["HOTKEYS START", "METRICS parameter is required"],
    ["HOTKEYS START METRICS 0 CPU", "METRICS count must be > 0 and <= 2"],
    ["HOTKEYS START METRICS 2 CPU", "METRICS count does not match number of metric types provided"],
    ["HOTKEYS START METRICS 1 DISK", "METRICS no valid metrics passed. Supported: CPU|NET"],
    ["HOTKEYS START METRICS 2 NET NET", "METRICS NET defined more than once!"],
    ["HOTKEYS START METRICS 1 NET COUNT 65", "COUNT must be between 1 and 64"],
    ["HOTKEYS START METRICS 1 NET DURATION 0", "DURATION must be between 1 and 1000000"],
    ["HOTKEYS START METRICS 1 NET SAMPLE 0", "SAMPLE ratio must be positive"],
    ["HOTKEYS START METRICS 1 NET SLOTS 1 5", "SLOTS parameter cannot be used in non-cluster mode"],
    ["HOTKEYS START METRICS 1 NET COUNT", "syntax error"],
    ["HOTKEYS START METRICS 1 NET NOSUCH 1", "syntax error"],
  ];
  for (const [command, error] of refusals) {
    expect(await client.ask(...(command.split(" ") as [string])), command).toBe(
      `-ERR ${error}\r\n`,
    );
  }
  expect(await client.ask("HOTKEYS", "HELP")).toContain("answered by the proxy");
  expect(
    await client.ask("HOTKEYS", "START", "METRICS", "1", "NET", "DURATION", "1", "SAMPLE", "100"),
  ).toBe("+OK\r\n");
  const isActive = async (): Promise<unknown> => {
    const [only] = (await decoded(client, "HOTKEYS", "GET")) as unknown[];
    return pairs(only).get("tracking-active");
  };
  while ((await isActive()) === 1) await Bun.sleep(20);
  expect(await isActive()).toBe(0);
  await mustRun(rig.proxy, "config", "set", "main.hot_keys", "false");
  expect(await client.ask("HOTKEYS", "START", "METRICS", "1", "NET")).toContain(
    "hot_keys is false",
  );
  // Hidden keys are not shown either, also those that were seen before.
  await mustRun(rig.proxy, "config", "set", "main.slowlog_keys", "false");
  const [only] = (await decoded(client, "HOTKEYS", "GET")) as unknown[];
  expect(pairs(only).get("by-net-bytes")).toEqual([]);
  await mustRun(rig.proxy, "config", "set", "main.deny_commands", "[HOTKEYS]");
  expect(await client.ask("HOTKEYS", "GET")).toMatch(/^-ERR (unknown command|.*denied)/);
  await mustRun(rig.proxy, "config", "unset", "main.deny_commands");
  await client.ask("MULTI");
  expect(await client.ask("HOTKEYS", "GET")).toStartWith("-ERR unknown command");
  expect(await client.ask("EXEC")).toStartWith("-EXECABORT");
  await mustRun(rig.proxy, "config", "set", "main.proxy_commands", "false");
  expect(await client.ask("HOTKEYS", "GET")).toStartWith("-ERR unknown command");
});

test("LATENCY tells of the proxy's times and of slow requests", async () => {
  const rig = await startOperatorRig(1, ["proxy_commands: true", "slowlog: 100ms"]);
  const client = await respClient(rig.main);
  for (let i = 0; i < 30; i++) await client.ask("SET", `k${i}`, "v");
  for (let i = 0; i < 20; i++) await client.ask("GET", `k${i}`);
  const histogram = async (...families: string[]): Promise<Map<string, unknown>> =>
    pairs(await decoded(client, "LATENCY", "HISTOGRAM", ...families));
  // The last reply's time is counted behind its reply.
  while (Number(pairs((await histogram()).get("read") ?? []).get("calls") ?? 0) < 20)
    await Bun.sleep(20);
  const all = await histogram();
  const write = pairs(all.get("write"));
  expect(write.get("calls")).toBe(30);
  const counts = [...pairs(write.get("histogram_usec")).values()].map(Number);
  expect(counts).toEqual([...counts].sort((a, b) => a - b));
  expect(counts.at(-1)).toBe(30);
  expect([...(await histogram("READ", "nosuch")).keys()]).toEqual(["read"]);
  process.kill(rig.redis.pid, "SIGSTOP");
  client.command(["GET", "slow"]);
  await Bun.sleep(150);
  process.kill(rig.redis.pid, "SIGCONT");
  await client.replies(1);
  let latest = (await decoded(client, "LATENCY", "LATEST")) as unknown[];
  // Workers tell of slow requests a moment later.
  while (latest.length === 0) latest = (await decoded(client, "LATENCY", "LATEST")) as unknown[];
  const [[event, atSeconds, tookMs, mostMs]] = latest as [[string, number, number, number]];
  expect(event).toBe("slow-request");
  expect(tookMs).toBeGreaterThanOrEqual(100);
  expect(mostMs).toBeGreaterThanOrEqual(tookMs);
  // On a busy machine others may have been slow, too.
  const history = (await decoded(client, "LATENCY", "HISTORY", "slow-request")) as unknown[];
  expect(history.at(-1)).toEqual([atSeconds, tookMs]);
  expect(await client.ask("LATENCY", "HISTORY", "command")).toBe("*0\r\n");
  expect(await client.ask("LATENCY", "HISTORY")).toStartWith("-ERR wrong number");
  expect(await client.ask("LATENCY", "DOCTOR")).toContain("proxy doctor");
  expect(await client.ask("LATENCY", "HELP")).toContain("answered by the proxy");
  expect(await client.ask("LATENCY", "RESET", "command")).toBe(":0\r\n");
  expect(await client.ask("LATENCY", "RESET")).toBe(":1\r\n");
  expect(await client.ask("LATENCY", "LATEST")).toBe("*0\r\n");
  await commandOf(rig.proxy, "config", "set", "main.proxy_commands", "false");
  expect(await client.ask("LATENCY", "HELP")).not.toContain("proxy");
});
