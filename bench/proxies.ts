/**
 * The proxies that a run compares: which there are, how each is started, and how it is told about the servers.
 *
 * To add one for good, add an entry to `KNOWN`; for one run, `--proxy name='command …'` does.
 */
import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Child, runDirectory, runToEnd, startChild, stopChild } from "./children.ts";
import { type ProcessId, processTree } from "./proc.ts";
import { freePort, waitForPort } from "./wire.ts";
import type { BenchProtocol } from "./workloads.ts";

/** The proxy that others are put in relation to, when it is there. */
export const BASE_NAME = "nutcracker";
/** What this project's own proxy is called in results. */
export const OWN_NAME = "proxy";

export interface ProxyKind {
  readonly name: string;
  /** Command line; {config}, {port} and {servers} (host:port, separated by spaces) are filled in, {spare} is another free port. */
  readonly command: readonly string[];
  /** Content of the file that {config} names. */
  readonly config: (port: number, servers: readonly number[], protocol: BenchProtocol) => string;
  /** Arguments that make the executable print its version; null: unknown. */
  readonly versionArguments: readonly string[] | null;
}

export interface RunningProxy {
  readonly name: string;
  readonly port: number;
  /** All its processes as they were when it was ready. */
  readonly processes: readonly ProcessId[];
  readonly child: Child;
}

const PROXY_BINARY = join(dirname(import.meta.dir), "dist", "proxy");

const KNOWN: readonly ProxyKind[] = [
  {
    name: BASE_NAME,
    command: ["nutcracker", "-c", "{config}", "-s", "{spare}", "-a", "127.0.0.1"],
    config: nutcrackerConfig,
    versionArguments: ["-V"],
  },
  {
    name: OWN_NAME,
    command: [PROXY_BINARY, "-c", "{config}", "--workers", "1", "-s", "{spare}", "-a", "127.0.0.1"],
    config: nutcrackerConfig,
    versionArguments: ["-V"],
  },
  {
    // Spreads connections, not keys: no cache proxy, but the least that moving the bytes costs.
    name: "haproxy",
    command: ["haproxy", "-f", "{config}", "-db"],
    config: haproxyConfig,
    versionArguments: ["-v"],
  },
];

/** The known proxies that are installed, this project's own (built when missing), and those given by hand. */
export async function findProxies(
  given: readonly string[],
  without: readonly string[],
): Promise<readonly ProxyKind[]> {
  const found: ProxyKind[] = [];
  for (const kind of KNOWN) {
    if (without.includes(kind.name)) continue;
    const isOwn = kind.command[0] === PROXY_BINARY;
    const executable = isOwn ? await ownExecutable() : findExecutable(kind.command[0]!);
    if (executable !== null)
      found.push({ ...kind, command: [executable, ...kind.command.slice(1)] });
  }
  for (const text of given) {
    const extra = parseProxy(text);
    if (found.some(({ name }) => name === extra.name))
      throw new Error(`two proxies named ${extra.name}`);
    found.push(extra);
  }
  if (found.length === 0) throw new Error("no proxy to measure");
  return found;
}

/** "name=command with {config} and {port}"; words are separated by spaces, there is no quoting. */
export function parseProxy(text: string): ProxyKind {
  const split = text.indexOf("=");
  const name = text.substring(0, split).trim();
  const command = text
    .substring(split + 1)
    .split(/\s+/)
    .filter((word) => word !== "");
  if (split < 1 || name === "" || command.length === 0) {
    throw new Error(`--proxy wants name='command …', not ${JSON.stringify(text)}`);
  }
  if (!/\{(config|port)\}/.test(text)) {
    throw new Error(`--proxy ${name}: the command needs {config} or {port}, or nobody finds it`);
  }
  return { name, command, config: nutcrackerConfig, versionArguments: null };
}

export async function startProxy(
  kind: ProxyKind,
  servers: readonly number[],
  protocol: BenchProtocol,
): Promise<RunningProxy> {
  const port = await freePort();
  const config = join(runDirectory(), `${kind.name.replace(/\W/g, "_")}-${protocol}.conf`);
  writeFileSync(config, kind.config(port, servers, protocol));
  const values: Readonly<Record<string, string>> = {
    "{config}": config,
    "{port}": String(port),
    "{spare}": String(await freePort()),
    "{servers}": servers.map((server) => `127.0.0.1:${server}`).join(" "),
  };
  const words = kind.command.map((word) =>
    word.replace(/\{\w+\}/g, (name) => values[name] ?? name),
  );
  const child = startChild(kind.name, words);
  if (!(await waitForPort(port, child.hasExited))) {
    throw new Error(`${kind.name} does not accept connections:\n${child.logTail()}`);
  }
  return { name: kind.name, port, child, processes: processTree(child.pid) };
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

/** First line of what the executable says about itself. */
export async function versionOf(kind: ProxyKind): Promise<string> {
  if (kind.versionArguments === null) return "unknown";
  const command = [kind.command[0]!, ...kind.versionArguments];
  // nutcracker prints its version to stderr.
  const output = await runToEnd(["sh", "-c", '"$@" 2>&1', "sh", ...command], 5_000);
  return output.trim().split("\n")[0] ?? "unknown";
}

/** A copy, built when missing: building again while a run lasts must not change what it measures. */
async function ownExecutable(): Promise<string> {
  if (!existsSync(PROXY_BINARY)) {
    process.stderr.write("bench: building dist/proxy\n");
    const root = dirname(import.meta.dir);
    await runToEnd([process.execPath, join(root, "build.ts")], 120_000);
  }
  const copy = join(runDirectory(), "proxy");
  copyFileSync(PROXY_BINARY, copy);
  return copy;
}

function findExecutable(name: string): string | null {
  if (name.includes("/")) return existsSync(name) ? name : null;
  return Bun.which(name, { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/local/sbin` });
}

function nutcrackerConfig(
  port: number,
  servers: readonly number[],
  protocol: BenchProtocol,
): string {
  // Named servers, so that the ring is the same in every run whatever the ports are.
  const lines = servers.map((server, index) => `    - 127.0.0.1:${server}:1 server${index + 1}`);
  return `bench:
  listen: 127.0.0.1:${port}
  hash: fnv1a_64
  distribution: ketama
  redis: ${protocol === "redis"}
  servers:
${lines.join("\n")}
`;
}

function haproxyConfig(port: number, servers: readonly number[]): string {
  const lines = servers.map((server, index) => `  server server${index + 1} 127.0.0.1:${server}`);
  return `global
  nbthread 1
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen bench
  bind 127.0.0.1:${port}
  balance roundrobin
${lines.join("\n")}
`;
}
