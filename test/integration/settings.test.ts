/** `proxy config`: values of a running proxy change in all workers, or in none. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type {
  ConfigOption,
  ProxyEvent,
  SettingStatus,
  Status,
} from "../../src/api/control-socket.ts";
import type { ClientReport } from "../../src/api/inspection.ts";
import { until } from "../support/echo-proxy.ts";
import { type FakeServer, startFakeServer } from "../support/fake-server.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, proxyCommand, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun, statusOf } from "../support/run-command.ts";

setDefaultTimeout(120_000);

const WORKERS = 2;
/** One in each worker: with more, one's late reply would end the connection that others wait on. */
const CLIENTS = WORKERS;

const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Rig {
  readonly proxy: ProxyProcess;
  readonly port: number;
}

/** A proxy with two workers that have the same number of clients, before one server. */
async function rigOf(
  server: { readonly host: string; readonly port: number },
  ...lines: string[]
): Promise<Rig> {
  const port = freePort();
  const config = [
    "# what the operators wrote",
    `workers: ${WORKERS}`,
    "accept: dispatch",
    "pools:",
    "  main:",
    `    listen: 127.0.0.1:${port}`,
    "    timeout: 30s     # generous",
    ...lines.map((line) => `    ${line}`),
    "    servers:",
    `      - ${server.host}:${server.port}:1 one`,
    "",
  ];
  const proxy = await startProxy({ config: config.join("\n") });
  stops.push(() => proxy.stop());
  return { proxy, port };
}

function silentServer(): FakeServer {
  const server = startFakeServer(() => null);
  stops.push(() => server.stop());
  return server;
}

async function clientsOf({ port }: Rig, count = CLIENTS): Promise<RespClient[]> {
  const clients: RespClient[] = [];
  for (let at = 0; at < count; at++) {
    const client = await RespClient.connect({ host: "127.0.0.1", port });
    stops.push(() => client.close());
    clients.push(client);
  }
  return clients;
}

async function set({ proxy }: Rig, ...args: string[]): Promise<void> {
  await mustRun(proxy, "config", "set", ...args);
}

async function shownValue({ proxy }: Rig, path: string): Promise<string> {
  const { options } = await mustRun<{ options: ConfigOption[] }>(proxy, "config", "get", path);
  return options[0]?.text ?? "";
}

async function refused({ proxy }: Rig, ...args: string[]): Promise<string> {
  const { code, errors } = await commandOf(proxy, "config", ...args);
  expect(code).toBe(1);
  return errors;
}

async function repliesOf(clients: readonly RespClient[], ...command: string[]): Promise<string[]> {
  return await Promise.all(clients.map((client) => client.ask(...command)));
}

const DEADLINE_MS = 60_000;

/** Asks until it is so; each question is a command, which takes its time. */
async function eventually(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAtMs = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > giveUpAtMs) throw new Error(`waited in vain: ${what}`);
  }
}

test("a time-out is set in all workers, for requests that wait already, too; and taken back", async () => {
  const rig = await rigOf(silentServer());
  const clients = await clientsOf(rig);
  const waiting = repliesOf(clients, "GET", "a");
  await set(rig, "main.timeout", "200ms");
  for (const reply of await waiting) expect(reply).toContain("within 200 ms");
  await set(rig, "pools.main.timeout", "150ms");
  for (const reply of await repliesOf(clients, "GET", "b"))
    expect(reply).toContain("within 150 ms");
  await mustRun(rig.proxy, "config", "unset", "main.timeout");
  expect(await shownValue(rig, "main.timeout")).toBe("30s");
  expect((await statusOf(rig.proxy)).settings).toEqual([]);
});

test("a wrong value changes nothing, and is told in the words of proxy check", async () => {
  const rig = await rigOf(silentServer());
  const problem = await refused(rig, "set", "main.timeout", "abc");
  const file = join(dirname(rig.proxy.configFile), "wrong.yaml");
  writeFileSync(file, readFileSync(rig.proxy.configFile, "utf8").replace("30s", "abc"));
  const checked = await commandOf({ configFile: file }, "check");
  // But for the place: the value is not in the file.
  const [first = ""] = checked.errors.split("\n");
  expect(first).toStartWith(`${file}:7:14: `);
  expect(problem).toBe(`proxy: ${first.substring(`${file}:7:14: `.length)}\n`);
  expect(await refused(rig, "set", "main.timeot", "1s")).toContain('did you mean "main.timeout"');
  expect(await refused(rig, "set", "main.hash", "md5")).toContain("--save --reload");
  expect(await shownValue(rig, "main.timeout")).toBe("30s");
});

test("a worker that does not answer: the change is made in none", async () => {
  const rig = await rigOf(silentServer());
  const clients = await clientsOf(rig);
  const [stopped] = rig.proxy.workerPids();
  process.kill(stopped!, "SIGSTOP");
  const problem = await refused(rig, "set", "main.timeout", "100ms");
  process.kill(stopped!, "SIGCONT");
  expect(problem).toContain("did not answer within");
  expect(problem).toContain("nothing was changed");
  expect(await shownValue(rig, "main.timeout")).toBe("30s");
  // Both still follow orders, and what the stopped one heard late changes nothing.
  await set(rig, "main.timeout", "250ms");
  for (const reply of await repliesOf(clients, "GET", "a"))
    expect(reply).toContain("within 250 ms");
});

test("a worker that is replaced and the program that replaces this one keep what was set; its end comes all the same", async () => {
  const rig = await rigOf(silentServer());
  await set(rig, "main.timeout", "200ms");
  await set(rig, "main.timeout", "100ms", "--for", "20s");
  const before = rig.proxy.workerPids();
  process.kill(before[0]!, "SIGKILL");
  await eventually("the worker is replaced", async () => {
    const { processes } = await statusOf(rig.proxy);
    const workers = processes.filter(({ role }) => role === "worker");
    return (
      workers.length === WORKERS &&
      workers.every(({ state, pid }) => state === "serving" && pid !== before[0])
    );
  });
  for (const reply of await repliesOf(await clientsOf(rig), "GET", "a"))
    expect(reply).toContain("within 100 ms");
  await mustRun(
    rig.proxy,
    "upgrade",
    ...proxyCommand()
      .slice(0, 1)
      .filter(() => proxyCommand().length === 1),
    "--trust",
  );
  await eventually("the new program serves", async () =>
    rig.proxy.stderr().includes("ready after an upgrade"),
  );
  const clients = await clientsOf(rig);
  const [reply] = await repliesOf(clients.slice(0, 1), "GET", "a");
  expect(reply).toMatch(/within [12]00 ms/);
  await eventually(
    "its time is over",
    async () => (await shownValue(rig, "main.timeout")) === "200ms",
  );
  for (const late of await repliesOf(clients, "GET", "b")) expect(late).toContain("within 200 ms");
  expect(rig.proxy.stderr()).toContain("a setting's time is over");
  const { events } = await mustRun<{ events: ProxyEvent[] }>(rig.proxy, "events", "-n", "500");
  const told = events.map(({ process: from, text }) => `${from.split("/")[0]} ${text}`).join("\n");
  // Before the upgrade, at it, and after it.
  expect(told).toContain("supervisor a setting was changed option=pools.main.timeout");
  expect(told).toContain("supervisor died child=worker/");
  expect(told).toContain("supervisor ready after an upgrade");
  expect(told).toContain("worker server is in trouble");
  expect(told).toContain("supervisor a setting's time is over");
});

test("a reload drops what was set: the file is the truth", async () => {
  const rig = await rigOf(silentServer());
  await set(rig, "main.timeout", "100ms");
  const { settings } = await mustRun<{ settings: SettingStatus[] }>(rig.proxy, "config", "diff");
  expect(settings).toEqual([
    expect.objectContaining({ path: "pools.main.timeout", text: "100ms" }),
  ]);
  const status: Status = await statusOf(rig.proxy);
  expect(status.settings).toHaveLength(1);
  const { changes } = await mustRun<{ changes: { lines: string[] } }>(rig.proxy, "reload");
  expect(changes.lines).toEqual(['pool "main": timeout: 100ms → 30s']);
  expect(await shownValue(rig, "main.timeout")).toBe("30s");
  expect((await commandOf(rig.proxy, "config", "diff")).output).toBe(
    "what runs is what the file says\n",
  );
});

test("--save writes the file behind a link, with its comments and its mode, and a reload finds nothing new", async () => {
  const rig = await rigOf(silentServer());
  const file = rig.proxy.configFile;
  const real = join(dirname(file), "real.yaml");
  renameSync(file, real);
  symlinkSync("real.yaml", file);
  chmodSync(real, 0o640);
  const before = readFileSync(real, "utf8");
  await set(rig, "main.timeout", "700ms", "--save");
  expect(readFileSync(real, "utf8")).toBe(before.replace("30s", "700ms"));
  expect(statSync(real).mode & 0o777).toBe(0o640);
  expect((await statusOf(rig.proxy)).settings).toEqual([]);
  const { crew } = await mustRun<{ crew: unknown }>(rig.proxy, "reload");
  expect(crew).toBeNull();
  expect(await shownValue(rig, "main.timeout")).toBe("700ms");
  await set(rig, "main.hash", "md5", "--save", "--reload");
  expect(await shownValue(rig, "main.hash")).toBe("md5");
  expect(await refused(rig, "set", "main.timeout", "x", "--save")).toContain(
    "expected milliseconds",
  );
  expect(readFileSync(real, "utf8")).toContain("timeout: 700ms     # generous");
});

test("commands are denied and allowed again, and clients limited, while all stay connected", async () => {
  const redis = await startRedis();
  stops.push(() => redis.stop());
  const rig = await rigOf(redis);
  const clients = await clientsOf(rig);
  await set(rig, "main.deny_commands", "[GET, CONFIG GET]");
  for (const reply of await repliesOf(clients, "GET", "a"))
    expect(reply).toStartWith("-ERR 'GET' is denied");
  for (const reply of await repliesOf(clients, "SET", "a", "1")) expect(reply).toBe("+OK\r\n");
  await set(rig, "main.deny_commands", "[]");
  for (const reply of await repliesOf(clients, "GET", "a")) expect(reply).toBe("$1\r\n1\r\n");
  await set(rig, "main.client_connections", `${CLIENTS}`);
  const [extra] = await clientsOf(rig, 1);
  expect(await extra!.reply().then(String)).toContain("max number of clients reached");
  await set(rig, "main.client_connections", "0");
  const [next] = await clientsOf(rig, 1);
  expect(await next!.ask("GET", "a")).toBe("$1\r\n1\r\n");
});

test("the log level and the other values of the process", async () => {
  const rig = await rigOf(silentServer());
  await set(rig, "log.level", "debug");
  await set(rig, "drain_timeout", "1s");
  await set(rig, "rebalance", "false");
  process.kill(rig.proxy.pid, "SIGTTOU");
  await until("the level is less again", () =>
    rig.proxy.stderr().includes("log level changed level=info"),
  );
  expect(await shownValue(rig, "log.level")).toBe("info");
  const [client] = await clientsOf(rig, 1);
  client!.command(["GET", "a"]);
  // With 30 s it would not be gone before the command gives up.
  process.kill(rig.proxy.pid, "SIGQUIT");
  expect(await rig.proxy.exited).toBe(0);
  expect(rig.proxy.stderr()).toContain("timeoutMs=1000");
});

test("clients are moved, or stay, as rebalance says just now", async () => {
  const rig = await rigOf(silentServer());
  await set(rig, "rebalance", "false");
  const clients = await clientsOf(rig, 12);
  for (const client of clients) await client.ask("ECHO", "here");
  const loads = async (): Promise<number[]> =>
    (await statusOf(rig.proxy)).processes
      .filter(({ role }) => role === "worker")
      .map(({ clients: count }) => count);
  const { report } = await mustRun<{ report: ClientReport }>(rig.proxy, "clients");
  // How many each has is up to the kernel.
  const ofWorker = Object.values(Object.groupBy(report.rows, ({ worker }) => worker));
  const fewest = ofWorker.toSorted((a, b) => a!.length - b!.length)[0]!;
  const ports = ofWorker.length === 1 ? [] : fewest.map(({ address }) => address);
  const left = report.rows.length - ports.length;
  for (const client of clients) if (ports.includes(`127.0.0.1:${client.localPort}`)) client.close();
  await eventually(
    "one worker has all",
    async () => Math.max(...(await loads())) === left && Math.min(...(await loads())) === 0,
  );
  await set(rig, "rebalance", "true");
  await eventually("they are spread again", async () => Math.min(...(await loads())) >= 2);
});
