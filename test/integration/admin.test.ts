/** The admin process's HTTP. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { type ReadFamily, readExposition } from "../support/read-exposition.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun, statusOf } from "../support/run-command.ts";
import { stopAll, stops, variant } from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(stopAll);

interface Rig {
  readonly proxy: ProxyProcess;
  readonly port: number;
  readonly admin: string;
}

async function start(adminLines: readonly string[] = []): Promise<Rig> {
  const server = await startRedis();
  stops.push(() => server.stop());
  const port = freePort();
  const adminPort = freePort();
  const config = [
    "admin:",
    `  listen: 127.0.0.1:${adminPort}`,
    ...adminLines.map((line) => `  ${line}`),
    "pools:",
    "  main:",
    `    listen: 127.0.0.1:${port}`,
    "    protocol: redis",
    "    servers:",
    `      - ${server.host}:${server.port}:1 s0`,
    "",
  ].join("\n");
  const proxy = await startProxy({ config, args: ["--workers", "2"] });
  stops.push(() => proxy.stop());
  return { proxy, port, admin: `http://127.0.0.1:${adminPort}` };
}

async function ask(port: number, count: number): Promise<void> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  for (let n = 0; n < count; n++) await client.ask("SET", `k${n}`, "v");
  client.close();
}

/** Again until the admin process answers: it may just be replaced. */
async function get(url: string, headers: Record<string, string> = {}): Promise<Response> {
  for (;;) {
    try {
      return await fetch(url, { headers });
    } catch {
      await Bun.sleep(10);
    }
  }
}

async function metricsOf({ admin }: Rig): Promise<Map<string, ReadFamily>> {
  return readExposition(await (await get(`${admin}/metrics`)).text(), false);
}

function sumOf(families: ReadonlyMap<string, ReadFamily>, name: string, suffix = ""): number {
  const { samples = new Map<string, number>() } = families.get(name) ?? {};
  let sum = 0;
  for (const [sample, value] of samples) {
    if (sample.startsWith(`${name}${suffix}{`)) sum += value;
  }
  return sum;
}

test("metrics are well-formed in both formats, and right", async () => {
  const rig = await start();
  await ask(rig.port, 30);
  let families = await metricsOf(rig);
  // The last reply's time is counted behind its reply.
  while (sumOf(families, "proxy_request_duration_seconds", "_count") < 30) {
    families = await metricsOf(rig);
  }
  expect(sumOf(families, "proxy_pool_requests", "_total")).toBe(30);
  expect(sumOf(families, "proxy_server_requests", "_total")).toBe(30);
  expect(sumOf(families, "proxy_request_duration_seconds", "_count")).toBe(30);
  expect(sumOf(families, "db_client_operation_duration_seconds", "_count")).toBe(30);
  expect(families.get("proxy_workers")?.samples.get("proxy_workers")).toBe(2);
  expect(families.get("proxy_process_resident_memory_bytes")?.samples.size).toBe(3);
  const label = '{pool="main"}';
  expect(
    families.get("proxy_pool_requests")?.samples.get(`proxy_pool_requests_total${label}`),
  ).toBe(30);
  const open = await get(`${rig.admin}/metrics`, { Accept: "application/openmetrics-text" });
  expect(open.headers.get("content-type")).toStartWith("application/openmetrics-text");
  const others = readExposition(await open.text(), true);
  expect([...others.keys()]).toEqual([...families.keys()]);
});

test("sums stay right over kill -9 of a worker and of the admin process, reload and upgrade", async () => {
  const rig = await start();
  const { proxy } = rig;
  let asked = 0;
  const round = async (): Promise<void> => {
    await ask(rig.port, 10);
    asked += 10;
    for (;;) {
      const families = await metricsOf(rig);
      const counted = sumOf(families, "proxy_request_duration_seconds", "_count");
      expect(counted).toBeLessThanOrEqual(asked);
      if (counted === asked) {
        expect(sumOf(families, "proxy_pool_requests", "_total")).toBe(asked);
        return;
      }
    }
  };
  await round();
  const { processes } = await statusOf(proxy);
  for (const { pid } of processes) process.kill(pid!, "SIGKILL");
  await round();
  await mustRun(proxy, "reload");
  await round();
  await mustRun(proxy, "upgrade", variant(dirname(proxy.configFile), "other"));
  await round();
  await mustRun(proxy, "upgrade");
  await round();
});

test("traffic goes on while the admin process is stopped", async () => {
  const { proxy, port } = await start();
  const { processes } = await statusOf(proxy);
  const admin = processes.find(({ role }) => role === "admin")!;
  process.kill(admin.pid!, "SIGSTOP");
  await ask(port, 50);
  expect((await statusOf(proxy)).phase).toBe("serving");
  process.kill(admin.pid!, "SIGCONT");
});

test("health, readiness with reasons, statistics and configuration", async () => {
  const rig = await start();
  const { proxy, admin } = rig;
  expect(await (await get(`${admin}/health`)).text()).toBe("ok\n");
  const ready = await get(`${admin}/ready`);
  expect([ready.status, await ready.text()]).toEqual([200, "ready\n"]);
  await ask(rig.port, 1);
  const stats = (await (await get(`${admin}/stats`)).json()) as {
    readonly pools: readonly { readonly name: string }[];
  };
  expect(stats.pools.map(({ name }) => name)).toEqual(["main"]);
  const config = await (await get(`${admin}/config`)).text();
  expect(JSON.parse(config)).toMatchObject({ form: "native", file: proxy.configFile });
  expect((await get(`${admin}/nothing`)).status).toBe(404);
  const posted = await fetch(`${admin}/metrics`, { method: "POST", body: "x" });
  expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  // A supervisor that does not answer is told of.
  process.kill(proxy.pid, "SIGSTOP");
  try {
    for (;;) {
      const health = await get(`${admin}/health`);
      if (health.status === 503) break;
    }
    expect(await (await get(`${admin}/ready`)).text()).toBe("the supervisor does not answer\n");
  } finally {
    process.kill(proxy.pid, "SIGCONT");
  }
});

test("with a token only who has it is answered; secrets are not shown", async () => {
  const directory = join(import.meta.dir, "../../dist/test-admin");
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `token-${process.pid}`);
  writeFileSync(file, "a-token-of-some-length\n", { mode: 0o600 });
  const { admin } = await start([`token_file: ${file}`]);
  const statusWith = async (authorization: string): Promise<number> =>
    (await get(`${admin}/metrics`, authorization === "" ? {} : { authorization })).status;
  expect(await statusWith("")).toBe(401);
  expect(await statusWith("Bearer a-token-of-some-lengtx")).toBe(401);
  expect(await statusWith("Basic a-token-of-some-length")).toBe(401);
  expect(await statusWith("Bearer a-token-of-some-length")).toBe(200);
});

test("without a token, a name that a web page may have is not answered", async () => {
  const { admin } = await start([]);
  const statusFor = async (host: string): Promise<number> =>
    (await fetch(`${admin}/stats`, { headers: { Host: host } })).status;
  for (const host of ["127.0.0.1:9400", "localhost", "localhost:80", "[::1]:9400"]) {
    expect([host, await statusFor(host)]).toEqual([host, 200]);
  }
  for (const host of ["evil.example", "evil.example:9400", "127.0.0.1.evil.example"]) {
    expect([host, await statusFor(host)]).toEqual([host, 403]);
  }
});

test("a token file that cannot be read refuses all, and does not harm traffic", async () => {
  const { proxy, port, admin } = await start(["token_file: nowhere/token"]);
  expect((await get(`${admin}/metrics`, { authorization: "Bearer " })).status).toBe(401);
  await ask(port, 1);
  expect(proxy.stderr()).toContain("the token cannot be read");
});

test("an address that other machines reach needs a token: proxy check says where", async () => {
  const { proxy } = await start();
  const text = readFileSync(proxy.configFile, "utf8").replace(
    /listen: 127\.0\.0\.1/,
    "listen: 0.0.0.0",
  );
  writeFileSync(proxy.configFile, text);
  const { code, errors } = await commandOf(proxy, "check");
  expect(code).toBe(1);
  expect(errors).toMatch(/:2:11: admin: 0\.0\.0\.0:\d+ is open to other machines: add token_file/);
});
