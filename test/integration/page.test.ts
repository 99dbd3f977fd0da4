/** The page of the admin process, and the text that it lives on, without a browser. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Overview } from "../../src/api/overview.ts";
import { ADMIN_CONNECTIONS_MAX, OVERVIEW_POINTS_MAX } from "../../src/base/page-limits.ts";
import { freePort } from "../support/free-port.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { mustRun, statusOf } from "../support/run-command.ts";
import { makeDirectory } from "../support/server-process.ts";
import { stopAll, stops, variant } from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);
afterEach(stopAll);

const VIEWERS = 200;
/** It takes a multiple of the slow log's threshold. */
const SLOW_SCRIPT = "local n = 0 while n < 2e7 do n = n + 1 end return n";
const HTML = { accept: "text/html,application/xhtml+xml" };

interface Rig {
  readonly proxy: ProxyProcess;
  readonly port: number;
  readonly admin: string;
}

async function start(adminLines: readonly string[] = []): Promise<Rig> {
  const server = await startRedis();
  stops.push(() => server.stop());
  const [port, adminPort] = [freePort(), freePort()];
  const config = [
    ...["admin:", `  listen: 127.0.0.1:${adminPort}`, ...adminLines.map((line) => `  ${line}`)],
    ...["pools:", "  main:", `    listen: 127.0.0.1:${port}`, "    protocol: redis"],
    ...["    servers:", `      - ${server.host}:${server.port}:1 s0`, ""],
  ].join("\n");
  const proxy = await startProxy({ config, args: ["--workers", "2"] });
  stops.push(() => proxy.stop());
  return { proxy, port, admin: `http://127.0.0.1:${adminPort}` };
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

async function overview({ admin }: Rig, query = ""): Promise<Overview> {
  return (await (await get(`${admin}/overview${query}`)).json()) as Overview;
}

/** The overview of the first second of which it is true. */
async function overviewWhen(
  rig: Rig,
  isTrue: (seen: Overview) => boolean,
  query = "",
): Promise<Overview> {
  for (;;) {
    const seen = await overview(rig, query);
    if (isTrue(seen)) return seen;
    await Bun.sleep(50);
  }
}

async function ask(port: number, count: number): Promise<void> {
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  for (let n = 0; n < count; n++) await client.ask("SET", `k${n}`, "v");
  client.close();
}

/** Requests in all the points. */
function countIn({ points }: Overview): number {
  return points.reduce((sum, { pools }) => sum + (pools["main"]?.[0] ?? 0), 0);
}

test("a browser gets the page at the address, programs the list; it has a strict policy", async () => {
  const { admin } = await start();
  expect(await (await get(admin)).text()).toContain("/overview\n");
  for (const [path, headers] of [
    ["/", HTML],
    ["/page", {}],
  ] as const) {
    const page = await get(`${admin}${path}`, headers);
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(page.headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; script-src 'sha256-[^' ]+'; style-src 'sha256-[^' ]+'; connect-src 'self'; /,
    );
    expect(page.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await page.text()).toStartWith("<!doctype html>");
  }
  const head = await fetch(`${admin}/page`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  expect((await fetch(`${admin}/page`, { method: "POST" })).status).toBe(405);
});

test("with a token the page comes without it, and all that the page shows only with it", async () => {
  const file = join(makeDirectory("page"), "token");
  writeFileSync(file, "a-token-of-some-length\n", { mode: 0o600 });
  const { admin } = await start([`token_file: ${file}`]);
  const page = await get(admin, HTML);
  expect(page.status).toBe(200);
  expect(await page.text()).not.toContain("a-token-of-some-length");
  for (const path of ["/overview", "/overview?history", "/events", "/config", "/clients"]) {
    expect([path, (await get(`${admin}${path}`, HTML)).status]).toEqual([path, 401]);
  }
  const authorization = "Bearer a-token-of-some-length";
  expect((await get(`${admin}/overview`, { authorization })).status).toBe(200);
});

test("what the overview counts is what was asked", async () => {
  const rig = await start();
  // A point needs two looks: what was counted before the first is in none.
  await overviewWhen(rig, ({ points }) => points.length > 0);
  await ask(rig.port, 1000);
  // Rates are of a second each that took a little longer or shorter.
  const seen = await overviewWhen(rig, (it) => countIn(it) > 800, "?history");
  expect(countIn(seen)).toBeLessThan(1200);
  expect(seen.servers.map(({ pool, server, trouble }) => [pool, server, trouble])).toEqual([
    ["main", "s0", null],
  ]);
  expect(seen.pools[0]).toMatchObject({ pool: "main", protocol: "redis" });
  expect(seen.processes.map(({ name }) => name).sort()).toEqual(["admin", "worker/0", "worker/1"]);
  expect(seen.status).toMatchObject({ phase: "serving", configFile: rig.proxy.configFile });
  expect(seen.findings).toEqual([]);
  const events = (await (await get(`${rig.admin}/events`)).json()) as {
    readonly events: readonly { readonly text: string }[];
  };
  expect(events.events.some(({ text }) => text.startsWith("ready "))).toBe(true);
});

test("clients and slow requests are there a moment after the first viewer came", async () => {
  const rig = await start();
  const client = await RespClient.connect({ host: "127.0.0.1", port: rig.port });
  await client.ask("CLIENT", "SETNAME", "<b>name</b>");
  await mustRun(rig.proxy, "config", "set", "main.timeout", "20s");
  await client.ask("EVAL", SLOW_SCRIPT, "1", "<img src=x>");
  const seen = await overviewWhen(
    rig,
    ({ clients, slow }) => clients !== null && slow.some(({ key }) => key === "<img src=x>"),
  );
  expect(seen.clients?.rows[0]?.name).toBe("<b>name</b>");
  expect(seen.findings.map(({ text }) => text)).toContain("1 running values are not the file's");
  client.close();
});

test("two hundred viewers each second are answered, and traffic does not notice", async () => {
  const rig = await start();
  await overview(rig);
  const before = await statusOf(rig.proxy);
  const seconds = 4;
  let answers = 0;
  const texts = new Map<number, Set<string>>();
  const viewer = async (): Promise<void> => {
    for (let n = 0; n < seconds; n++) {
      const response = await fetch(`${rig.admin}/overview`);
      const text = await response.text();
      const { atMs } = JSON.parse(text) as Overview;
      texts.set(atMs, (texts.get(atMs) ?? new Set()).add(text));
      if (response.status === 200) answers += 1;
      await Bun.sleep(1000);
    }
  };
  await Promise.all([ask(rig.port, 500), ...Array.from({ length: VIEWERS }, viewer)]);
  expect(answers).toBe(VIEWERS * seconds);
  // One text for each second, whoever asks.
  for (const same of texts.values()) expect(same.size).toBe(1);
  const now = await statusOf(rig.proxy);
  expect(now.processes.map(({ pid }) => pid)).toEqual(before.processes.map(({ pid }) => pid));
});

test("more viewers than there is room for cut the oldest, and the port serves on", async () => {
  const rig = await start();
  await overview(rig);
  const { hostname, port } = new URL(rig.admin);
  let closed = 0;
  const silent = await Promise.allSettled(
    Array.from({ length: ADMIN_CONNECTIONS_MAX + 40 }, () =>
      Bun.connect({
        ...{ hostname, port: Number(port) },
        socket: {
          data() {},
          close() {
            closed += 1;
          },
          error() {},
        },
      }),
    ),
  );
  expect((await overview(rig)).status?.phase).toBe("serving");
  const refused = silent.filter(({ status }) => status === "rejected").length;
  while (closed + refused < 40) await Bun.sleep(10);
  for (const client of silent) if (client.status === "fulfilled") client.value.terminate();
});

test("the last minutes outlive the admin process, a reload and an upgrade, which are marks", async () => {
  const rig = await start();
  const { proxy, port } = rig;
  await ask(port, 200);
  const first = (
    await overviewWhen(
      rig,
      // What is older than the last five points is saved.
      ({ points }) => points.length > 6,
      "?history",
    )
  ).points[0]!.atMs;
  const isKept = ({ points }: Overview): boolean => points[0]?.atMs === first;
  const adminPid = async (): Promise<number> =>
    (await statusOf(proxy)).processes.find(({ role }) => role === "admin")!.pid!;
  const killed = await adminPid();
  process.kill(killed, "SIGKILL");
  while ((await adminPid()) === killed) await Bun.sleep(10);
  await overviewWhen(rig, isKept, "?history");
  const text = readFileSync(proxy.configFile, "utf8");
  writeFileSync(proxy.configFile, `${text}    timeout: 900ms\n`);
  await mustRun(proxy, "reload");
  await overviewWhen(rig, isKept, "?history");
  await mustRun(proxy, "upgrade", variant(dirname(proxy.configFile), "other"));
  await mustRun(proxy, "upgrade");
  process.kill(proxy.workerPids()[0]!, "SIGKILL");
  const marksOf = ({ events }: Overview): Set<string> =>
    new Set(events.flatMap(({ mark }) => (mark === null ? [] : [mark])));
  const seen = await overviewWhen(
    rig,
    (it) => isKept(it) && marksOf(it).size >= 4 && it.points.length > 10,
    "?history",
  );
  expect([...marksOf(seen)].sort()).toEqual(["death", "reload", "start", "upgrade"]);
  expect(seen.points.length).toBeLessThanOrEqual(OVERVIEW_POINTS_MAX);
  const times = seen.points.map(({ atMs }) => atMs);
  expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
});
