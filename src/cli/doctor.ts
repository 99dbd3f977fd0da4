/** `proxy doctor`: what of this host and configuration holds the proxy back, and how to change it. */
import { type CommandDef, defineCommand } from "citty";
import type { Config } from "../api/config.ts";
import { planDescriptors } from "../base/descriptor-budget.ts";
import { workerSets, workersIn } from "../config/worker-sets.ts";
import { testUring } from "../engine/uring/self-test.ts";
import { openFilesMax } from "../os/open-files.ts";
import { affinityCores, usableCores } from "../os/usable-cores.ts";
import { needsOf } from "../server/descriptor-needs.ts";
import { readConfigFile, reasonOf } from "./config-file.ts";
import { readHostNumbers } from "./host-numbers.ts";
import { type NetworkCard, networkCards } from "./network-queues.ts";
import { formatTable } from "./table.ts";

const ARGS = {
  config: {
    type: "string",
    alias: ["c", "conf-file"] as string[],
    valueHint: "FILE",
    description: "Configuration file that the host is looked at for (default: as for proxy run)",
  },
  json: { type: "boolean", default: false, description: "Print one JSON object instead of text" },
} as const;

/** What was looked at. */
export interface Examined {
  readonly what: string;
  readonly found: string;
  /** How to change it; null: it is well. */
  readonly advice: string | null;
}

/** What the host is like, as far as it matters. Null: it cannot be seen. */
export interface Host {
  readonly openFiles: number;
  readonly cores: number;
  readonly affinityCores: number;
  readonly somaxconn: number | null;
  readonly synBacklog: number | null;
  readonly synCookies: number | null;
  /** Local ports, from the first to the last. */
  readonly ports: readonly [number, number] | null;
  readonly overcommit: number | null;
  readonly cards: readonly NetworkCard[];
  /** Why io_uring cannot be used; null: it can. */
  readonly uringProblem: string | null;
}

const OPEN_FILES_LOW = 16_384;
const SYN_BACKLOG_LOW = 1024;
const PORTS_LOW = 10_000;
/** vm.overcommit_memory: memory that is not there is never promised, so large buffers fail. */
const NO_OVERCOMMIT = 2;

const definition = defineCommand({
  meta: {
    name: "doctor",
    description:
      "Look at this host for what holds the proxy back. Exit code 0: nothing; 1: something can be better",
  },
  args: ARGS,
  async run({ args }): Promise<number> {
    const { config, text, path } = await readConfigFile(args.config);
    // Without any file the host can be looked at all the same.
    if (config === null && (path !== null || args.config !== undefined)) {
      process.stderr.write(text);
      return 1;
    }
    const examined = examine(lookAtHost(), config);
    const isWell = examined.every(({ advice }) => advice === null);
    const shown = args.json ? `${JSON.stringify({ ok: isWell, examined })}\n` : textOf(examined);
    process.stdout.write(shown);
    return isWell ? 0 : 1;
  },
});

/** The type of its flags matters to itself only. */
export const doctorCommand: CommandDef = definition as unknown as CommandDef;

function lookAtHost(): Host {
  const [somaxconn = null] = readHostNumbers("net/core/somaxconn");
  const [synBacklog = null] = readHostNumbers("net/ipv4/tcp_max_syn_backlog");
  const [synCookies = null] = readHostNumbers("net/ipv4/tcp_syncookies");
  const [overcommit = null] = readHostNumbers("vm/overcommit_memory");
  const [first, last] = readHostNumbers("net/ipv4/ip_local_port_range");
  return {
    ...{ somaxconn, synBacklog, synCookies, overcommit, cards: networkCards() },
    ports: first === undefined || last === undefined ? null : [first, last],
    ...{ openFiles: openFilesMax(), cores: usableCores(), affinityCores: affinityCores() },
    uringProblem: problemOfUring(),
  };
}

function problemOfUring(): string | null {
  try {
    testUring();
    return null;
  } catch (error) {
    return reasonOf(error);
  }
}

/** @param config null: there is no file */
export function examine(host: Host, config: Config | null): readonly Examined[] {
  return [
    openFiles(host, config),
    ...backlog(host, config),
    ...synBacklog(host),
    ...ports(host, config),
    ...overcommit(host),
    ...cores(host, config),
    ...queues(host, config),
    uring(host, config),
  ];
}

function openFiles({ openFiles: limit }: Host, config: Config | null): Examined {
  const what = "open files";
  const most = Math.max(limit, config?.openFiles ?? 0);
  if (config !== null) {
    const { clients } = planDescriptors(most, needsOf(config.pools));
    const found = `${most}: room for ${clients} clients in each worker`;
    return { what, found, advice: most < OPEN_FILES_LOW ? raiseFiles(most) : null };
  }
  return { what, found: `${most}`, advice: most < OPEN_FILES_LOW ? raiseFiles(most) : null };
}

function raiseFiles(limit: number): string {
  return `${limit} is little: "rlimit_nofile: 100000" in the file (as root), LimitNOFILE= in the systemd unit, or ulimit -n`;
}

function backlog({ somaxconn }: Host, config: Config | null): Examined[] {
  if (somaxconn === null) return [];
  const wanted = Math.max(0, ...(config?.pools ?? []).map((pool) => pool.backlog));
  const advice =
    somaxconn >= wanted
      ? null
      : `the kernel cuts a backlog of ${wanted} to ${somaxconn}: sysctl -w net.core.somaxconn=${wanted}`;
  return [{ what: "somaxconn", found: `${somaxconn}, pools want ${wanted}`, advice }];
}

function synBacklog({ synBacklog: most, synCookies }: Host): Examined[] {
  if (most === null) return [];
  const isLow = most < SYN_BACKLOG_LOW && synCookies === 0;
  const advice = isLow
    ? `when many connect at once, some wait for seconds: sysctl -w net.ipv4.tcp_max_syn_backlog=${SYN_BACKLOG_LOW}, or net.ipv4.tcp_syncookies=1`
    : null;
  const cookies = synCookies === 0 ? "without" : "with";
  return [{ what: "syn backlog", found: `${most}, ${cookies} syncookies`, advice }];
}

function ports({ ports: range }: Host, config: Config | null): Examined[] {
  if (range === null) return [];
  const [first, last] = range;
  const count = last - first + 1;
  const isOwn = config?.pools.some(({ serverConnections }) => serverConnections === 0) === true;
  const advice =
    count >= PORTS_LOW
      ? null
      : `${count} ports for connections to one server${isOwn ? ", of which each client of a tcp pool has one" : ""}: sysctl -w net.ipv4.ip_local_port_range="10240 65535"`;
  return [{ what: "local ports", found: `${first} to ${last}`, advice }];
}

function overcommit({ overcommit: mode }: Host): Examined[] {
  if (mode === null) return [];
  const advice =
    mode === NO_OVERCOMMIT
      ? "the kernel promises no memory that is not there, so a worker may fail to start: sysctl -w vm.overcommit_memory=0"
      : null;
  return [{ what: "overcommit", found: `${mode}`, advice }];
}

function cores({ cores: usable, affinityCores: own }: Host, config: Config | null): Examined[] {
  const quota = usable < own ? `, cut from ${own} by the cgroup's quota` : "";
  const found = `${usable} usable${quota}`;
  const workers = workersOf(config, usable);
  let advice: string | null = null;
  if (workers > usable) {
    advice = `${workers} workers share ${usable} cores: "workers: ${usable}" or "workers: auto"`;
  } else if (workers < usable && config?.workers !== "auto") {
    advice = `${workers} of ${usable} cores are used: "workers: auto", if the servers are not on this host`;
  }
  return [{ what: "CPUs", found: `${found}, ${workers} workers`, advice }];
}

/** Those of pools that have workers of their own included. */
function workersOf(config: Config | null, usable: number): number {
  if (config === null) return usable;
  return workersIn(workerSets(config, config.workers === "auto" ? usable : config.workers));
}

/** One CPU that handles all packets is the first to be full, whatever the workers do. */
function queues({ cards, cores: usable }: Host, config: Config | null): Examined[] {
  const workers = workersOf(config, usable);
  return cards.map(({ name, receiveQueues, isSteered }) => {
    const found = `${name} has ${receiveQueues}${isSteered ? ", and hands packets on" : ""}, for ${workers} workers`;
    const isFew = receiveQueues < workers && !isSteered;
    const advice = isFew
      ? `its interrupts keep ${receiveQueues === 1 ? "one CPU" : `${receiveQueues} CPUs`} busy: ethtool -L ${name} combined ${workers}, or where that cannot be a mask of CPUs in /sys/class/net/${name}/queues/rx-0/rps_cpus`
      : null;
    return { what: "receive queues", found, advice };
  });
}

function uring({ uringProblem }: Host, config: Config | null): Examined {
  const what = "io_uring";
  if (uringProblem === null) return { what, found: "works", advice: null };
  const found = `cannot be used: ${uringProblem}`;
  if (config?.engine === "bun") return { what, found, advice: null };
  const advice =
    'requests that come alone cost more without it: kernel.io_uring_disabled=0, and a seccomp profile that permits it; or "engine: bun", to do without';
  return { what, found, advice };
}

function textOf(examined: readonly Examined[]): string {
  const rows = examined.map(({ what, found, advice }) => [
    advice === null ? "ok" : "!!",
    what,
    advice === null ? found : `${found}. ${advice}`,
  ]);
  return formatTable(rows, [])
    .map((line) => `${line}\n`)
    .join("");
}
