/** A pool that asks where its servers are: nodes of a cluster, or sentinels. What it says of them, and what else it may say. */
import type { PoolConfig, ServerConfig } from "../api/config.ts";
import type { ServerSource } from "../api/protocol-module.ts";
import { formatAddress, parseServerAddress } from "./address.ts";
import type { MapNode } from "./document.ts";
import type { ProtocolOptions } from "./options.ts";
import { quote } from "./problem.ts";
import type { Scope, Values } from "./scope.ts";

/** They say where keys are, or what becomes of those of a server that is down: a cluster decides that itself. */
const DECIDED_BY_CLUSTER = [
  ...[
    "hash",
    "hash_char",
    "hash_tag",
    "distribution",
    "auto_eject_hosts",
    "on_down",
    "transactions",
  ],
];
/** Sentinels put another server in the place of one that is down. */
const DECIDED_BY_SENTINELS = ["auto_eject_hosts", "on_down"];
const WEIGHT_MAX = 2_147_483_647;

/** What the map of a pool names in place of servers; null: nothing. */
export function sourceIn(map: MapNode, protocol: ProtocolOptions | null): ServerSource | null {
  const isNamed = ({ option }: ServerSource): boolean =>
    map.entries.some(({ key }) => key === option);
  return protocol?.sources?.find(isNamed) ?? null;
}

/** What stands in the place of servers: the nodes of a cluster that the file names, or masters. */
export function readSource(
  scope: Scope,
  values: Values,
  source: ServerSource,
  all: readonly ServerSource[],
): ServerConfig[] {
  const { problems, label, path } = scope;
  const { option, names } = source;
  const others = ["servers", "discover", ...all.map((other) => other.option)];
  for (const other of others) {
    if (other === option || values.node(other) === undefined) continue;
    const message = `${label}${option} stands in place of "${other}": a pool has one of the two`;
    problems.error(values.offsetOf(other), `${path}${other}`, message);
  }
  warnOfDecided(scope, values, source);
  const asked = readNodes(scope, values, option);
  return names === null ? asked : readNames(scope, values, option, names);
}

/** Options that mean something with a source only. */
export function checkWithoutSource(
  { problems, label, path }: Scope,
  values: Values,
  all: readonly ServerSource[],
): void {
  for (const { option, names } of all) {
    if (names === null || values.node(names) === undefined) continue;
    if (values.node(option) !== undefined) continue;
    const message = `${label}${names} needs "${option}"`;
    problems.error(values.offsetOf(names), `${path}${names}`, message);
  }
}

function readNodes(scope: Scope, values: Values, option: string): ServerConfig[] {
  const { problems, label, path } = scope;
  const texts = values.peek(option);
  if (!Array.isArray(texts)) return [];
  if (texts.length === 0) {
    const message = `${label}${option}: expected addresses of nodes such as [10.0.0.1:7000], found an empty list`;
    problems.error(values.offsetOf(option), `${path}${option}`, message);
  }
  const servers: ServerConfig[] = [];
  for (const [index, text] of (texts as readonly string[]).entries()) {
    const address = parseServerAddress(text);
    const place = [offsetOfItem(values, option, index), `${path}${option}[${index}]`] as const;
    if (typeof address === "string" || address.kind === "unix") {
      const fault = typeof address === "string" ? address : "nodes of a cluster are host:port";
      problems.error(...place, `${label}${option} ${quote(text)}: ${fault}`);
      continue;
    }
    const name = formatAddress(address);
    if (servers.some((server) => server.name === name)) {
      problems.error(...place, `${label}${option}: ${name} is here twice`);
    } else servers.push({ name, address, weight: 1 });
  }
  return servers;
}

/** `name`, `name:weight` or `name:weight alias`, in ring order. Where each is has to be asked: see `isAsked`. */
function readNames(scope: Scope, values: Values, option: string, names: string): ServerConfig[] {
  const { problems, label, path } = scope;
  const texts = values.peek(names);
  if (values.node(names) === undefined || !Array.isArray(texts) || texts.length === 0) {
    const message = `${label}${option} needs "${names}": the names of those whose places are asked for, such as [main]`;
    problems.error(values.offsetOf(names), `${path}${names}`, message);
    return [];
  }
  const servers: ServerConfig[] = [];
  for (const [index, text] of (texts as readonly string[]).entries()) {
    const place = [offsetOfItem(values, names, index), `${path}${names}[${index}]`] as const;
    const match = /^([\w.-]+)(?::(\d{1,10}))?(?:\s+(\S+))?$/.exec(text.trim());
    const weight = Number(match?.[2] ?? 1);
    if (match === null || weight < 1 || weight > WEIGHT_MAX) {
      const message = `${label}${names} ${quote(text)}: expected name, name:weight or name:weight alias`;
      problems.error(...place, message);
      continue;
    }
    const [, master = "", , alias] = match;
    const name = alias ?? master;
    if (servers.some((server) => server.name === name)) {
      problems.error(...place, `${label}${names}: ${name} is here twice`);
    } else servers.push({ name, address: { kind: "tcp", host: master, port: 0 }, weight });
  }
  return servers;
}

function offsetOfItem(values: Values, option: string, index: number): number {
  const node = values.node(option);
  const item = node?.kind === "list" ? node.items[index] : undefined;
  return item?.offset ?? values.offsetOf(option);
}

/** What the pool says although its cluster, or its sentinels, decide it. */
function warnOfDecided(scope: Scope, values: Values, { option, names }: ServerSource): void {
  const { problems, label, path } = scope;
  const why =
    names === null
      ? "the cluster decides where keys are"
      : "they put another server in the place of one that is down";
  for (const name of names === null ? DECIDED_BY_CLUSTER : DECIDED_BY_SENTINELS) {
    if (values.node(name) === undefined || !values.peek(name)) continue;
    const message = `${label}${name} has no effect with ${option}: ${why}`;
    problems.warn(values.offsetOf(name), `${path}${name}`, message);
  }
}

/** What of the pool its source decides. */
export function decidedBy(source: ServerSource | null): Partial<PoolConfig> {
  if (source === null) return {};
  return source.names === null ? { ...CLUSTER_PLACEMENT, ...KEYS_STAY } : KEYS_STAY;
}

const KEYS_STAY: Pick<PoolConfig, "autoEjectHosts" | "onDown" | "spares"> = {
  autoEjectHosts: false,
  onDown: "fail",
  spares: [],
};

/** Where keys are in a cluster. */
const CLUSTER_PLACEMENT: Pick<PoolConfig, "hash" | "hashSignedChar" | "hashTag" | "distribution"> =
  {
    hash: "crc16_slot",
    hashSignedChar: false,
    hashTag: "{}",
    distribution: "modula",
  };
