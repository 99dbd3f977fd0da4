/** Orders that come to the admin process over HTTP: who may give them, that workers follow them, and that each ends. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun, statusOf } from "../support/run-command.ts";
import { makeDirectory } from "../support/server-process.ts";
import { stopAll, stops, variant } from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterAll(stopAll);

const LOOK = "a-token-for-looking-only";
const LEVERS = "a-token-that-pulls-levers";
const JSON_TYPE = { "content-type": "application/json" };
const BOTH = { ...JSON_TYPE, authorization: `Bearer ${LEVERS}` };

let proxy: ProxyProcess;
let admin: string;
let port: number;

beforeAll(async () => {
  const server = await startRedis();
  stops.push(() => server.stop());
  const directory = makeDirectory("admin-orders");
  const [look, levers] = [join(directory, "look"), join(directory, "levers")];
  writeFileSync(look, `${LOOK}\n`, { mode: 0o600 });
  writeFileSync(levers, `${LEVERS}\n`, { mode: 0o600 });
  port = freePort();
  const adminPort = freePort();
  admin = `http://127.0.0.1:${adminPort}`;
  const config = [
    ...["admin:", `  listen: 127.0.0.1:${adminPort}`],
    ...[`  token_file: ${look}`, `  levers_token_file: ${levers}`],
    ...["pools:", "  main:", `    listen: 127.0.0.1:${port}`, "    protocol: redis"],
    ...["    timeout: 5s", "    servers:", `      - ${server.host}:${server.port}:1 s0`, ""],
  ].join("\n");
  proxy = await startProxy({ config, args: ["--workers", "2"] });
  stops.push(() => proxy.stop());
  // The admin process comes a moment after the workers.
  await until(async () => {
    const answer = await fetch(`${admin}/access`).catch(() => null);
    return answer !== null;
  });
});

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await Bun.sleep(10);
}

interface Answer {
  readonly status: number;
  readonly body: {
    readonly ok: boolean;
    readonly problems?: readonly string[];
    readonly lever?: { readonly id: number; readonly by?: string };
  };
}

async function post(path: string, words: unknown, headers: object = BOTH): Promise<Answer> {
  const response = await fetch(`${admin}/${path}`, {
    method: "POST",
    headers: headers as Record<string, string>,
    body: typeof words === "string" ? words : JSON.stringify(words),
  });
  const text = await response.text();
  const body = text.startsWith("{") ? JSON.parse(text) : { ok: false, problems: [text] };
  return { status: response.status, body };
}

async function done(path: string, words: object): Promise<Answer["body"]> {
  const { status, body } = await post(path, words);
  expect([path, status, body.problems]).toEqual([path, 200, undefined]);
  return body;
}

async function get(path: string, token: string): Promise<unknown> {
  const headers = { authorization: `Bearer ${token}` };
  return await (await fetch(`${admin}/${path}`, { headers })).json();
}

async function client(): Promise<RespClient> {
  const made = await RespClient.connect({ host: "127.0.0.1", port });
  stops.push(async () => made.close());
  return made;
}

async function printed(verb: string, ...args: string[]): Promise<string> {
  return (await commandOf(proxy, verb, ...args)).output;
}

async function holds(): Promise<string[]> {
  const { levers = [], settings = [] } = await statusOf(proxy);
  return [...levers.map(({ kind }) => kind), ...settings.map(({ path }) => path)];
}

test("who has no token for it gives no orders, nor does a page of another address", async () => {
  const pause = { pool: "main", for: "30s" };
  const { ...forLevers } = BOTH;
  const cases: readonly (readonly [number, object])[] = [
    [401, JSON_TYPE],
    [401, { ...JSON_TYPE, authorization: "Bearer a-token-that-pulls-lever" }],
    [403, { ...JSON_TYPE, authorization: `Bearer ${LOOK}` }],
    [403, { ...forLevers, origin: "http://evil.example" }],
    [403, { ...forLevers, origin: "null" }],
    [403, { ...forLevers, "sec-fetch-site": "cross-site" }],
    [415, { ...forLevers, "content-type": "text/plain" }],
    [415, { ...forLevers, "content-type": "application/x-www-form-urlencoded" }],
  ];
  for (const [status, headers] of cases) {
    expect([headers, (await post("pause", pause, headers)).status]).toEqual([headers, status]);
  }
  const got = await fetch(`${admin}/pause?pool=main`, { headers: BOTH });
  expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
  expect((await fetch(`${admin}/pause`, { method: "OPTIONS", headers: BOTH })).status).toBe(405);
  expect((await post("pause", "x".repeat(5_000))).status).toBe(413);
  expect((await post("upgrade", {})).status).toBe(405);
  expect(await holds()).toEqual([]);
  expect(await get("access", LOOK)).toEqual({ ok: true, levers: "locked" });
  expect(await get("access", LEVERS)).toEqual({ ok: true, levers: "on" });
});

test("a pause, a block and read-only hold in all workers, are told with their origin, and end", async () => {
  const clients = [await client(), await client()];
  const { lever } = await done("readonly", { pool: "main", for: "1m" });
  expect(lever?.by).toMatch(/^admin port, 127\.0\.0\.1:\d+$/);
  for (const it of clients) expect(await it.ask("SET", "k", "v")).toStartWith("-ERR writes are");
  expect(await printed("status")).toMatch(/readonly of pool main, .*, by admin port, 127\./);
  await done("release", { lever: lever!.id });
  for (const it of clients) expect(await it.ask("SET", "k", "v")).toBe("+OK\r\n");
  await done("block", { pattern: "DEL user:*", pool: "main", for: "1s" });
  expect(await clients[0]!.ask("DEL", "user:1")).toStartWith("-ERR");
  await until(async () => (await holds()).length === 0);
  expect(await clients[0]!.ask("DEL", "user:1")).toBe(":0\r\n");
  await done("pause", { pool: "main", for: "50s" });
  const asked = clients[0]!.ask("GET", "k");
  await done("resume", { pool: "main" });
  expect(await asked).toContain("v");
  const told = await printed("events");
  expect(told).toMatch(/a lever was pulled .*kind=pause.* by="?admin port, 127\.0\.0\.1:\d+/);
  expect(told).toMatch(/a lever was released .* by="?admin port/);
});

test("a client is disconnected by its number, as the page knows it", async () => {
  const victim = await client();
  const other = await client();
  const id = Number((await victim.ask("CLIENT", "ID")).substring(1));
  await done("kick", { client: id });
  await until(async () => victim.isClosed);
  expect(await other.ask("PING")).toBe("+PONG\r\n");
  expect((await post("kick", { client: id })).body.problems).toEqual([`there is no client ${id}`]);
});

test("a value holds for its time and comes back; a wrong one is refused with its reason, and changes nothing", async () => {
  await done("config/set", { path: "main.timeout", value: "2s", for: "1m" });
  await done("log-level", { level: "debug", for: "1m" });
  expect((await holds()).sort()).toEqual(["log.level", "pools.main.timeout"]);
  expect(await printed("config", "get", "main.timeout")).toContain("2s");
  expect(await printed("config", "get")).toContain("set by admin port, 127.0.0.1");
  const wrong = await post("config/set", { path: "main.timeout", value: "soon" });
  expect([wrong.status, wrong.body.ok]).toEqual([409, false]);
  expect(wrong.body.problems?.join()).toContain("timeout");
  const nowhere = await post("config/set", { path: "main.workers", value: "2" });
  expect(nowhere.status).toBe(409);
  const listed = (await get("config/get", LOOK)) as {
    readonly options: readonly { readonly path: string; readonly text: string }[];
  };
  expect(listed.options.find(({ path }) => path === "pools.main.timeout")?.text).toBe("2s");
  await done("config/unset", { path: "main.timeout" });
  await done("config/unset", { path: "log.level" });
  expect(await holds()).toEqual([]);
  await done("config/set", { path: "main.timeout", value: "3s", for: "300ms" });
  await until(async () => (await holds()).length === 0);
  expect(await printed("config", "get", "main.timeout")).toContain("5s");
  await until(async () => {
    const { lines } = (await get("config/diff", LOOK)) as { readonly lines: readonly string[] };
    return lines.length === 0;
  });
});

test("what was ordered outlives the death of the admin process and an upgrade, and ends by itself", async () => {
  await done("readonly", { pool: "main", for: "20s" });
  const { processes } = await statusOf(proxy);
  process.kill(processes.find(({ role }) => role === "admin")!.pid!, "SIGKILL");
  await mustRun(proxy, "upgrade", variant(dirname(proxy.configFile), "other"));
  const { levers = [] } = await statusOf(proxy);
  expect(levers.map(({ kind, by }) => [kind, by?.replace(/:\d+$/, "")])).toEqual([
    ["readonly", "admin port, 127.0.0.1"],
  ]);
  const writer = await client();
  expect(await writer.ask("SET", "k", "v")).toStartWith("-ERR writes are");
  // The new program's admin process takes orders, too.
  await until(async () => (await get("access", LEVERS).catch(() => null)) !== null);
  await done("readonly", { pool: "main", for: "500ms" });
  await until(async () => (await holds()).length === 0);
  expect(await writer.ask("SET", "k", "v")).toBe("+OK\r\n");
});
