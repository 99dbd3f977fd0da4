/** What operators hold back for a while: in all workers, until it ends by itself. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { startMemcached } from "../support/memcached-server.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun, runCommand, statusOf } from "../support/run-command.ts";
import { TextClient } from "../support/text-client.ts";

setDefaultTimeout(120_000);

const WORKERS = 2;
const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Rig {
  readonly proxy: ProxyProcess;
  readonly port: number;
}

async function rigOf(protocol = "redis"): Promise<Rig> {
  const server = protocol === "redis" ? await startRedis() : await startMemcached();
  stops.push(() => server.stop());
  const port = freePort();
  const config = [
    `workers: ${WORKERS}`,
    "accept: dispatch",
    "pools:",
    "  main:",
    `    listen: 127.0.0.1:${port}`,
    `    protocol: ${protocol}`,
    `    servers: ["${server.host}:${server.port}:1 one"]`,
    "  plain:",
    `    listen: 127.0.0.1:${freePort()}`,
    "    protocol: tcp",
    `    servers: ["${server.host}:${server.port}:1 one"]`,
    "",
  ];
  const proxy = await startProxy({ config: config.join("\n") });
  stops.push(() => proxy.stop());
  return { proxy, port };
}

/** One in each worker. */
async function clientsOf({ port }: Rig): Promise<RespClient[]> {
  const clients: RespClient[] = [];
  for (let at = 0; at < WORKERS; at++) {
    const client = await RespClient.connect({ host: "127.0.0.1", port });
    stops.push(() => client.close());
    clients.push(client);
  }
  return clients;
}

async function repliesOf(clients: readonly RespClient[], ...command: string[]): Promise<string[]> {
  return await Promise.all(clients.map((client) => client.ask(...command)));
}

async function pull({ proxy }: Rig, verb: string, ...args: string[]): Promise<void> {
  await mustRun(proxy, verb, ...args);
}

const DEADLINE_MS = 60_000;

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAtMs = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > giveUpAtMs) throw new Error(`waited in vain: ${what}`);
  }
}

const REFUSED = /^-ERR writes are refused for a while/;

test("read-only ends by itself, for clients that were there before, and in the middle of a request", async () => {
  const rig = await rigOf();
  const clients = await clientsOf(rig);
  await repliesOf(clients, "SET", "a", "1");
  const [first] = clients;
  first!.send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$6\r\nhal");
  await first!.sent();
  await pull(rig, "readonly", "main", "--for", "4s");
  first!.send("ve!\r\n");
  expect(`${await first!.reply()}`).toMatch(REFUSED);
  for (const reply of await repliesOf(clients, "SET", "a", "2")) expect(reply).toMatch(REFUSED);
  for (const reply of await repliesOf(clients, "GET", "a")) expect(reply).toBe("$1\r\n1\r\n");
  for (const reply of await repliesOf(await clientsOf(rig), "DEL", "a"))
    expect(reply).toMatch(REFUSED);
  expect((await statusOf(rig.proxy)).levers).toEqual([
    expect.objectContaining({ kind: "readonly", pool: "main", uid: process.getuid?.() }),
  ]);
  await until("it is over", async () => (await statusOf(rig.proxy)).levers?.length === 0);
  for (const reply of await repliesOf(clients, "SET", "a", "3")) expect(reply).toBe("+OK\r\n");
  expect(rig.proxy.stderr()).toContain("a lever was pulled");
  expect(rig.proxy.stderr()).toContain("a lever's time is over");
});

test("a command is blocked on some keys, and released", async () => {
  const rig = await rigOf();
  const clients = await clientsOf(rig);
  await pull(rig, "block", "del user:*");
  for (const client of clients) {
    client.command(["SET", "user:1", "x"], ["DEL", "user:1"], ["DEL", "b"], ["GET", "user:1"]);
    const [set, refused, passed, get] = (await client.replies(4)).map(String);
    expect([set, passed, get]).toEqual(["+OK\r\n", ":0\r\n", "$1\r\nx\r\n"]);
    expect(refused).toBe('-ERR refused for a while: an operator has blocked "del user:*"\r\n');
    client.command(["MULTI"], ["DEL", "user:1"], ["EXEC"]);
    expect(`${(await client.replies(3))[2]}`).toStartWith("-EXECABORT");
  }
  await pull(rig, "release", "1");
  for (const reply of await repliesOf(clients.slice(0, 1), "DEL", "user:1"))
    expect(reply).toBe(":1\r\n");
});

test("requests of a paused pool wait in their order, and go on", async () => {
  const rig = await rigOf();
  const clients = await clientsOf(rig);
  await repliesOf(clients, "SET", "n", "0");
  await pull(rig, "pause", "main", "--at-most", "60s");
  const late = await clientsOf(rig);
  const all = [...clients, ...late];
  const [first] = clients;
  for (const client of all) client.command(["INCR", "n"], ["ECHO", "a"], ["ECHO", "b"]);
  // The answer comes from the same workers, after they have read what clients sent.
  expect((await statusOf(rig.proxy)).levers).toHaveLength(1);
  for (const { unread } of all) expect(unread).toHaveLength(0);
  await pull(rig, "resume", "main");
  const counts: string[] = [];
  for (const client of all) {
    const [count, a, b] = (await client.replies(3)).map(String);
    expect([a, b]).toEqual(["$1\r\na\r\n", "$1\r\nb\r\n"]);
    counts.push(count!);
  }
  expect(counts.sort()).toEqual([":1\r\n", ":2\r\n", ":3\r\n", ":4\r\n"]);
  await pull(rig, "pause", "main", "--at-most", "1s");
  expect(await first!.ask("ECHO", "by itself")).toBe("$9\r\nby itself\r\n");
  expect(rig.proxy.stderr()).toContain("a lever's time is over");
});

test("Memcached, too; and what cannot be: other pools, too long, protocols without requests", async () => {
  const rig = await rigOf("memcache");
  const client = await TextClient.connect({ host: "127.0.0.1", port: rig.port });
  stops.push(() => client.close());
  await pull(rig, "readonly", "main");
  client.send("set a 0 0 1\r\nx\r\nget a\r\n");
  expect(`${await client.until("END\r\n")}`).toBe(
    "SERVER_ERROR ERR writes are refused for a while: an operator has made this pool read-only\r\nEND\r\n",
  );
  // Of a request that was refused the pool's own frontend has seen the beginning.
  client.send("set b 0 0 5\r\nhal");
  await pull(rig, "block", "touch");
  client.send("ve\r\nget a\r\n");
  expect(`${await client.until("END\r\n")}`).toEndWith("made this pool read-only\r\nEND\r\n");
  const problem = async (...args: string[]): Promise<string> => {
    const [verb = "", ...rest] = args;
    const { code, errors } = await commandOf(rig.proxy, verb, ...rest);
    expect(code).toBe(1);
    return errors;
  };
  expect(await problem("readonly", "mian")).toContain('did you mean "main"?');
  expect(await problem("readonly", "plain")).toBe(
    'proxy: pool "plain": "readonly" needs requests that can be told apart; those of protocol tcp cannot, those of redis and memcache can\n',
  );
  const block = async (...args: string[]): Promise<readonly string[] | undefined> =>
    (await mustRun<{ readonly warnings?: string[] }>(rig.proxy, "block", ...args)).warnings;
  const passed = "not in pools whose requests cannot be told apart: plain (tcp)";
  expect(await block("tuch", "--pool", "main")).toEqual([
    'the proxy knows no command "TUCH"; did you mean "TOUCH"?',
  ]);
  expect(await block("FROBNICATE x")).toEqual([
    passed,
    'the proxy knows no command "FROBNICATE"; servers may know it: modules\' commands, and newer ones',
  ]);
  expect(await block("touch")).toEqual([passed]);
  expect(await block("* user:*", "--pool", "main")).toBeUndefined();
  const { output } = await commandOf(rig.proxy, "block", "tuch");
  expect(output).toContain(`\nwarning: ${passed}\nwarning: the proxy knows no command "TUCH"`);
  await pull(rig, "release", "all");
  expect(await problem("pause", "main", "--at-most", "2h")).toContain("at most 1m");
  expect(await problem("resume", "main")).toContain("nothing such is held back");
  expect((await runCommand(["pause", "main", "--at-most", "soon"])).code).toBe(2);
  await pull(rig, "log-level", "debug", "--for", "1h");
  expect((await statusOf(rig.proxy)).settings).toEqual([
    expect.objectContaining({ path: "log.level", text: "debug" }),
  ]);
});
