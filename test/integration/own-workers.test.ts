/** `workers:` of a pool: processes that serve it and no other; what happens to them harms no other pool, and clients stay when it changes. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { GenerationResult, Status } from "../../src/api/control-socket.ts";
import { until } from "../support/echo-proxy.ts";
import { freePort } from "../support/free-port.ts";
import { eventually } from "../support/identity-rig.ts";
import { type ProxyProcess, startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { commandOf, mustRun, statusOf } from "../support/run-command.ts";
import { stopAll, stops, type UpgradeResult, variant } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

const OK = "+OK\r\n";

interface Rig {
  readonly proxy: ProxyProcess;
  /** Of the pools `main`, `apart` and `tree`, whose route leads to `apart`. */
  readonly ports: Readonly<Record<Pool, number>>;
  /** Its file, with these lines more in a pool. */
  file(lines?: Partial<Record<Pool, string>>): string;
  client(pool: Pool): Promise<RespClient>;
}

type Pool = "main" | "apart" | "tree";

async function start(top: string, lines: Partial<Record<Pool, string>>): Promise<Rig> {
  const servers = [await startRedis(), await startRedis()];
  for (const server of servers) stops.push(() => server.stop());
  const ports = { main: freePort(), apart: freePort(), tree: freePort() };
  const [first, second] = servers.map(({ host, port }) => `"${host}:${port}:1`);
  const targets: Record<Pool, string> = {
    main: `servers: [${first} s"]`,
    apart: `servers: [${first} s", ${second} t"]`,
    tree: "route: { prefixes: { x: apart }, default: main }",
  };
  const file: Rig["file"] = (more = {}) => {
    const pools = (["main", "apart", "tree"] as const).map((pool) => {
      const all = [`listen: 127.0.0.1:${ports[pool]}`, targets[pool], more[pool] ?? ""];
      return `  ${pool}:\n${all.map((line) => (line === "" ? "" : `    ${line}\n`)).join("")}`;
    });
    return `${top}\npools:\n${pools.join("")}`;
  };
  const proxy = await startProxy({ config: file(lines) });
  stops.push(() => proxy.stop());
  const client = async (pool: Pool): Promise<RespClient> => {
    const opened = await RespClient.connect({ host: "127.0.0.1", port: ports[pool] });
    stops.push(async () => opened.close());
    return opened;
  };
  return { proxy, ports, file, client };
}

/** By pool of a worker ("": the shared ones): its workers that serve, and their clients. */
function workersIn({ processes }: Status): Record<string, { workers: number; clients: number }> {
  const found: Record<string, { workers: number; clients: number }> = {};
  for (const { role, state, pool = "", clients } of processes) {
    if (role !== "worker" || state !== "serving") continue;
    const { workers, clients: before } = found[pool] ?? { workers: 0, clients: 0 };
    found[pool] = { workers: workers + 1, clients: before + clients };
  }
  return found;
}

async function stands(proxy: ProxyProcess, expected: ReturnType<typeof workersIn>): Promise<void> {
  let found = {};
  try {
    await eventually("clients are where they should be", async () => {
      found = workersIn(await statusOf(proxy));
      return Bun.deepEquals(found, expected);
    });
  } catch {
    expect(found).toEqual(expected);
  }
}

const pidsOf = async (proxy: ProxyProcess, pool: string): Promise<number[]> =>
  (await statusOf(proxy)).processes.flatMap((one) => (one.pool === pool ? [one.pid ?? 0] : []));

test("a pool's own workers have its clients and no others; hung or killed they harm no other pool, and are replaced", async () => {
  const rig = await start("workers: 1", { apart: "workers: { own: 2, cpus: [0] }" });
  const { proxy } = rig;
  const clients = {
    main: [await rig.client("main"), await rig.client("main")],
    apart: [await rig.client("apart"), await rig.client("apart"), await rig.client("apart")],
    tree: [await rig.client("tree")],
  };
  for (const [pool, all] of Object.entries(clients)) {
    for (const client of all) expect(await client.ask("SET", `x${pool}`, "1")).toBe(OK);
  }
  // What a route leads to is there without the pool's workers.
  expect(await clients.apart[0]!.ask("GET", "xtree")).toBe("$1\r\n1\r\n");
  await stands(proxy, { "": { workers: 1, clients: 3 }, apart: { workers: 2, clients: 3 } });
  const table = await commandOf(proxy, "status");
  expect(table.output).toMatch(/worker\/1 of apart .*serving/);
  const pids = await pidsOf(proxy, "apart");
  for (const pid of pids) {
    expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^Cpus_allowed_list:\t0$/m);
  }

  for (const pid of pids) process.kill(pid, "SIGSTOP");
  for (let i = 0; i < 200; i++) {
    expect(await clients.main[0]!.ask("INCR", "n")).toBe(`:${i + 1}\r\n`);
    expect(await clients.tree[0]!.ask("INCR", "xn")).toBe(`:${i + 1}\r\n`);
  }
  const late = await rig.client("apart");
  late.command(["GET", "xapart"]);
  for (const pid of pids) process.kill(pid, "SIGKILL");
  expect((await late.reply()).toString()).toBe("$1\r\n1\r\n");
  await until("their clients are gone with them", () =>
    clients.apart.every(({ isClosed }) => isClosed),
  );
  await stands(proxy, { "": { workers: 1, clients: 3 }, apart: { workers: 2, clients: 1 } });
  for (const client of [...clients.main, ...clients.tree]) {
    expect(await client.ask("PING")).toBe("+PONG\r\n");
  }
  const { processes } = await statusOf(proxy);
  expect(processes.filter(({ respawns }) => respawns > 0).map(({ pool }) => pool)).toEqual([
    "apart",
    "apart",
  ]);
});

test("reloads give a pool workers of its own, more, fewer and none, an upgrade keeps them, and every client stays", async () => {
  const rig = await start("workers: 2", {});
  const { proxy } = rig;
  const all = await Promise.all(
    (["main", "apart", "tree"] as const).flatMap((pool) => [rig.client(pool), rig.client(pool)]),
  );
  // In the middle of a transaction, of a request and of a wait.
  expect(await all[2]!.ask("MULTI")).toBe(OK);
  expect(await all[2]!.ask("SET", "{a}1", "1")).toBe("+QUEUED\r\n");
  all[0]!.send("*2\r\n$3\r\nGET\r\n$4\r\nab");
  const blocked = await rig.client("apart");
  blocked.command(["BLPOP", "list", "0"]);
  let asked = 0;
  const check = async (): Promise<void> => {
    for (const client of all.slice(3))
      expect(await client.ask("ECHO", `${++asked}`)).toContain(`${asked}`);
  };
  await check();
  const reload = async (lines: Partial<Record<Pool, string>>, moved: number): Promise<void> => {
    writeFileSync(proxy.configFile, rig.file(lines));
    const { crew } = await mustRun<{ readonly crew: GenerationResult }>(proxy, "reload");
    expect([crew.moved, crew.left, crew.lost]).toEqual([moved, 0, 0]);
    await check();
  };
  await stands(proxy, { "": { workers: 2, clients: 7 } });
  await reload({ apart: "workers: { own: 1 }" }, 7);
  await stands(proxy, { "": { workers: 2, clients: 4 }, apart: { workers: 1, clients: 3 } });
  await reload({ apart: "workers: { own: 3 }", tree: "workers: { own: 1 }" }, 7);
  await stands(proxy, {
    "": { workers: 2, clients: 2 },
    apart: { workers: 3, clients: 3 },
    tree: { workers: 1, clients: 2 },
  });

  const next = variant(dirname(proxy.configFile), "next");
  const { crew, warning } = await mustRun<UpgradeResult>(proxy, "upgrade", next);
  expect([crew.moved, crew.left, crew.lost, warning]).toEqual([7, 0, 0, null]);
  await check();
  const own = { apart: { workers: 3, clients: 3 }, tree: { workers: 1, clients: 2 } };
  await stands(proxy, { "": { workers: 2, clients: 2 }, ...own });
  // The supervisor behind an upgrade starts them as before.
  const [pid] = await pidsOf(proxy, "tree");
  process.kill(pid!, "SIGKILL");
  await until("its clients are gone", () => all.slice(4).every(({ isClosed }) => isClosed));
  all.splice(4);
  await stands(proxy, { "": { workers: 2, clients: 2 }, ...own, tree: { workers: 1, clients: 0 } });
  // Nothing has changed.
  expect((await mustRun<{ readonly crew: unknown }>(proxy, "reload")).crew).toBeNull();

  await reload({}, 5);
  await stands(proxy, { "": { workers: 2, clients: 5 } });
  all[0]!.send("cd\r\n");
  expect((await all[0]!.reply()).toString()).toBe("$-1\r\n");
  expect(await all[2]!.ask("EXEC")).toBe("*1\r\n+OK\r\n");
  expect(await all[3]!.ask("RPUSH", "list", "v")).toBe(":1\r\n");
  expect((await blocked.reply()).toString()).toBe("*2\r\n$4\r\nlist\r\n$1\r\nv\r\n");
});

test.each(["shared", "mutex", "dispatch"])(
  "with accept: %s a pool's own workers accept its clients themselves",
  async (accept) => {
    const rig = await start(`workers: 2\naccept: ${accept}`, { apart: "workers: { own: 2 }" });
    const clients = await Promise.all(
      (["main", "apart", "tree", "apart", "main"] as const).map((pool) => rig.client(pool)),
    );
    for (const client of clients) expect(await client.ask("PING")).toBe("+PONG\r\n");
    await stands(rig.proxy, { "": { workers: 2, clients: 3 }, apart: { workers: 2, clients: 2 } });
  },
);

test("when each pool has workers of its own there are no others; a drain finds its server in whichever has it", async () => {
  const own = "workers: { own: 1 }";
  const rig = await start("workers: 4", { main: own, apart: own, tree: own });
  const client = await rig.client("apart");
  expect(await client.ask("PING")).toBe("+PONG\r\n");
  const each = { workers: 1, clients: 0 };
  await stands(rig.proxy, { main: each, apart: { workers: 1, clients: 1 }, tree: each });
  for (const [isRight, ...words] of [
    [true, "drain", "t"],
    [false, "drain", "nowhere"],
    [true, "pause", "main", "--at-most", "5s"],
    [true, "config", "set", "apart.timeout", "300ms"],
  ] as const) {
    const { code, errors } = await commandOf(rig.proxy, words[0], ...words.slice(1));
    expect([words, code === 0, errors === "" || errors]).toEqual([
      words,
      isRight,
      isRight || expect.any(String),
    ]);
    if (!isRight) expect(errors).toContain('no pool has a server "nowhere"');
  }
});
