/** The trouble of docs/find-the-culprit.md is found with each of the tools that the page names. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import type { Overview } from "../../src/api/overview.ts";
import { proxyCommand } from "../support/proxy-process.ts";
import { runCommand } from "../support/run-command.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(120_000);

interface Trouble {
  readonly port: number;
  readonly page: string;
  readonly config: string;
  readonly culprits: Culprits;
}

interface Culprits {
  readonly slowServer: string;
  readonly hotKey: string;
  readonly bigKey: string;
  readonly noisyClient: string;
}

type Row = Readonly<Record<string, string | number>>;

let scenario: Bun.Subprocess<"ignore", "pipe", "inherit">;
let trouble: Trouble;

beforeAll(async () => {
  scenario = Bun.spawn(
    [
      ...[process.execPath, join(import.meta.dir, "../../bench/culprit.ts")],
      ...["--json", "--seed", "7", "--seconds", "100", "--proxy", proxyCommand().join(" ")],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const reader = scenario.stdout.getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the scenario ended");
    text += new TextDecoder().decode(value);
  }
  trouble = JSON.parse(text) as Trouble;
});
afterAll(async () => {
  scenario.kill("SIGTERM");
  await scenario.exited;
});

/** Again until it is all found: figures need some seconds. */
async function until(find: () => Promise<Culprits>): Promise<void> {
  for (;;) {
    const found = await find();
    if (Bun.deepEquals(found, trouble.culprits)) return;
    await Bun.sleep(200);
  }
}

function most(rows: readonly Row[], name: string): Row {
  const [first = {}] = rows.toSorted((a, b) => Number(b[name]) - Number(a[name]));
  return first;
}

test("with proxy top: the slowest server, the first client, the first keys", async () => {
  await until(async () => {
    const { output } = await runCommand(["top", "-c", trouble.config, "--json"]);
    const { rows, clients, hotkeys, bigkeys } = JSON.parse(output) as Record<
      string,
      readonly Row[]
    >;
    const servers = rows!.filter(({ name }) => `${name}`.includes(" server "));
    return {
      slowServer: `${most(servers, "p50")["name"]}`.replace("main server ", ""),
      noisyClient: `${clients![0]?.["name"]}`,
      hotKey: `${hotkeys![0]?.["key"]}`,
      bigKey: `${bigkeys![0]?.["key"]}`,
    };
  });
  // As people see it, in a pipe.
  const { output } = await runCommand(["top", "-c", trouble.config]);
  const { hotKey, bigKey } = trouble.culprits;
  expect(output).toMatch(new RegExp(`^hottest key +${hotKey} on cache-`, "m"));
  expect(output).toMatch(new RegExp(`^biggest key +${bigKey} on cache-`, "m"));
});

async function show(table: string): Promise<readonly Row[]> {
  const cli = Bun.spawn([
    ...["redis-cli", "-3", "--json", "-p", `${trouble.port}`, "PROXY", "SHOW", table],
  ]);
  return JSON.parse(await cli.stdout.text()) as readonly Row[];
}

test("with redis-cli alone: the tables that the document names", async () => {
  await until(async () => {
    const times = await show("LATENCY");
    const servers = times.filter(
      ({ of, time }) => `${of}`.startsWith("server") && time === "server",
    );
    return {
      slowServer: `${most(servers, "p50")["of"]}`.replace("server ", ""),
      noisyClient: `${(await show("CLIENTS"))[0]?.["name"]}`,
      hotKey: `${(await show("HOTKEYS"))[0]?.["key"]}`,
      bigKey: `${(await show("BIGKEYS"))[0]?.["key"]}`,
    };
  });
});

test("with the page: what stands out names all four", async () => {
  await until(async () => {
    const { findings } = (await (await fetch(`${trouble.page}overview`)).json()) as Overview;
    const texts = findings.map(({ text }) => text).join("\n");
    const found = (pattern: RegExp): string => pattern.exec(texts)?.[1] ?? "";
    return {
      slowServer: found(/server (\S+) is slow/),
      noisyClient: found(/client \S+ \((\S+)\) sends/),
      hotKey: found(/key (\S+) is hot/),
      bigKey: found(/key (\S+) is big/),
    };
  });
});
