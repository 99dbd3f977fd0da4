/** `proxy check`: is the configuration file right, and what does it come to? Also nutcracker's `-t`. */
import { type CommandDef, defineCommand } from "citty";
import type { Config, PoolConfig } from "../api/config.ts";
import type { Discovery } from "../api/discovery.ts";
import type { OptionValue } from "../api/option.ts";
import { type DescriptorPlan, planDescriptors, shortageOf } from "../base/descriptor-budget.ts";
import { CLIENT_MEMORY_AUTO } from "../base/limits.ts";
import { formatAddress } from "../config/address.ts";
import { formatDuration } from "../config/duration.ts";
import { poolWorkersText } from "../config/pool-workers.ts";
import { routeLines } from "../config/route-text.ts";
import { formatSize } from "../config/size.ts";
import { ZONE_AUTO } from "../config/zones.ts";
import { openFilesMax } from "../os/open-files.ts";
import { ownAddresses } from "../os/own-addresses.ts";
import { usableMemory } from "../os/usable-memory.ts";
import { PROTOCOLS } from "../protocols/registry.ts";
import { needsOf } from "../server/descriptor-needs.ts";
import { ejectedMax } from "../server/ejections.ts";
import { ownZone } from "../topology/zone.ts";
import { checkOnline, type Finding } from "./check-online.ts";
import { type ConfigFile, readConfigFile } from "./config-file.ts";
import { ringShares } from "./ring-share.ts";
import { clusterOf } from "./source-of.ts";
import { formatTable } from "./table.ts";

const checkArgs = {
  config: {
    type: "string",
    alias: ["c", "conf-file"] as string[],
    valueHint: "FILE",
    description:
      "Configuration file (default: ./proxy.yaml, /etc/proxy/proxy.yaml, conf/nutcracker.yml)",
  },
  json: { type: "boolean", default: false, description: "Print one JSON object instead of text" },
  online: {
    type: "boolean",
    default: false,
    description: "Also connect to the servers, cluster nodes and sentinels, and tell what they say",
  },
} as const;

export const checkCommand: CommandDef<typeof checkArgs> = defineCommand({
  meta: {
    name: "check",
    description:
      "Check the configuration file and show what it comes to. Exit code 0: it is right; 1: it is not.",
  },
  args: checkArgs,
  async run({ args }) {
    const file = await readConfigFile(args.config);
    const isOnline = args.online && file.config !== null;
    const findings = isOnline ? await checkOnline(file.config.pools) : [];
    const isFaulty = file.config === null || findings.some(({ isFault }) => isFault);
    if (args.json) {
      const online = isOnline ? { online: findings } : {};
      const shown = { ...describeJson(file), ok: !isFaulty, ...online };
      process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    } else {
      process.stderr.write(file.text);
      const lines = [describeText(file), ...(isOnline ? ["", ...describeFindings(findings)] : [])];
      process.stdout.write(`${lines.join("\n")}\n`);
    }
    process.exitCode = isFaulty ? 1 : 0;
  },
});

/**
 * nutcracker's `-t`: its line on stderr, after the problems.
 * @returns the exit code: 0 or 1
 */
export async function testConfigFile(path: string | undefined): Promise<number> {
  const file = await readConfigFile(path);
  const verdict = file.config === null ? "invalid" : "ok";
  const line = `proxy: configuration file '${file.path ?? ""}' syntax is ${verdict}\n`;
  process.stderr.write(file.text + (file.path === null ? "" : line));
  return file.config === null ? 1 : 0;
}

/** What `--json` prints. Passwords are left out. */
export function describeJson(file: ConfigFile): object {
  const { config, path, problems } = file;
  if (config === null) {
    const error = problems.length === 0 ? file.text.trimEnd() : null;
    return { ok: false, file: path, error, problems, config: null };
  }
  const pools = config.pools.map((pool) => {
    const shares = ringShares(pool);
    const servers = pool.servers.map((server, index) => ({ ...server, share: shares[index] ?? 0 }));
    const filters = pool.filters.map((filter) => ({ ...filter, options: shownOptions(filter) }));
    return { ...pool, options: shownOptions(pool), filters, servers };
  });
  const modules = config.modules.map(({ code: _, ...module }) => module);
  const plan = planOf(config);
  const descriptors = { ...plan, shortage: shortageOf(plan) };
  return {
    ok: true,
    file: path,
    error: null,
    problems,
    config: { ...config, modules, pools },
    descriptors,
  };
}

function describeFindings(findings: readonly Finding[]): string[] {
  return findings.map(({ pool, isFault, text }) => {
    return `${isFault ? "error" : "ok"}: pool ${pool}: ${text}`;
  });
}

/** What `check` prints on stdout, without the problems. */
export function describeText(file: ConfigFile): string {
  const { config, path, problems } = file;
  if (config === null) {
    const errors = problems.filter((problem) => problem.severity === "error").length;
    return path === null || errors === 0
      ? "no usable configuration"
      : `${path}: ${errors === 1 ? "1 error" : `${errors} errors`}, nothing would start`;
  }
  const { perServer } = planOf(config);
  return [
    `${path}: ok, ${config.form} form`,
    "",
    ...describeProcess(config),
    ...describeShortage(config),
    ...config.pools.flatMap((pool, index) => ["", ...describePool(pool, perServer[index] ?? 1)]),
  ].join("\n");
}

function describeProcess(config: Config): string[] {
  const { log, stats } = config;
  const port = stats.listen === null ? "off" : formatAddress(stats.listen);
  const age = stats.intervalMs === 0 ? "" : `, up to ${formatDuration(stats.intervalMs)} old`;
  return formatTable(
    [
      ["workers", `${config.workers}, accept ${config.accept}${describeAffinity(config)}`],
      ["engine", config.engine ?? "bun"],
      ...describeIdentity(config),
      ["log", `${log.level} and worse, to ${log.file ?? "stderr"}`],
      ...(log.slowFile == null ? [] : [["slow log", `to ${log.slowFile}`]]),
      ["pid file", config.pidFile ?? "none"],
      ["statistics", `${port}${age}`],
      ...config.modules.map(({ kind, name, path }) => ["module", `${kind} ${name}, ${path}`]),
      ["drain", `at most ${formatDuration(config.drainTimeoutMs)}`],
      ...describeZone(config),
      ["client memory", describeClientMemory(config)],
      ["open files", describeDescriptors(planOf(config))],
    ],
    [],
  );
}

function describeClientMemory({ clientMemoryBytes = null }: Config): string {
  if (clientMemoryBytes === null) return "no limit";
  if (clientMemoryBytes !== "auto") return `at most ${formatSize(clientMemoryBytes)}`;
  const mib = Math.floor((CLIENT_MEMORY_AUTO * usableMemory()) / 1024 ** 2);
  return `at most ${mib}mb, half of what there is`;
}

/** For each worker, if it is started with the limit of this process, or with what the file raises it to. */
function planOf({ openFiles, pools }: Config): DescriptorPlan {
  return planDescriptors(Math.max(openFilesMax(), openFiles ?? 0), needsOf(pools));
}

function describeDescriptors(plan: DescriptorPlan): string {
  const { openFiles, reserved, servers, lent, clients, perClient, isMixed } = plan;
  const each = isMixed
    ? " (those with a server connection of their own take two each)"
    : " and their server connections";
  const parts = [
    `${reserved} of its own`,
    `${servers} server connections (at most as many again for each further database, user or protocol that clients use)`,
    `${lent} for transactions, blocked clients and subscriptions`,
    `${clients} clients${perClient === 2 || isMixed ? each : ""}`,
  ];
  return `${openFiles} in each worker: ${parts.join(" + ")}`;
}

function describeShortage(config: Config): string[] {
  const shortage = shortageOf(planOf(config));
  return shortage === null ? [] : ["", `warning: ${shortage}`];
}

function describeAffinity({ affinity }: Config): string {
  if (affinity === "off") return "";
  return affinity === "auto" ? ", pinned to cores in turn" : `, pinned to cores ${affinity.join()}`;
}

function describeIdentity({ user, group }: Config): [string, string][] {
  if (user === null && group === null) return [];
  return [["run as", `user ${user ?? "unchanged"}, group ${group ?? "the user's"}`]];
}

function describeZone(config: Config): string[][] {
  if (Object.keys(config.zones ?? {}).length === 0) return [];
  const zone = ownZone(config, ownAddresses());
  const isSaid = config.zone !== undefined && config.zone !== ZONE_AUTO;
  const how = isSaid ? "as the file says" : "by this machine's addresses";
  return [
    ["zone", zone === null ? "none: no address of this machine is in one" : `${zone.name}, ${how}`],
  ];
}

/** @param connections to each server, that there is room for */
function describePool(pool: PoolConfig, connections: number): string[] {
  const hasKeys = isMeant(pool, "distribution") && !clusterOf(pool);
  const shares = ringShares(pool);
  const rows = pool.servers.map((server, index) => [
    server.name,
    formatAddress(server.address),
    `${server.weight}`,
    ...(hasKeys ? [`${((shares[index] ?? 0) * 100).toFixed(2)}%`] : []),
  ]);
  const head = ["server", "address", "weight", ...(hasKeys ? ["share of keys"] : [])];
  const table = rows.length === 0 ? [] : formatTable([head, ...rows], [2, 3]);
  const servers = pool.route == null ? table : ["route", ...routeLines(pool.route).map(indent)];
  return [
    `pool ${pool.name}`,
    ...[...describeOptions(pool, connections), "", ...servers].map(indent),
  ];
}

/** Options of pools that have servers of their own. */
const OF_SERVERS: ReadonlySet<string> = new Set([
  ...["distribution", "server_connections", "auto_eject_hosts", "health_check"],
]);

/** Whether an option that every pool has means something for the pool's protocol. */
function isMeant({ protocol }: PoolConfig, option: string): boolean {
  const module = PROTOCOLS.find(({ name }) => name === protocol);
  return module?.ignores?.includes(option) !== true;
}

function describeOptions(pool: PoolConfig, planned: number): string[] {
  const char = pool.hashSignedChar ? "" : " (unsigned char)";
  const tag = pool.hashTag === null ? "no hash tag" : `hash tag ${pool.hashTag}`;
  const limit =
    pool.clientConnectionsMax === 0 ? "no limit" : `at most ${pool.clientConnectionsMax}`;
  const eject = `${pool.onDown === "spare" ? "to a spare " : ""}after ${pool.serverFailureLimit} failures, tried again after ${formatDuration(pool.serverRetryTimeoutMs)}, at most ${ejectedMax(pool.servers.length, pool)} of ${pool.servers.length} servers`;
  const checks =
    pool.healthCheckMs == null
      ? null
      : `every ${formatDuration(pool.healthCheckMs)}, down after ${pool.healthCheckFall} failures, up after ${pool.healthCheckRise} answers`;
  const request = pool.timeoutMs === null ? "none" : formatDuration(pool.timeoutMs);
  const timeout = isMeant(pool, "timeout") ? `request ${request}, ` : "";
  const configured =
    planned < pool.serverConnections ? `, of ${pool.serverConnections} configured` : "";
  const connections = `${planned} per server and worker${configured}`;
  /** A row, if the option that it speaks of means something. */
  const rowOf = (option: string, name: string, text: string): string[][] =>
    isMeant(pool, option) && (pool.route == null || !OF_SERVERS.has(option)) ? [[name, text]] : [];
  return formatTable(
    [
      ["listen", `${formatAddress(pool.listen)}, backlog ${pool.backlog}`],
      ["protocol", `${pool.protocol}${describeOwnOptions(pool)}`],
      ...(pool.workers == null ? [] : [["workers", poolWorkersText(pool.workers)]]),
      ...(pool.discovery?.text == null ? [] : [["servers", describeDiscovery(pool.discovery)]]),
      ...pool.filters.map((filter) => ["filter", `${filter.name}${describeOwnOptions(filter)}`]),
      ...rowOf(
        "distribution",
        "placement",
        clusterOf(pool)
          ? "slots of the cluster, which its nodes are asked for"
          : `${pool.distribution}, ${pool.hash}${char}, ${tag}`,
      ),
      ["timeouts", `${timeout}connect ${formatDuration(pool.connectTimeoutMs)}`],
      ["clients", limit],
      ...rowOf(
        "server_connections",
        "connections",
        `${connections}${pool.preconnect ? ", made at start" : ""}`,
      ),
      ["keepalive", pool.tcpKeepalive ? "on" : "off"],
      ...rowOf("auto_eject_hosts", "ejection", pool.autoEjectHosts ? eject : "off"),
      ...(checks === null ? [] : rowOf("health_check", "health checks", checks)),
    ],
    [],
  );
}

function describeDiscovery({ text, intervalMs, resolvers, removes, keep }: Discovery): string {
  const parts = [
    `found by ${text}`,
    `looked for every ${formatDuration(intervalMs)} at least`,
    ...(resolvers === null ? [] : [`name servers ${resolvers.join(" ")}`]),
    removes === "dead" ? "those leave that are dead" : "those leave that are not listed",
    ...(keep === null ? [] : [`kept in ${keep}`]),
  ];
  return parts.join(", ");
}

/** The options of its protocol that the file sets. */
function describeOwnOptions({ options }: Pick<PoolConfig, "options">): string {
  const set = Object.entries(options).filter(([, { isSet }]) => isSet);
  return set.map(([name, { text }]) => `, ${name} ${text ?? "(set)"}`).join("");
}

/** Values by name, without secrets. */
function shownOptions({
  options,
}: Pick<PoolConfig, "options">): Readonly<Record<string, OptionValue>> {
  return Object.fromEntries(
    Object.entries(options).map(([name, { value, text }]) => {
      return [name, text === null && value !== null ? "(set)" : value];
    }),
  );
}

function indent(line: string): string {
  return line === "" ? "" : `  ${line}`;
}
