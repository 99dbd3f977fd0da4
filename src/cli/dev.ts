/** `proxy dev`: the whole proxy over embedded in-memory servers, to try it out with nothing else installed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CommandDef, defineCommand } from "citty";
import type { Config } from "../api/config.ts";
import { WORKERS_MAX } from "../base/limits.ts";
import { loadConfig } from "../config/load.ts";
import { type DevBackend, startDevBackend } from "../dev/backend-process.ts";
import { PROTOCOLS } from "../protocols/registry.ts";
import { type DevPorts, devConfigText, devFacts, welcomeText } from "./dev-facts.ts";
import { DEV_HOST, DEV_PORT, findFreePort, isPortFree, noFreePort } from "./dev-port.ts";
import { EXIT_FAILED, EXIT_USAGE } from "./exit-codes.ts";
import { runProxy } from "./run.ts";

const SHARDS_MAX = 64;
const PORT_MAX = 65_535;

const devArgs = {
  port: {
    type: "string",
    valueHint: "N",
    description: "Port on 127.0.0.1 for Redis (default: 22121, or the next free one)",
  },
  "memcache-port": {
    type: "string",
    valueHint: "N",
    description: "Port on 127.0.0.1 for Memcached (default: the next free one after --port)",
  },
  workers: {
    type: "string",
    default: "auto",
    valueHint: "auto|N",
    description: "Worker processes; auto: one for each core that may be used",
  },
  shards: {
    type: "string",
    default: "4",
    valueHint: "N",
    description: "Embedded servers of each kind (default: 4)",
  },
  json: {
    type: "boolean",
    default: false,
    description: "Print the facts as one JSON object instead of text",
  },
} as const;

interface Settings {
  /** Null: the first free one. */
  readonly port: number | null;
  /** Null: the first free one after the other. */
  readonly memcachePort: number | null;
  readonly workers: number | "auto";
  readonly shards: number;
  readonly json: boolean;
}

class UsageError extends Error {}

export const devCommand: CommandDef<typeof devArgs> = defineCommand({
  meta: {
    name: "dev",
    description:
      "Try it out: a proxy over Redis and Memcached servers embedded in memory. Not for production: all is lost at exit",
  },
  args: devArgs,
  async run({ args }): Promise<number> {
    try {
      return await runDev(readSettings(args));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return complain(error.message, EXIT_USAGE);
    }
  },
});

function readSettings(
  args: Record<"port" | "memcache-port" | "workers" | "shards", string | undefined> & {
    json: boolean;
  },
): Settings {
  const { port, "memcache-port": memcachePort, workers = "auto", shards = "4", json } = args;
  return {
    port: port === undefined ? null : readCount("port", port, PORT_MAX),
    memcachePort:
      memcachePort === undefined ? null : readCount("memcache-port", memcachePort, PORT_MAX),
    workers: workers === "auto" ? "auto" : readCount("workers", workers, WORKERS_MAX),
    shards: readCount("shards", shards, SHARDS_MAX),
    json,
  };
}

function readCount(flag: string, text: string, max: number): number {
  const value = /^[0-9]{1,6}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  const other = flag === "workers" ? "auto, or " : "";
  throw new UsageError(`--${flag}: expected ${other}a number from 1 to ${max}, found "${text}"`);
}

/** @returns the exit code */
async function runDev(settings: Settings): Promise<number> {
  const ports = choosePorts(settings);
  if (typeof ports === "string") return complain(ports, EXIT_FAILED);
  let backend: DevBackend;
  try {
    backend = await startDevBackend(settings.shards);
  } catch (error) {
    return complain((error as Error).message, EXIT_FAILED);
  }
  try {
    return await runBefore(backend, ports, settings);
  } finally {
    await backend.stop();
  }
}

/** @returns why there are none */
function choosePorts(settings: Settings): DevPorts | string {
  const redis = choosePort("port", settings.port, DEV_PORT);
  if (typeof redis === "string") return redis;
  const memcache = choosePort("memcache-port", settings.memcachePort, redis + 1);
  if (typeof memcache === "string") return memcache;
  return redis === memcache ? "--port and --memcache-port must differ" : { redis, memcache };
}

function choosePort(flag: string, wanted: number | null, first: number): number | string {
  if (wanted === null) return findFreePort(first) ?? noFreePort(flag, first);
  if (isPortFree(wanted)) return wanted;
  return `port ${wanted} of ${DEV_HOST} is in use; without --${flag} a free one is taken`;
}

/** The proxy, until it is stopped or the embedded servers are gone. */
async function runBefore(
  backend: DevBackend,
  ports: DevPorts,
  settings: Settings,
): Promise<number> {
  const path = join(backend.directory, "proxy.yaml");
  const config = writeConfig(path, devConfigText(ports, settings.workers, backend));
  const lifeline = { isLost: false, isMeant: false };
  const onGone = (reason: string): void => {
    if (lifeline.isMeant) return;
    lifeline.isLost = true;
    complain(`the embedded servers are gone (${reason}): stopping`, EXIT_FAILED);
    // The supervisor has no other way in than its signals.
    process.kill(process.pid, "SIGTERM");
  };
  backend.gone.then(onGone, onGone);
  // The terminal was closed. In production this opens the log files again; here no user is left to end us.
  process.on("SIGHUP", () => process.kill(process.pid, "SIGTERM"));
  const code = await runProxy(config, {
    source: null,
    isDaemon: false,
    onReady(ready) {
      const facts = devFacts(ready, ports, backend, path);
      process.stdout.write(settings.json ? `${JSON.stringify(facts)}\n` : welcomeText(facts));
    },
  });
  if (lifeline.isLost) return EXIT_FAILED;
  lifeline.isMeant = true;
  return code;
}

function writeConfig(path: string, text: string): Config {
  writeFileSync(path, text);
  const { config, problems } = loadConfig(text, path, PROTOCOLS);
  if (config === null) throw new Error(`proxy dev wrote a bad file: ${JSON.stringify(problems)}`);
  return config;
}

function complain(problem: string, code: number): number {
  process.stderr.write(`proxy: ${problem}\n`);
  return code;
}
