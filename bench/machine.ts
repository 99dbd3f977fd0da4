/** What a result has to say about where it was measured. */
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { dirname } from "node:path";
import { runToEnd } from "./children.ts";
import type { MachineFacts } from "./result.ts";

export async function machineFacts(): Promise<MachineFacts> {
  return {
    cores: navigator.hardwareConcurrency,
    cpu: cpus()[0]?.model ?? cpuFromProc(),
    kernel: release(),
    memoryMib: Math.round(totalmem() / 1024 / 1024),
    bun: Bun.version,
    redis: /v=(\S+)/.exec(await runToEnd(["redis-server", "--version"], 5_000))?.[1] ?? "unknown",
    memcached: await memcachedVersion(),
    commit: await commit(),
    loadAtStart: loadavg()[0]!,
  };
}

async function memcachedVersion(): Promise<string> {
  try {
    return (
      (await runToEnd(["memcached", "--version"], 5_000)).trim().split(" ").at(-1) ?? "unknown"
    );
  } catch {
    return "none"; // only its own workloads need it
  }
}

async function commit(): Promise<string> {
  const git = ["git", "-C", dirname(import.meta.dir)];
  try {
    const head = (await runToEnd([...git, "rev-parse", "--short", "HEAD"], 5_000)).trim();
    const changes = await runToEnd([...git, "status", "--porcelain"], 5_000);
    return changes === "" ? head : `${head}-dirty`;
  } catch {
    return "unknown"; // not a checkout
  }
}

function cpuFromProc(): string {
  return /^model name\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "latin1"))?.[1] ?? "unknown";
}
