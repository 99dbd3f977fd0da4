import { afterEach, expect, test } from "bun:test";
import { POOL_COUNTERS, SERVER_COUNTERS } from "../../../src/api/stats.ts";
import { EXIT_CODE_TEXTS } from "../../../src/cli/exit-codes.ts";
import { DEFAULT_CONFIG_FILES } from "../../../src/config/find-config.ts";
import { cleanUp, echoCommand, makeDirectory, writeConfig } from "../../support/echo-proxy.ts";

afterEach(cleanUp);

async function run(...args: string[]): Promise<{ out: string; errors: string; code: number }> {
  const child = Bun.spawn(echoCommand(args), {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: makeDirectory(),
  });
  const [out, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { out, errors, code: await child.exited };
}

test("help names every command, flag of run, signal and exit code, and no internal role", async () => {
  const { out, code } = await run("--help");
  expect(code).toBe(0);
  for (const word of [
    "  run ",
    "  check ",
    "  route ",
    "  dev ",
    "  status ",
    "  reload ",
    "  upgrade ",
    "  stop ",
    "--conf",
    "-d, ",
    "QUIT",
  ]) {
    expect(out).toContain(word);
  }
  for (const file of DEFAULT_CONFIG_FILES) expect(out).toContain(file);
  for (const [number, text] of EXIT_CODE_TEXTS) expect(out).toContain(`  ${number}  ${text}`);
  expect(out).not.toContain("__");
  expect((await run("-h")).out).toBe(out);
  expect((await run("help")).out).toBe(out);
  expect((await run("-?")).out).toBe(out);
});

test("every command has help with its flags and an example", async () => {
  const route = await run("route", "--help");
  expect(route.code).toBe(0);
  expect(route.out).toContain("Usage: proxy route [FLAGS] POOL");
  expect(route.out).toContain("-- -key");
  expect((await run("help", "route")).out).toBe(route.out);
  expect((await run("run", "-h")).out).toContain("--no-reuseport");
});

test("version, commit and Bun are printed", async () => {
  for (const args of [["-V"], ["--version"], ["version"], ["run", "-V"]]) {
    const { out, code } = await run(...args);
    expect(out).toMatch(/^proxy \d+\.\d+\.\d+ \(commit \S+, Bun \d+\.\d+\.\d+\)\n$/);
    expect(code).toBe(0);
  }
});

test("every counter is explained", async () => {
  const { out, code } = await run("-D");
  expect(code).toBe(0);
  for (const name of [...POOL_COUNTERS, ...SERVER_COUNTERS]) {
    expect(out).toMatch(new RegExp(`^  ${name} +\\S`, "m"));
  }
});

test.each<[string[], string]>([
  [["chekc"], 'unknown command "chekc"; did you mean "check"?'],
  [["help", "rout"], 'unknown command "rout"; did you mean "route"?'],
  [["--wrokers", "2"], 'unknown flag "--wrokers"; did you mean "--workers"?'],
  [["check", "--jsn"], 'unknown flag "--jsn"; did you mean "--json"?'],
  [["-c", "f", "check"], "the command comes first: proxy check"],
  [["run", "now"], 'unexpected argument "now"'],
  [["__nonsense"], 'unknown command "__nonsense"'],
  [["route"], "Missing required positional argument: POOL"],
])("%p is wrong usage", async (args, problem) => {
  const { out, errors, code } = await run(...args);
  expect(errors).toContain(`proxy: ${problem}`);
  expect(errors).toMatch(/See proxy( \w+)? --help/);
  expect(out).toBe("");
  expect(code).toBe(2);
});

test("a flag's value that makes no sense is wrong usage, too", async () => {
  const file = writeConfig(makeDirectory(), ["127.0.0.1:2"]);
  const { errors, code } = await run("-c", file, "--workers", "many");
  expect(errors).toContain(
    '--workers: expected auto, or a whole number from 1 to 256, found "many"',
  );
  expect(code).toBe(2);
});

test("no configuration, or a wrong one, is a failed start", async () => {
  const none = await run();
  expect(none.errors).toContain("no configuration file");
  expect(none.code).toBe(1);
  const missing = await run("-c", "/no/such.yaml");
  expect(missing.errors).toContain("/no/such.yaml");
  expect(missing.code).toBe(1);
});

test("-t says what nutcracker says", async () => {
  const file = writeConfig(makeDirectory(), ["127.0.0.1:2"]);
  const good = await run("-t", "-c", file);
  expect(good.errors).toBe(`proxy: configuration file '${file}' syntax is ok\n`);
  expect(good.code).toBe(0);
  const bad = await run("-tc", writeConfig(makeDirectory(), ["nonsense"]));
  expect(bad.errors).toContain("syntax is invalid");
  expect(bad.code).toBe(1);
});
