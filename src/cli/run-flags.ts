/** The flags of `proxy run`: nutcracker's and ours, and what they change in a configuration. */
import type { AcceptMode, Address, Config, EngineChoice, LogLevel } from "../api/config.ts";
import { WORKERS_MAX } from "../base/limits.ts";
import { didYouMean } from "../config/nearest.ts";
import { ACCEPT_MODES, ENGINE_CHOICES } from "../config/options-top.ts";
import { unknownZone, ZONE_AUTO } from "../config/zones.ts";

export const RUN_ARGS = {
  config: {
    type: "string",
    alias: ["c", "conf-file"] as string[],
    valueHint: "FILE",
    description:
      "Configuration file (default: ./proxy.yaml, /etc/proxy/proxy.yaml, conf/nutcracker.yml)",
  },
  workers: {
    type: "string",
    valueHint: "auto|N",
    description: "Worker processes; auto: one for each core that may be used",
  },
  accept: {
    type: "string",
    valueHint: "MODE",
    description: "How workers come by clients: reuseport, shared, mutex or dispatch",
  },
  reuseport: {
    type: "boolean",
    description: "The same as --accept reuseport: a listening socket for each worker",
    negativeDescription: "The same as --accept shared: one listening socket for all workers",
  },
  engine: {
    type: "string",
    valueHint: "ENGINE",
    description: "What the workers' sockets are made of: auto, uring or bun",
  },
  zone: {
    type: "string",
    valueHint: "NAME",
    description: "The one of the file's zones that this proxy is in; auto: as its addresses tell",
  },
  "test-conf": {
    type: "boolean",
    alias: "t",
    description: "Only say whether the configuration is right",
  },
  daemonize: {
    type: "boolean",
    alias: "d",
    description: "Go to the background once it serves; errors until then reach the terminal",
  },
  output: {
    type: "string",
    alias: "o",
    valueHint: "FILE",
    description: "Log to a file, which USR1 opens again (default: stderr)",
  },
  verbose: {
    type: "string",
    alias: "v",
    valueHint: "N",
    description: "Log level as in nutcracker, 0 to 11: 3 error, 4 warn, 5 info, 7 debug",
  },
  "pid-file": {
    type: "string",
    alias: "p",
    valueHint: "FILE",
    description: "Write the process number there while it runs",
  },
  control: {
    type: "string",
    valueHint: "PATH",
    description: "Socket for proxy status, reload, upgrade, stop (default: from the file's path)",
  },
  "stats-port": {
    type: "string",
    alias: "s",
    valueHint: "N",
    description: "Port of the statistics in twemproxy's JSON",
  },
  "stats-addr": {
    type: "string",
    alias: "a",
    valueHint: "ADDRESS",
    description: "Address of that port",
  },
  "stats-interval": {
    type: "string",
    alias: "i",
    valueHint: "MS",
    description:
      "Milliseconds that the statistics may be old (default: none, unlike nutcracker's 30000)",
  },
  "mbuf-size": {
    type: "string",
    alias: "m",
    valueHint: "N",
    description:
      "Accepted for nutcracker's sake, and has no effect: memory here needs no such setting",
  },
  "describe-stats": {
    type: "boolean",
    alias: "D",
    description: "Explain the statistics and exit",
  },
  version: { type: "boolean", alias: "V", description: "Print version, commit and Bun, and exit" },
} as const;

/** The values of the flags that change a configuration, as written; undefined: not given. */
export interface RunFlags {
  readonly workers?: string | undefined;
  readonly accept?: string | undefined;
  readonly reuseport?: boolean | undefined;
  readonly engine?: string | undefined;
  readonly zone?: string | undefined;
  readonly output?: string | undefined;
  readonly verbose?: string | undefined;
  readonly "pid-file"?: string | undefined;
  readonly control?: string | undefined;
  readonly "stats-port"?: string | undefined;
  readonly "stats-addr"?: string | undefined;
  readonly "stats-interval"?: string | undefined;
  readonly "mbuf-size"?: string | undefined;
}

const STATS_PORT_DEFAULT = 22222;
const STATS_HOST_DEFAULT = "0.0.0.0";

/** @returns the configuration with the flags put over it, or everything that is wrong with them. */
export function applyFlags(
  config: Config,
  flags: RunFlags,
): { readonly config: Config } | { readonly problems: readonly string[] } {
  const problems: string[] = [];
  const number = (name: keyof RunFlags, min: number, max: number): number | null => {
    const written = flags[name];
    if (written === undefined) return null;
    const value = typeof written === "string" && /^\d+$/.test(written) ? Number(written) : -1;
    if (value >= min && value <= max) return value;
    const expected = `${name === "workers" ? "auto, or " : ""}a whole number from ${min} to ${max}`;
    problems.push(`--${name}: expected ${expected}, found "${written}"`);
    return null;
  };
  const workers = flags.workers === "auto" ? "auto" : number("workers", 1, WORKERS_MAX);
  const level = number("verbose", 0, 11);
  const port = number("stats-port", 1, 65535);
  const intervalMs = number("stats-interval", 1, 2 ** 31 - 1);
  number("mbuf-size", 512, 16 * 1024 * 1024);
  const accept = acceptOf(flags, problems);
  const engine = engineOf(flags, problems);
  const zone = zoneOf(config, flags, problems);
  if (problems.length > 0) return { problems };
  return {
    config: {
      ...config,
      workers: workers ?? config.workers,
      accept: accept ?? config.accept,
      ...(engine === null ? {} : { engine }),
      ...(zone === null ? {} : { zone }),
      pidFile: flags["pid-file"] ?? config.pidFile,
      control: flags.control ?? config.control,
      log: {
        ...config.log,
        level: level === null ? config.log.level : levelOf(level),
        file: flags.output ?? config.log.file,
      },
      stats: {
        listen: statsAddress(config.stats.listen, flags["stats-addr"], port),
        intervalMs: intervalMs ?? config.stats.intervalMs,
      },
    },
  };
}

function acceptOf(flags: RunFlags, problems: string[]): AcceptMode | null {
  const { accept, reuseport } = flags;
  const short = reuseport === undefined ? null : reuseport ? "reuseport" : "shared";
  if (accept === undefined) return short;
  const mode = ACCEPT_MODES.find((name) => name === accept);
  if (mode === undefined) {
    const hint = didYouMean(accept, ACCEPT_MODES) || `; expected one of ${ACCEPT_MODES.join(", ")}`;
    problems.push(`--accept: unknown mode "${accept}"${hint}`);
    return null;
  }
  if (short !== null && short !== mode) {
    problems.push(
      `--accept ${mode} and --${reuseport ? "" : "no-"}reuseport contradict each other`,
    );
  }
  return mode;
}

function engineOf(flags: RunFlags, problems: string[]): EngineChoice | null {
  const { engine } = flags;
  if (engine === undefined) return null;
  const choice = ENGINE_CHOICES.find((name) => name === engine);
  if (choice !== undefined) return choice;
  problems.push(
    `--engine: unknown engine "${engine}"; expected one of ${ENGINE_CHOICES.join(", ")}`,
  );
  return null;
}

function zoneOf({ zones = {} }: Config, flags: RunFlags, problems: string[]): string | null {
  const { zone } = flags;
  if (zone === undefined || zone === ZONE_AUTO || Object.hasOwn(zones, zone)) return zone ?? null;
  problems.push(`--zone: ${unknownZone(zone, zones)}`);
  return null;
}

/** nutcracker's levels: 0 to 3 are errors, 4 warnings, 5 and 6 news, the rest details. */
function levelOf(verbosity: number): LogLevel {
  if (verbosity <= 3) return "error";
  if (verbosity === 4) return "warn";
  return verbosity <= 6 ? "info" : "debug";
}

/** Either flag switches the port on; what is not given comes from the file, else from nutcracker's defaults. */
function statsAddress(
  configured: Address | null,
  host: string | undefined,
  port: number | null,
): Address | null {
  if (host === undefined && port === null) return configured;
  const base = configured?.kind === "tcp" ? configured : null;
  return {
    kind: "tcp",
    host: (host ?? base?.host ?? STATS_HOST_DEFAULT).replace(/^\[(.*)\]$/, "$1"),
    port: port ?? base?.port ?? STATS_PORT_DEFAULT,
  };
}
