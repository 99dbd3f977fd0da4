/** `proxy dev` as a user meets it: real processes, real pools, embedded servers. */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { Redis as IoRedis } from "ioredis";
import Memcached from "memcached";
import { Client as MemjsClient } from "memjs";
import { createClient } from "redis";
import type { DevFacts } from "../../src/cli/dev-facts.ts";
import { freePort } from "../support/free-port.ts";
import { proxyCommand } from "../support/proxy-process.ts";
import { RespClient } from "../support/resp-client.ts";

const COMMAND = proxyCommand();
/** Bounds each wait for a process to be gone; the wait itself ends as soon as it is. */
const WAIT_MS = 30_000;

interface Run {
  readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** What it printed up to and including the text that was waited for. */
  readonly output: string;
}

const running: Bun.Subprocess[] = [];
/** What closes the clients that a test opened: they would try to connect again. */
const closing: (() => void)[] = [];

process.on("exit", () => {
  for (const child of running) child.kill("SIGTERM");
});

afterEach(async () => {
  for (const close of closing.splice(0)) close();
  for (const child of running.splice(0)) {
    child.kill("SIGTERM");
    await child.exited;
  }
});

function spawn(...args: string[]): Run["child"] {
  const child = Bun.spawn({
    cmd: [...COMMAND, "dev", ...args],
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  running.push(child);
  return child;
}

/** Starts it and waits until it has printed what ends with `last`. */
async function start(last: string, ...args: string[]): Promise<Run> {
  const child = spawn(...args);
  let output = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    output += decoder.decode(chunk, { stream: true });
    if (output.endsWith(last)) return { child, output };
  }
  throw new Error(`ended early: ${output}${await new Response(child.stderr).text()}`);
}

async function startJson(...args: string[]): Promise<{ child: Run["child"]; facts: DevFacts }> {
  const { child, output } = await start("}\n", "--json", "--port", String(freePort()), ...args);
  return { child, facts: JSON.parse(output) as DevFacts };
}

async function failure(...args: string[]): Promise<{ code: number; error: string }> {
  const child = spawn(...args);
  const error = await new Response(child.stderr).text();
  return { code: await child.exited, error };
}

async function waitFor(what: string, isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await Bun.sleep(5);
  }
}

/** The processes that a process started, which still run. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}

function backendOf(pid: number): number {
  const isBackend = (child: number) =>
    readFileSync(`/proc/${child}/cmdline`, "utf8").includes("__dev-backend");
  return childrenOf(pid).find(isBackend) ?? Number.NaN;
}

function isGone(pid: number): boolean {
  return !existsSync(`/proc/${pid}`);
}

test("keys written through the proxy are read back, and lie on all the servers", async () => {
  const { facts } = await startJson("--workers", "2", "--shards", "3");
  expect(facts).toMatchObject({ pool: "dev", workers: 2, host: "127.0.0.1" });
  expect(facts.shards.map(({ name }) => name)).toEqual(["shard-1", "shard-2", "shard-3"]);
  const client = await RespClient.connect(facts);
  const keys = Array.from({ length: 300 }, (_, index) => `key:${index}`);
  expect(await client.ask("MSET", ...keys.flatMap((key) => [key, `value of ${key}`]))).toBe(
    "+OK\r\n",
  );
  const values = await client.ask("MGET", ...keys);
  expect(values).toBe(
    `*300\r\n${keys.map((key) => `$${key.length + 9}\r\nvalue of ${key}\r\n`).join("")}`,
  );
  const sizes: number[] = [];
  for (const { address } of facts.shards) {
    const shard = await RespClient.connect({ socketPath: address });
    sizes.push(Number((await shard.ask("DBSIZE")).substring(1)));
    shard.close();
  }
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(300);
  expect(Math.min(...sizes)).toBeGreaterThan(0);
  client.close();
});

test("node-redis with its default options, which mean RESP3", async () => {
  const { facts } = await startJson("--workers", "1", "--shards", "3");
  const client = createClient({ socket: { host: facts.host, port: facts.port } });
  closing.push(() => client.destroy());
  await client.connect();
  expect(await client.hello()).toMatchObject({ proto: 3 });
  expect(await client.set("text", "value")).toBe("OK");
  expect(await client.get("text")).toBe("value");
  expect(await client.get("none")).toBeNull();
  expect(await client.hSet("hash", { one: "1", two: "2" })).toBe(2);
  expect({ ...(await client.hGetAll("hash")) }).toEqual({ one: "1", two: "2" });
  expect(await client.sAdd("set", ["a", "b"])).toBe(2);
  expect((await client.sMembers("set")).sort()).toEqual(["a", "b"]);
  const scores = [
    { value: "low", score: -1.5 },
    { value: "high", score: Number.POSITIVE_INFINITY },
  ];
  expect(await client.zAdd("zset", scores)).toBe(2);
  expect(await client.zRangeWithScores("zset", 0, -1)).toEqual(scores);
  expect(await client.zScore("zset", "low")).toBe(-1.5);
  expect(await client.mGet(["text", "none", "other", "text"])).toEqual([
    ...["value", null, null, "value"],
  ]);
});

test("ioredis with its default options", async () => {
  const { facts } = await startJson("--workers", "1", "--shards", "3");
  const client = new IoRedis({ host: facts.host, port: facts.port });
  closing.push(() => client.disconnect());
  expect(await client.set("text", "value")).toBe("OK");
  expect(await client.get("text")).toBe("value");
  expect(await client.hset("hash", { one: "1", two: "2" })).toBe(2);
  expect(await client.hgetall("hash")).toEqual({ one: "1", two: "2" });
  expect(await client.zadd("zset", -1.5, "low", "inf", "high")).toBe(2);
  expect(await client.zrange("zset", 0, "-1", "WITHSCORES")).toEqual([
    "low",
    "-1.5",
    "high",
    "inf",
  ]);
  expect(await client.mget("text", "none", "text")).toEqual(["value", null, "value"]);
});

/** Sends bytes to a unix socket and returns all that comes until the other end closes. */
async function askUnix(path: string, bytes: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let answer = "";
  const socket = {
    data: (_: unknown, chunk: Buffer) => {
      answer += chunk.toString("latin1");
    },
    close: () => resolve(),
  };
  (await Bun.connect({ unix: path, socket })).write(bytes);
  await promise;
  return answer;
}

test("Memcached clients, text and binary, see the same keys on all the servers", async () => {
  const { facts } = await startJson("--workers", "2", "--shards", "3");
  const { port, pool, shards } = facts.memcache;
  expect(pool).toBe("dev-memcache");
  expect(shards.length).toBe(3);
  const text = new Memcached(`${facts.host}:${port}`);
  closing.push(() => text.end());
  const binary = MemjsClient.create(`${facts.host}:${port}`, { logger: { log: () => {} } });
  closing.push(() => binary.close());
  const keys = Array.from({ length: 300 }, (_, index) => `key:${index}`);
  for (const key of keys) expect(await binary.set(key, `value of ${key}`, {})).toBe(true);
  const values = await new Promise<Record<string, unknown>>((resolve, reject) => {
    text.getMulti(keys, (error, found) => (error ? reject(error) : resolve(found)));
  });
  expect(values).toEqual(Object.fromEntries(keys.map((key) => [key, `value of ${key}`])));
  const sizes: number[] = [];
  for (const { address } of shards) {
    const stats = await askUnix(address, "stats\r\nquit\r\n");
    sizes.push(Number(/curr_items (\d+)/.exec(stats)?.[1]));
  }
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(300);
  expect(Math.min(...sizes)).toBeGreaterThan(0);
});

test("it says that it is not for production, and what to type next", async () => {
  const port = freePort();
  const { output } = await start("Ctrl-C ends it.\n", "--port", String(port));
  expect(output).toContain("NOT FOR PRODUCTION");
  expect(output).toContain("in memory only");
  expect(output).toContain(`redis-cli -p ${port} mset bread 1 `);
  expect(output).toMatch(/\n {2}Memcached {2}on 127\.0\.0\.1:[0-9]+, before 4 embedded/);
  const config = /configuration that runs is (.*)\n/.exec(output)?.[1] ?? "";
  const route = Bun.spawnSync([...COMMAND, "route", "-c", config, "dev", "a", "--json"]);
  expect(route.stdout.toString()).toContain("shard-");
});

/** Those that were told first may have ended the others by then. */
function interrupt(pid: number): void {
  try {
    process.kill(pid, "SIGINT");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

test("Ctrl-C ends every process and leaves no file", async () => {
  const { child, facts } = await startJson();
  const processes = childrenOf(child.pid);
  expect(processes.length).toBeGreaterThan(1);
  expect(existsSync(facts.config)).toBe(true);
  for (const pid of [child.pid, ...processes]) interrupt(pid);
  expect(await child.exited).toBe(0);
  for (const pid of processes) expect(isGone(pid)).toBe(true);
  expect(existsSync(facts.config)).toBe(false);
});

test("a killed proxy takes its servers and their files along", async () => {
  const { child, facts } = await startJson();
  const processes = childrenOf(child.pid);
  child.kill("SIGKILL");
  await child.exited;
  await waitFor("its processes to end", () => processes.every(isGone));
  expect(existsSync(facts.config)).toBe(false);
});

test("without its servers it ends, says so, and fails", async () => {
  const { child, facts } = await startJson();
  process.kill(backendOf(child.pid), "SIGKILL");
  expect(await new Response(child.stderr).text()).toContain("embedded servers are gone (SIGKILL)");
  expect(await child.exited).toBe(1);
  expect(existsSync(facts.config)).toBe(false);
});

test("a port that was asked for and is in use is an error that names it", async () => {
  const { facts } = await startJson();
  const { code, error } = await failure("--port", String(facts.port));
  expect(code).toBe(1);
  expect(error).toContain(`port ${facts.port} of 127.0.0.1 is in use`);
});

test("two ports that are one are an error", async () => {
  const port = String(freePort());
  const { code, error } = await failure("--port", port, "--memcache-port", port);
  expect(code).toBe(1);
  expect(error).toContain("--port and --memcache-port must differ");
});

test("without --port the next free one is taken", async () => {
  const first = await start("}\n", "--json");
  const second = await start("}\n", "--json");
  const [one, two] = [first, second].map(({ output }) => (JSON.parse(output) as DevFacts).port);
  expect(one).toBeGreaterThanOrEqual(22121);
  expect(two).toBeGreaterThan(one ?? 0);
});

test.each([
  ["--port", "0"],
  ["--port", "70000"],
  ["--workers", "many"],
  ["--memcache-port", "0"],
  ["--shards", "0"],
  ["--shards", "1.5"],
])("%s %s is refused", async (flag, value) => {
  const { code, error } = await failure(flag, value);
  expect(code).toBe(2);
  expect(error).toMatch(new RegExp(`${flag}: expected (auto, or )?a number from 1 to `));
  expect(error).toContain(`found "${value}"`);
});
