/** `proxy drain`: a server takes no new requests, loses none that it has, and takes them again by itself. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { readExposition } from "../support/read-exposition.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun, statusOf } from "../support/run-command.ts";

setDefaultTimeout(120_000);

const WORKERS = 2;
const KEYS = 40;
const DEADLINE_MS = 60_000;
const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Rig {
  readonly proxy: ProxyProcess;
  readonly port: number;
  readonly plainPort: number;
  readonly adminPort: number;
  /** Their names are "one" and "two". */
  readonly servers: readonly [RedisServer, RedisServer];
}

async function start(): Promise<Rig> {
  const servers = await Promise.all([startRedis(), startRedis()]);
  for (const server of servers) stops.push(() => server.stop());
  const [port, plainPort, adminPort] = [freePort(), freePort(), freePort()];
  const [one, two] = servers.map(({ host, port: at }) => `${host}:${at}:1`);
  const config = [
    `workers: ${WORKERS}`,
    "accept: dispatch",
    `admin: { listen: 127.0.0.1:${adminPort} }`,
    "pools:",
    "  main:",
    `    listen: 127.0.0.1:${port}`,
    "    proxy_commands: true",
    `    servers: ["${one} one", "${two} two"]`,
    "  plain:",
    `    listen: 127.0.0.1:${plainPort}`,
    "    protocol: tcp",
    `    servers: ["${one} one", "${two} two"]`,
    // Another server of the same name.
    "  other:",
    `    listen: 127.0.0.1:${freePort()}`,
    `    servers: ["${two} uno", "${one} duo", "${two} dos"]`,
    "  strange:",
    `    listen: 127.0.0.1:${freePort()}`,
    `    servers: ["${one} dos", "${two} tres"]`,
    "",
  ];
  const proxy = await startProxy({ config: config.join("\n") });
  stops.push(() => proxy.stop());
  return { proxy, port, plainPort, adminPort, servers };
}

async function connect(port: number): Promise<RespClient> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  stops.push(() => client.close());
  return client;
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAtMs = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > giveUpAtMs) throw new Error(`waited in vain: ${what}`);
  }
}

/** Commands of this name that the server has executed. */
async function calls({ port }: RedisServer, command: string): Promise<number> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  const text = await client.ask("INFO", "commandstats");
  client.close();
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(text)?.[1] ?? 0);
}

async function connectionsTo({ port }: RedisServer): Promise<number> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  const text = await client.ask("CLIENT", "LIST");
  client.close();
  // One of them asks.
  return text.split("\n").filter((line) => line.includes("id=")).length - 1;
}

async function getAll(clients: readonly RespClient[]): Promise<void> {
  for (const client of clients) {
    const keys = Array.from({ length: KEYS }, (_, i) => `k${i}`);
    client.command(...keys.map((key): [string, string] => ["GET", key]));
    for (const reply of await client.replies(KEYS)) expect(`${reply}`).toStartWith("$");
  }
}

test("a drained server takes no new requests, in all workers, and loses none; it takes them again", async () => {
  const { proxy, port, plainPort, adminPort, servers } = await start();
  const [one] = servers;
  const clients = await Promise.all([connect(port), connect(port)]);
  await getAll(clients);
  expect(await calls(one, "get")).toBeGreaterThan(0);
  // Those that go on over a connection of their own.
  const plain = await Promise.all([connect(plainPort), connect(plainPort)]);
  for (const client of plain) await client.ask("PING");
  let isOver = false;
  const faults: string[] = [];
  const load = async (): Promise<void> => {
    const client = await connect(port);
    for (let round = 0; !isOver; round++) {
      const keys = Array.from({ length: 16 }, (_, i) => `${round}:${i}`);
      client.command(...keys.map((key): [string, string, string] => ["SET", key, "v"]), [
        "MGET",
        ...keys.map((key) => key),
      ] as [string, ...string[]]);
      for (const reply of await client.replies(17))
        if (`${reply}`.startsWith("-")) faults.push(`${reply}`);
    }
  };
  const loads = [load(), load()];
  const { lever } = await mustRun<{ lever: { id: number; text: string; uid: number } }>(
    proxy,
    "drain",
    "one",
    "--for",
    "10m",
  );
  expect(lever).toMatchObject({ text: "one", uid: process.getuid!() });
  const before = await calls(one, "set");
  await getAll(clients);
  const asked = await calls(one, "get");
  await getAll(clients);
  expect([await calls(one, "get"), await calls(one, "set")]).toEqual([asked, before]);
  // Connections of clients' own stay, and none comes.
  await until(
    "its shared connections are closed",
    async () => (await connectionsTo(one)) <= plain.length,
  );
  for (const client of plain) expect(await client.ask("PING")).toBe("+PONG\r\n");
  const late = await Promise.all(Array.from({ length: 4 }, () => connect(plainPort)));
  // The proxy itself sends ECHO.
  for (const client of late) await client.ask("APPEND", "late", "v");
  expect(await calls(one, "append")).toBe(0);

  const shown = async (): Promise<Record<string, string>> => {
    const [client] = clients;
    const rows = (await client!.ask("PROXY", "SHOW", "SERVERS")).split("\r\n");
    const values = (name: string): string[] =>
      rows.flatMap((line, i) => (line === name ? [rows[i + 2]!] : []));
    const drains = values("drain");
    return Object.fromEntries(values("server").map((name, i) => [name, drains[i]!]));
  };
  await until("it is shown as drained", async () => (await shown())["one"] === "drained");
  expect((await shown())["two"]).toBe("");
  const metrics = async (name: string): Promise<ReadonlyMap<string, number>> => {
    const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`);
    return readExposition(await response.text(), false).get(name)?.samples ?? new Map();
  };
  await until(
    "it is in the metrics",
    async () =>
      (await metrics("proxy_server_drained")).get(
        'proxy_server_drained{pool="main",server="one"}',
      ) === 1,
  );
  expect(
    (await metrics("proxy_server_drained")).get('proxy_server_drained{pool="main",server="two"}'),
  ).toBe(0);
  expect((await metrics("proxy_levers")).get('proxy_levers{kind="drain"}')).toBe(1);

  await mustRun(proxy, "undrain", "one");
  await getAll(clients);
  expect(await calls(one, "get")).toBeGreaterThan(asked);
  isOver = true;
  await Promise.all(loads);
  expect(faults).toEqual([]);
  const { stderr } = proxy;
  expect(stderr()).toContain("a lever was pulled lever=1 kind=drain");
  expect(stderr()).toContain("a lever was released lever=1 kind=drain");
});

test("what cannot be drained is said, and changes nothing", async () => {
  const { proxy, servers } = await start();
  const problem = async (...args: string[]): Promise<string> => {
    const { code, errors } = await commandOf(proxy, "drain", ...args);
    expect(code).toBe(1);
    return errors;
  };
  expect(await problem("on")).toContain('no pool has a server "on"; did you mean "one"?');
  expect(await problem("uno", "--pool", "main")).toContain('pool "main" has no server "uno"');
  expect(await problem("one", "--pool", "mian")).toContain('did you mean "main"');
  expect(await problem("dos")).toContain('"dos" is several servers: ');
  await mustRun(proxy, "drain", "one", "--pool", "main", "--for", "1h");
  expect(await problem("two", "--pool", "main")).toContain(
    "it is the last server that takes requests",
  );
  // Another one that was drained is of no concern to it.
  await mustRun(proxy, "drain", `${servers[1].host}:${servers[1].port}`, "--pool", "plain");
  const { levers } = await statusOf(proxy);
  expect(levers?.map(({ kind, pool }) => `${kind} ${pool}`)).toEqual(["drain main", "drain plain"]);
  expect((await commandOf(proxy, "undrain", "two", "--pool", "main")).errors).toContain(
    "nothing such is held back",
  );
  await mustRun(proxy, "undrain", "one", "--pool", "main");
  expect((await statusOf(proxy)).levers).toHaveLength(1);
});
