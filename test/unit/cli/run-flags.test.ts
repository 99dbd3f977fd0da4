import { expect, test } from "bun:test";
import type { Config } from "../../../src/api/config.ts";
import { applyFlags, type RunFlags } from "../../../src/cli/run-flags.ts";

const CONFIG: Config = {
  file: "/proxy.yaml",
  form: "native",
  workers: 3,
  accept: "reuseport",
  affinity: "off",
  openFiles: null,
  user: null,
  group: null,
  log: { level: "warn", file: null, format: "json", slowFile: "/slow" },
  pidFile: null,
  stats: { listen: null, intervalMs: 30_000 },
  drainTimeoutMs: 1,
  control: null,
  rebalance: true,
  modules: [],
  pools: [],
};

function apply(flags: RunFlags, config: Config = CONFIG): Config {
  const result = applyFlags(config, flags);
  if ("problems" in result) throw new Error(result.problems.join("\n"));
  return result.config;
}

test("without flags nothing changes", () => {
  expect(apply({})).toEqual(CONFIG);
});

test("flags go before the file", () => {
  const config = apply({
    workers: "auto",
    reuseport: false,
    output: "log",
    verbose: "11",
    "pid-file": "pid",
    "stats-interval": "1000",
  });
  expect(config.workers).toBe("auto");
  expect(config.accept).toBe("shared");
  expect(config.log).toEqual({ ...CONFIG.log, level: "debug", file: "log" });
  expect(config.pidFile).toBe("pid");
  expect(config.stats).toEqual({ listen: null, intervalMs: 1000 });
  expect(apply({ reuseport: true }, { ...CONFIG, accept: "shared" }).accept).toBe("reuseport");
  expect(apply({ workers: "7" }).workers).toBe(7);
});

test("an engine is one of three", () => {
  expect(apply({ engine: "auto" }).engine).toBe("auto");
  expect(applyFlags(CONFIG, { engine: "epoll" })).toEqual({
    problems: ['--engine: unknown engine "epoll"; expected one of auto, uring, bun'],
  });
});

test("an accept mode has two spellings, which must agree", () => {
  expect(apply({ accept: "mutex" }).accept).toBe("mutex");
  expect(apply({ accept: "dispatch" }).accept).toBe("dispatch");
  expect(apply({ accept: "shared", reuseport: false }).accept).toBe("shared");
  expect(applyFlags(CONFIG, { accept: "mutx" })).toEqual({
    problems: ['--accept: unknown mode "mutx"; did you mean "mutex"?'],
  });
  expect(applyFlags(CONFIG, { accept: "shared", reuseport: true })).toEqual({
    problems: ["--accept shared and --reuseport contradict each other"],
  });
});

test("nutcracker's twelve levels become four", () => {
  const levels = Array.from({ length: 12 }, (_, n) => apply({ verbose: `${n}` }).log.level);
  expect(levels.join(" ")).toBe(
    "error error error error warn info info debug debug debug debug debug",
  );
});

test("either statistics flag switches the port on, the rest comes from the file or nutcracker", () => {
  const tcp = (host: string, port: number) => ({ kind: "tcp" as const, host, port });
  expect(apply({ "stats-port": "1" }).stats.listen).toEqual(tcp("0.0.0.0", 1));
  expect(apply({ "stats-addr": "::1" }).stats.listen).toEqual(tcp("::1", 22222));
  expect(apply({ "stats-addr": "[::1]" }).stats.listen).toEqual(tcp("::1", 22222));
  const file = { ...CONFIG, stats: { listen: tcp("10.0.0.1", 5), intervalMs: 1 } };
  expect(apply({ "stats-port": "6" }, file).stats.listen).toEqual(tcp("10.0.0.1", 6));
  expect(apply({ "stats-addr": "h" }, file).stats.listen).toEqual(tcp("h", 5));
});

test("all values that make no sense are named at once", () => {
  const result = applyFlags(CONFIG, {
    workers: "0",
    verbose: "12",
    "stats-port": "65536",
    "stats-interval": "-1",
    "mbuf-size": "511",
  });
  expect(result).toEqual({
    problems: [
      '--workers: expected auto, or a whole number from 1 to 256, found "0"',
      '--verbose: expected a whole number from 0 to 11, found "12"',
      '--stats-port: expected a whole number from 1 to 65535, found "65536"',
      '--stats-interval: expected a whole number from 1 to 2147483647, found "-1"',
      '--mbuf-size: expected a whole number from 512 to 16777216, found "511"',
    ],
  });
});
