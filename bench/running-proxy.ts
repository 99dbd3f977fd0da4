/** A proxy as a running process. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Child, runDirectory, startChild, stopChild } from "./children.ts";
import { type ProcessId, processTree } from "./proc.ts";
import type { ProxyKind } from "./proxies.ts";
import { freePort, waitForPort } from "./wire.ts";
import type { BenchProtocol } from "./workloads.ts";

export interface RunningProxy {
  readonly kind: ProxyKind;
  readonly name: string;
  readonly port: number;
  /** Path of its configuration file. */
  readonly config: string;
  /** All its processes as they were when it was ready. */
  readonly processes: readonly ProcessId[];
  readonly child: Child;
}

/** @param wantedPort null: any free one. */
export async function startProxy(
  kind: ProxyKind,
  servers: readonly number[],
  protocol: BenchProtocol,
  wantedPort: number | null = null,
): Promise<RunningProxy> {
  const port = wantedPort ?? (await freePort());
  const config = join(runDirectory(), `${kind.name.replace(/\W/g, "_")}-${protocol}.conf`);
  writeFileSync(config, kind.config(port, servers, protocol));
  const words = fillIn(kind.command, {
    "{config}": config,
    "{port}": String(port),
    "{spare}": String(await freePort()),
    "{servers}": servers.map((server) => `127.0.0.1:${server}`).join(" "),
  });
  const child = startChild(kind.name, words);
  if (!(await waitForPort(port, child.hasExited))) {
    throw new Error(`${kind.name} does not accept connections:\n${child.logTail()}`);
  }
  return { kind, name: kind.name, port, config, child, processes: processTree(child.pid) };
}

/** A command line of the kind's `maintenance` for this process. */
export function maintenanceCommand(
  proxy: RunningProxy,
  words: readonly string[],
): readonly string[] {
  return fillIn(words, {
    "{binary}": proxy.kind.command[0]!,
    "{config}": proxy.config,
    "{pid}": String(proxy.child.pid),
  });
}

function fillIn(words: readonly string[], values: Readonly<Record<string, string>>): string[] {
  return words.map((word) => word.replace(/\{\w+\}/g, (name) => values[name] ?? name));
}

export function stopProxy(proxy: RunningProxy): Promise<void> {
  return stopChild(proxy.child);
}

/**
 * Its processes now.
 * @throws when one of those it started with is gone: a figure over a crash and a restart says nothing.
 */
export function processesOf(proxy: RunningProxy): readonly ProcessId[] {
  const now = processTree(proxy.child.pid);
  const isHere = (old: ProcessId): boolean =>
    now.some(({ pid, startedTicks }) => pid === old.pid && startedTicks === old.startedTicks);
  if (!proxy.processes.every(isHere)) {
    throw new Error(`a process of ${proxy.name} died during the run:\n${proxy.child.logTail()}`);
  }
  return now;
}
