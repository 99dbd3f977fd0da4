/** The proxy as its users run it: a supervisor with worker processes, from a configuration file. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createHash } from "../../src/hash/hash-function.ts";
import { createRing } from "../../src/hash/ring.ts";
import { freePort } from "./free-port.ts";
import { type Endpoint, makeDirectory, startServer } from "./server-process.ts";

export interface ProxyOptions {
  /** Text of the configuration file, in either form. */
  readonly config: string;
  /** Further command line arguments, for instance `["--workers", "1"]`. */
  readonly args?: readonly string[];
  /** The executable; default: the environment's PROXY_BINARY, else the sources, run by the Bun that runs the test. */
  readonly binary?: string;
  /** A command that runs it, for instance `["prlimit", "--nofile=100:100"]`; it must have the same pid. */
  readonly wrapper?: readonly string[];
}

export interface ProxyProcess {
  /** Of the supervisor. */
  readonly pid: number;
  /** Path of the configuration file. */
  readonly configFile: string;
  /** Where it listens, in the order of the file. */
  readonly endpoints: readonly Endpoint[];
  /** Resolves with the supervisor's exit code (128 + number for a signal). */
  readonly exited: Promise<number>;
  /** Everything it wrote so far: the log. */
  stderr(): string;
  /** The worker processes that run now. */
  workerPids(): number[];
  /** Its processes of this kind that run now. */
  pidsOf(kind: "worker" | "sweeper"): number[];
  /** SIGTERM, and SIGKILL if that is ignored. */
  stop(): Promise<void>;
}

const MAIN = join(import.meta.dir, "../../src/main.ts");

/** What to type before the arguments to run the proxy. */
export function proxyCommand(binary: string | undefined = process.env["PROXY_BINARY"]): string[] {
  return binary === undefined || binary === "" ? [process.execPath, MAIN] : [binary];
}

/**
 * Starts the proxy and waits until it says that all its workers are ready. Nobody has connected to it by then.
 * @throws with its log when it ends or does not listen in time.
 */
export async function startProxy(options: ProxyOptions): Promise<ProxyProcess> {
  const directory = makeDirectory("proxy");
  const configFile = join(directory, "proxy.yaml");
  writeFileSync(configFile, options.config);
  const endpoints = listenEndpoints(options.config);
  const given = options.args ?? [];
  const args = [
    ...(await statsArguments(given)),
    // An executable that is given may be an older one, and a configuration may be about the engine.
    ...(options.binary === undefined && !/^engine:/m.test(options.config)
      ? engineArguments(given)
      : []),
    ...given,
  ];
  const program = [...(options.wrapper ?? []), ...proxyCommand(options.binary)];
  const command = [...program, "-c", configFile, ...args];
  // Its sockets listen before that. A connection to try them would count as a client, for a moment.
  const isReady = (log: string): boolean => log.includes(" supervisor ready version=");
  const server = await startServer(command, directory, [], "SIGTERM", isReady);
  return {
    pid: server.pid,
    configFile,
    endpoints,
    exited: server.exited,
    stderr: () => server.output(),
    workerPids: () => childrenOf(server.pid).filter((pid) => commandLine(pid).includes("worker")),
    pidsOf: (kind) => childrenOf(server.pid).filter((pid) => commandLine(pid).includes(kind)),
    stop: () => server.stop(),
  };
}

/** The engine that the environment's PROXY_ENGINE asks for; without it the proxy's own default. */
export function engineArguments(given: readonly string[] = []): string[] {
  const engine = process.env["PROXY_ENGINE"] ?? "";
  return engine === "" || given.includes("--engine") ? [] : ["--engine", engine];
}

/** A statistics port of its own on the loopback: several proxies run at once, and 22222 is open to all by default. */
async function statsArguments(given: readonly string[]): Promise<string[]> {
  if (given.some((argument) => argument === "-s" || argument.startsWith("--stats"))) return [];
  return ["-a", "127.0.0.1", "-s", String(await freePort())];
}

export interface PoolOptions {
  readonly listen: string;
  readonly servers: readonly { readonly host: string; readonly port: number }[];
  /** Further lines of the pool, for instance `["timeout: 400"]`. */
  readonly lines?: readonly string[];
}

/** A twemproxy configuration of one Redis pool, whose servers are called s0, s1 and so on. */
export function redisPool(options: PoolOptions): string {
  return memcachePool({ ...options, lines: ["redis: true", ...(options.lines ?? [])] });
}

/** The same for a Memcached pool. */
export function memcachePool({ listen, servers, lines = [] }: PoolOptions): string {
  return [
    "pool:",
    `  listen: ${listen}`,
    "  hash: fnv1a_64",
    "  distribution: ketama",
    ...lines.map((line) => `  ${line}`),
    "  servers:",
    ...servers.map(({ host, port }, index) => `    - ${host}:${port}:1 s${index}`),
    "",
  ].join("\n");
}

/**
 * Keys of a `redisPool` or `memcachePool`, by the server that they belong to while all are live.
 * @returns `count` keys "k:n" for each of the `servers` servers.
 */
export function keysByServer(servers: number, count: number): string[][] {
  const names = Array.from({ length: servers }, (_, index) => ({ name: `s${index}`, weight: 1 }));
  const ring = createRing("ketama", names, () => true, Math.random);
  const hash = createHash("fnv1a_64", true);
  const found: string[][] = names.map(() => []);
  for (let at = 0; found.some((keys) => keys.length < count); at++) {
    const key = Buffer.from(`k:${at}`);
    const keys = found[ring.pick(hash(key, 0, key.length))];
    if (keys !== undefined && keys.length < count) keys.push(`${key}`);
  }
  return found;
}

/** Every `listen:` of a configuration, also the one of its statistics port. */
export function listenEndpoints(yaml: string): Endpoint[] {
  return [...yaml.matchAll(/^\s+listen:\s*["']?([^\s"']+)/gm)].map(([, address = ""]) => {
    if (address.startsWith("/")) return { socketPath: address };
    const colon = address.lastIndexOf(":");
    const host = address.substring(0, colon).replace(/^\[|\]$/g, "");
    return { host, port: Number(address.substring(colon + 1)) };
  });
}

function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent);
}

function parentOf(pid: number): number | null {
  // pid (name) state ppid …, where the name may hold blanks and parentheses.
  const stat = readProc(pid, "stat");
  const fields = stat.substring(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[1] === undefined ? null : Number(fields[1]);
}

function commandLine(pid: number): string {
  return readProc(pid, "cmdline").replaceAll("\0", " ");
}

/** Empty when the process has gone. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}
