/** What clients may ask about the proxy: PROXY SHOW over redis-cli, `stats proxy` over Memcached's text protocol. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import {
  type OperatorRig,
  respClient,
  startOperatorRig,
  textClient,
} from "../support/operator-rig.ts";
import { commandOf, mustRun } from "../support/run-command.ts";
import { stopAll } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

type Row = Readonly<Record<string, string | number>>;

/** What `redis-cli` shows of a table. */
async function show({ main }: OperatorRig, ...words: string[]): Promise<readonly Row[]> {
  if (!("port" in main)) throw new Error("no port");
  const cli = Bun.spawn(["redis-cli", "-3", "--json", "-p", `${main.port}`, "PROXY", ...words]);
  return JSON.parse(await cli.stdout.text()) as readonly Row[];
}

test("off by default; then every table is shown over redis-cli, of this pool only", async () => {
  const rig = await startOperatorRig(2);
  const client = await respClient(rig.main);
  expect(await client.ask("PROXY", "SHOW", "POOLS")).toMatch(
    /^-ERR unknown command 'PROXY': .* proxy_commands: true\r\n$/,
  );
  const cache = await textClient(rig.cache);
  expect(await cache.ask("stats proxy help\r\n")).toMatch(
    /^CLIENT_ERROR stats proxy: .* proxy_commands: true\r\n$/,
  );
  await mustRun(rig.proxy, "config", "set", "main.proxy_commands", "true");
  await client.ask("CLIENT", "SETNAME", "me");
  for (let n = 0; n < 5; n++) await client.ask("SET", `k${n}`, "v");
  const text = await textClient(rig.cache);
  await text.ask("version\r\n");

  const help = await show(rig, "SHOW", "HELP");
  const tables = help.map(({ table }) => `${table}`);
  expect(tables).toContain("SLOWLOG");
  for (const table of tables) {
    const rows = await show(rig, "SHOW", table.toLowerCase());
    expect([table, Array.isArray(rows)]).toEqual([table, true]);
    expect(JSON.stringify(rows)).not.toContain('"cache"');
  }
  const [pool] = await show(rig, "SHOW", "POOLS");
  expect(pool).toMatchObject({ pool: "main" });
  expect(Number(pool!["requests"])).toBeGreaterThanOrEqual(6);
  expect((await show(rig, "SHOW", "SERVERS"))[0]).toMatchObject({ server: "main-1", trouble: "" });
  const clients = await show(rig, "SHOW", "CLIENTS");
  expect(clients.find(({ name }) => name === "me")).toMatchObject({ pool: "main" });
  expect((await show(rig, "SHOW", "WORKERS")).length).toBeGreaterThanOrEqual(2);
  const config = await show(rig, "SHOW", "CONFIG");
  expect(config.find(({ option }) => option === "proxy_commands")).toMatchObject({ value: "true" });
  expect(await client.ask("PROXY", "SHOW", "NOTHING")).toContain("there is no such table");
  expect(await client.ask("PROXY")).toStartWith("-ERR it is PROXY SHOW TABLE");
  expect(await client.ask("PROXY", "SHOW", "__proto__")).toContain("there is no such table");
  // For people: a line for each row, under a heading; columns that say nothing are left out.
  const lines = (await client.ask("PROXY", "SHOW", "CLIENTS", "text")).split("\r\n");
  const heading = lines.find((line) => line.includes("address")) ?? "";
  expect(heading).toMatch(/\bname\b/);
  expect(heading).not.toMatch(/\bowed\b/);
  const own = lines.find((line) => / me /.test(line)) ?? "";
  expect(own.indexOf(" me ")).toBe(heading.search(/ name\b/));
  expect(await client.ask("PROXY", "SHOW", "CLIENTS", "JSON")).toStartWith(
    "-ERR it is PROXY SHOW TABLE",
  );
  expect(await client.ask("PROXY", "SHOW", "NOTHING", "TEXT")).toContain("there is no such table");
  // In its place among other replies.
  client.command(["ECHO", "a"], ["PROXY", "SHOW", "HELP"], ["ECHO", "b"]);
  const replies = (await client.replies(3)).map(String);
  expect([replies[0], replies[2]]).toEqual(["$1\r\na\r\n", "$1\r\nb\r\n"]);
  client.command(["MULTI"], ["PROXY", "SHOW", "HELP"], ["DISCARD"]);
  expect(`${(await client.replies(3))[1]}`).toContain("not answered in a transaction");
});

test("the longest wait is shown, and whose it is", async () => {
  const rig = await startOperatorRig(2, ["proxy_commands: true"]);
  const waiting = await respClient(rig.main);
  const id = Number((await waiting.ask("CLIENT", "ID")).substring(1));
  process.kill(rig.redis.pid, "SIGSTOP");
  try {
    waiting.command(["GET", "a"]);
    let row: Row | undefined;
    for (let tries = 0; tries < 50 && row?.["maxwait_client"] !== id; tries++) {
      [row] = await show(rig, "SHOW", "POOLS");
    }
    expect(row?.["maxwait_client"]).toBe(id);
    expect(Number(row?.["maxwait_us"])).toBeGreaterThan(0);
  } finally {
    process.kill(rig.redis.pid, "SIGCONT");
  }
});

test("stats proxy over Memcached, and proxy stats on the command line", async () => {
  const rig = await startOperatorRig(1, ["proxy_commands: true"]);
  const text = await textClient(rig.cache);
  await text.ask("set a 0 0 1\r\nx\r\n");
  const pools = await text.ask("stats proxy pools\r\n", "END\r\n");
  expect(pools).toContain("STAT 0:pool cache\r\n");
  expect(pools).toMatch(/STAT 0:requests [1-9]/);
  expect(await text.ask("stats proxy\r\n", "END\r\n")).toContain("STAT 0:table POOLS\r\n");
  expect(await text.ask("stats proxy nothing\r\n")).toStartWith("CLIENT_ERROR there is no such");
  const { pools: figures } = await mustRun<{ pools: { name: string }[] }>(rig.proxy, "stats");
  expect(figures.map(({ name }) => name)).toEqual(["main", "cache", "plain"]);
  const { output } = await commandOf(rig.proxy, "stats", "--pool", "cache");
  expect(output).toMatch(/requests +[1-9]\d* +requests received/);
  expect(output).not.toContain("pool main");
});
