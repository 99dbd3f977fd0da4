/**
 * The proxies that a run compares: which there are, how each is started, and how it is told about the servers.
 *
 * To add one for good, add an entry to `KNOWN`; for one run, `--proxy name='command …'` does.
 */
import { copyFileSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { runDirectory, runToEnd } from "./children.ts";
import {
  type ConfigWriter,
  haproxyConfig,
  nutcrackerConfig,
  predixyConfig,
} from "./peer-configs.ts";
import type { Speech } from "./workloads.ts";

/** What this project's own proxy is called in results. */
export const OWN_NAME = "proxy";

/**
 * own: this project's. peer: does the same work, so that others are put in relation to the best of them. floor: moves the
 * bytes and understands nothing of them. given: from the command line.
 */
export type ProxyRole = "own" | "peer" | "floor" | "given";

/** What an administrator does to a running proxy, as a command line; {binary}, {config} and {pid} are filled in. */
export interface Maintenance {
  readonly reload: readonly string[] | null;
  /** Lines that are added to the file before a reload, so that there is something to do. */
  readonly change: string;
  readonly upgrade: readonly string[] | null;
}

export interface ProxyKind {
  readonly name: string;
  readonly role: ProxyRole;
  /** Command line; {config}, {port} and {servers} (host:port, separated by spaces) are filled in, {spare} is another free port. */
  readonly command: readonly string[];
  /** Content of the file that {config} names. */
  readonly config: ConfigWriter;
  readonly speaks: readonly Speech[];
  readonly maintenance: Maintenance;
  /** Arguments that make the executable print its version; null: unknown. */
  readonly versionArguments: readonly string[] | null;
}

const PROXY_BINARY = join(dirname(import.meta.dir), "dist", "proxy");
const EVERYTHING: readonly Speech[] = ["redis", "memcache", "memcache-meta", "memcache-binary"];
const NO_MAINTENANCE: Maintenance = { reload: null, change: "", upgrade: null };
const OWN_MAINTENANCE: Maintenance = {
  reload: ["{binary}", "reload", "-c", "{config}"],
  change: "  server_retry_timeout: 20000\n",
  upgrade: ["{binary}", "upgrade", "-c", "{config}", "{binary}"],
};

const KNOWN: readonly ProxyKind[] = [
  {
    name: "nutcracker",
    role: "peer",
    command: ["nutcracker", "-c", "{config}", "-s", "{spare}", "-a", "127.0.0.1"],
    config: nutcrackerConfig,
    speaks: ["redis", "memcache"],
    maintenance: NO_MAINTENANCE,
    versionArguments: ["-V"],
  },
  {
    name: "predixy",
    role: "peer",
    command: ["predixy", "{config}"],
    config: predixyConfig,
    speaks: ["redis"],
    maintenance: NO_MAINTENANCE,
    versionArguments: ["--version"],
  },
  {
    // Spreads connections, not keys: no cache proxy, but the least that moving the bytes costs.
    name: "haproxy",
    role: "floor",
    command: ["haproxy", "-W", "-db", "-f", "{config}"],
    config: haproxyConfig,
    speaks: EVERYTHING,
    maintenance: {
      ...{ reload: ["kill", "-USR2", "{pid}"], change: "" },
      upgrade: ["kill", "-USR2", "{pid}"],
    },
    versionArguments: ["-v"],
  },
  {
    name: OWN_NAME,
    role: "own",
    command: [PROXY_BINARY, "-c", "{config}", "--workers", "1", "-s", "{spare}", "-a", "127.0.0.1"],
    config: nutcrackerConfig,
    speaks: EVERYTHING,
    maintenance: OWN_MAINTENANCE,
    versionArguments: ["-V"],
  },
];

export interface ProxyChoice {
  /** "name=command …", as given on the command line. */
  readonly given: readonly string[];
  readonly without: readonly string[];
  /** Path of an executable of predixy; null: the one in PATH, if any. */
  readonly predixy: string | null;
  /** Engines that this project's proxy is measured with, as a proxy each; none: its default. */
  readonly engines: readonly string[];
}

/** The known proxies that are installed, this project's own (built when missing), and those given by hand. */
export async function findProxies(choice: ProxyChoice): Promise<readonly ProxyKind[]> {
  const found: ProxyKind[] = [];
  for (const kind of KNOWN) {
    if (choice.without.includes(kind.name)) continue;
    const executable = await executableOf(kind, choice);
    if (executable === null) continue;
    const installed = { ...kind, command: [executable, ...kind.command.slice(1)] };
    found.push(...(kind.role === "own" ? perEngine(installed, choice.engines) : [installed]));
  }
  for (const text of choice.given) {
    const extra = parseProxy(text);
    if (found.some(({ name }) => name === extra.name))
      throw new Error(`two proxies named ${extra.name}`);
    found.push(extra);
  }
  if (found.length === 0) throw new Error("no proxy to measure");
  return found;
}

/** One of them for each engine, named after it. */
export function perEngine(kind: ProxyKind, engines: readonly string[]): readonly ProxyKind[] {
  if (engines.length === 0) return [kind];
  return engines.map((engine) => ({
    ...kind,
    name: `${kind.name}-${engine}`,
    command: [...kind.command, "--engine", engine],
  }));
}

async function executableOf(kind: ProxyKind, choice: ProxyChoice): Promise<string | null> {
  if (kind.role === "own") return await ownExecutable();
  if (kind.name !== "predixy" || choice.predixy === null) return findExecutable(kind.command[0]!);
  if (!existsSync(choice.predixy)) throw new Error(`--predixy ${choice.predixy}: no such file`);
  return choice.predixy;
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
    throw new Error(`--proxy ${name}: the command needs {config} or {port}, or no client finds it`);
  }
  return {
    ...{ name, role: "given", command, config: nutcrackerConfig, speaks: EVERYTHING },
    ...{ maintenance: NO_MAINTENANCE, versionArguments: null },
  };
}

/** First line of what the executable says about itself, without the path that some put before it. */
export async function versionOf(kind: ProxyKind): Promise<string> {
  if (kind.versionArguments === null) return "unknown";
  const executable = kind.command[0]!;
  // nutcracker prints its version to stderr.
  const command = ["sh", "-c", '"$@" 2>&1', "sh", executable, ...kind.versionArguments];
  const line = (await runToEnd(command, 5_000)).trim().split("\n")[0] ?? "unknown";
  return line.startsWith(executable) ? line.substring(executable.length).trim() : line;
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
