/** A real Prometheus scrapes the proxy: metrics without a complaint of promtool, alert rules that load, and a dashboard whose panels have data. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../support/free-port.ts";
import { startProxy } from "../support/proxy-process.ts";
import { startRedis } from "../support/redis-server.ts";
import { RespClient } from "../support/resp-client.ts";
import { makeDirectory, startServer } from "../support/server-process.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

const CONTRIB = join(import.meta.dir, "../../contrib");
const RULES = join(CONTRIB, "prometheus/proxy.rules.yml");
const DEADLINE_MS = 60_000;

interface Tool {
  readonly code: number;
  readonly output: string;
}

async function promtool(args: readonly string[], input = ""): Promise<Tool> {
  const child = Bun.spawn(["promtool", ...args], {
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, output: output + errors };
}

/** Each expression of the dashboard, and which panel has it. */
function panels(): readonly { readonly title: string; readonly expr: string }[] {
  const board = JSON.parse(readFileSync(join(CONTRIB, "grafana/proxy.json"), "utf8")) as {
    readonly panels: readonly {
      readonly title?: string;
      readonly targets?: readonly { readonly expr: string }[];
    }[];
  };
  return board.panels.flatMap(({ title = "", targets = [] }) =>
    targets.map(({ expr }) => ({ title, expr })),
  );
}

/** As Grafana fills in what is chosen: all. */
function filledIn(expr: string): string {
  return expr
    .replaceAll("$__rate_interval", "1m")
    .replaceAll(/\$(instance|pool|datasource)/g, ".*");
}

test("scrapes what promtool finds well-formed, loads the rules, and fills the dashboard", async () => {
  const redis = await startRedis();
  stops.push(() => redis.stop());
  const [port, adminPort, promPort] = [freePort(), freePort(), freePort()];
  const proxy = await startProxy({
    config: [
      `admin: { listen: 127.0.0.1:${adminPort} }`,
      "pools:",
      "  main:",
      `    listen: 127.0.0.1:${port}`,
      `    servers: ["${redis.host}:${redis.port}:1 one"]`,
      "",
    ].join("\n"),
    args: ["--workers", "2"],
  });
  stops.push(() => proxy.stop());
  const client = await RespClient.connect({ host: "127.0.0.1", port });
  stops.push(async () => client.close());
  const ask = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await client.ask("SET", `k${i}`, "v");
    await client.ask("MGET", "k1", "k2");
    await client.ask("LPUSH", "k1", "v");
    await client.ask("NOSUCH");
  };
  await ask();

  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  expect(await promtool(["check", "metrics"], text)).toEqual({ code: 0, output: "" });
  const rules = await promtool(["check", "rules", RULES]);
  expect(rules).toMatchObject({ code: 0 });
  expect(rules.output).toContain("rules found");

  const directory = makeDirectory("prometheus");
  const file = join(directory, "prometheus.yml");
  writeFileSync(
    file,
    [
      "global: { scrape_interval: 1s, evaluation_interval: 1s }",
      `rule_files: [${JSON.stringify(RULES)}]`,
      "scrape_configs:",
      "  - job_name: proxy",
      `    static_configs: [{ targets: ["127.0.0.1:${adminPort}"] }]`,
      "",
    ].join("\n"),
  );
  expect(await promtool(["check", "config", file])).toMatchObject({ code: 0 });
  const prometheus = await startServer(
    [
      ...["prometheus", `--config.file=${file}`, `--storage.tsdb.path=${join(directory, "data")}`],
      ...[`--web.listen-address=127.0.0.1:${promPort}`, "--log.level=error"],
    ],
    directory,
    [{ host: "127.0.0.1", port: promPort }],
    "SIGKILL",
  );
  stops.push(() => prometheus.stop());
  const api = `http://127.0.0.1:${promPort}`;
  // It listens before it is ready.
  while ((await fetch(`${api}/-/ready`)).status !== 200) await Bun.sleep(20);
  const get = async <Data>(path: string): Promise<Data> => {
    const answer = await (await fetch(`${api}/api/v1/${path}`)).json();
    const { status, error, data } = answer as {
      readonly status: string;
      readonly error?: string;
      readonly data: Data;
    };
    if (status !== "success") throw new Error(`${path}: ${error}`);
    return data;
  };
  const resultOf = async (expr: string): Promise<readonly unknown[]> => {
    const query = new URLSearchParams({ query: filledIn(expr) });
    return (await get<{ readonly result: readonly unknown[] }>(`query?${query}`)).result;
  };
  const giveUpAtMs = performance.now() + DEADLINE_MS;
  while ((await resultOf("rate(proxy_pool_requests_total[1m]) > 0")).length === 0) {
    if (performance.now() > giveUpAtMs) throw new Error(prometheus.output());
    await ask();
  }
  const { groups } = await get<{
    readonly groups: readonly {
      readonly rules: readonly {
        readonly name: string;
        readonly health: string;
        readonly query: string;
      }[];
    }[];
  }>("rules");
  const loaded = groups.flatMap((group) => group.rules);
  expect(loaded.length).toBeGreaterThan(8);
  // Of those that were evaluated none failed.
  expect(loaded.filter(({ health }) => health === "err")).toEqual([]);
  const empty: string[] = [];
  for (const { title, expr } of panels()) {
    if ((await resultOf(expr)).length === 0) empty.push(`${title}: ${expr}`);
  }
  expect(empty).toEqual([]);
  // A metric that no scrape has would keep its alert silent for ever.
  const names = await get<readonly string[]>("label/__name__/values");
  const used = loaded.flatMap(({ query }) => query.match(/\bproxy_\w+/g) ?? []);
  expect(used.filter((name) => !names.includes(name))).toEqual([]);
});
