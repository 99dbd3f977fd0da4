/** Pools: from their maps to `PoolConfig`, with what must hold between options and between pools. */
import type { PoolConfig, ServerConfig } from "../api/config.ts";
import { assert } from "../base/assert.ts";
import { formatAddress } from "./address.ts";
import { hasDiscovery, readDiscovery } from "./discover.ts";
import type { MapNode, Node } from "./document.ts";
import { readFilters } from "./filters.ts";
import { healthOf, patienceOf, readSpares } from "./health.ts";
import { limitsOf } from "./limits.ts";
import { checkLed, checkMigrate } from "./migrate-checks.ts";
import { didYouMean } from "./nearest.ts";
import { type ProtocolOptions, poolOptions } from "./options.ts";
import { DISTRIBUTIONS, HASH_NAMES } from "./options-pool.ts";
import { indentStrays, withoutShared } from "./pool-entries.ts";
import { readPoolWorkers } from "./pool-workers.ts";
import { quote } from "./problem.ts";
import { checkAlone, checkRoutes, hasRoute } from "./route-checks.ts";
import { type ReadRoute, readRoute } from "./route-tree.ts";
import { entriesOnce, expectMap, readMap, type Scope, type Values } from "./scope.ts";
import { checkWithoutSource, decidedBy, readSource, sourceIn } from "./server-sources.ts";
import { readServers } from "./servers.ts";
import { settingsOf } from "./settings.ts";

/** modula keeps one slot per unit of weight in every worker's memory. */
export const MODULA_WEIGHT_MAX = 4_194_304;

/** A pool of the file: where it stands, and what it says. */
export interface ReadPool {
  readonly name: string;
  readonly values: Values;
  /** Null: something in it is in error. */
  readonly pool: PoolConfig | null;
  /** Null: it has none. */
  readonly route: ReadRoute | null;
  /** Undefined: the file is in error there. */
  readonly protocol: string | undefined;
}

/**
 * @param scope of the map whose keys are pool names
 * @returns what could be read of every pool, in the order of the file
 */
export function readPools(scope: Scope, map: MapNode): ReadPool[] {
  const pools: ReadPool[] = [];
  const entries = withoutShared(indentStrays(scope, map, true).map);
  if (entries.entries.length === 0 && !scope.problems.hasErrors) {
    const message = `${scope.form === "native" ? "pools: " : ""}the file has no pools`;
    scope.problems.error(map.offset, scope.form === "native" ? "pools" : "", message);
  }
  for (const entry of entriesOnce(scope, entries).values()) {
    const node = expectMap(scope, `pool ${quote(entry.key)}`, entry.value, "a map of its options");
    if (entry.key === "" || /["\\\p{Cc}]/u.test(entry.key)) {
      const message = `a pool's name cannot be empty or hold quotes, backslashes or control characters, found ${quote(entry.key)}`;
      scope.problems.error(entry.keyOffset, scope.path, message);
    }
    if (node === null || isOfMissingModule(scope, node)) continue;
    pools.push(readPool(scope, entry.key, { ...node, offset: entry.keyOffset }));
  }
  reportSharedListen(scope, pools);
  checkRoutes(scope, pools);
  checkLed(scope, pools);
  return pools;
}

function readPool(outer: Scope, name: string, map: MapNode): ReadPool {
  const own = protocolNamed(outer, protocolIn(outer, map));
  const source = sourceIn(map, own);
  const scope: Scope = {
    ...outer,
    where: "pool",
    options: poolOptions(
      outer.protocols,
      own,
      source !== null || hasRoute(map) || hasDiscovery(map),
    ),
    label: `pool ${quote(name)}: `,
    path: `${outer.path}${name}.`,
  };
  const errorsBefore = scope.problems.errorCount;
  const values = readMap(scope, map);
  const sources = own?.sources ?? [];
  const servers =
    source === null
      ? readServers(scope, values.node("servers"))
      : readSource(scope, values, source, sources);
  checkWithoutSource(scope, values, sources);
  const discovery = readDiscovery(scope, values);
  const routeNode = values.node("route");
  const route = routeNode === undefined ? null : readRoute(scope, routeNode);
  if (route !== null) checkAlone(scope, values, own, route);
  const protocol = protocolNamed(scope, protocolOf(scope, values));
  const filters = readFilters(scope, values.node("filters"), protocol);
  const spares = readSpares(scope, values, servers);
  const workers = readPoolWorkers(scope, values);
  checkPool(scope, values, servers);
  checkMigrate(scope, values, protocol);
  const isRight = scope.problems.errorCount === errorsBefore;
  return {
    name,
    values,
    route,
    protocol: protocolOf(scope, values),
    pool: isRight
      ? {
          ...buildPool(scope, name, values, {
            ...{ servers, spares, filters, discovery, workers },
            route: route?.node ?? null,
          }),
          ...decidedBy(source),
        }
      : null,
  };
}

/** What one option demands of another. Options in error have no value here and are passed over. */
function checkPool(scope: Scope, values: Values, servers: readonly ServerConfig[]): void {
  const { problems, label, path } = scope;
  checkProtocolOptions(scope, values);
  const clients = values.peek("client_connections");
  if (scope.form === "twemproxy" && typeof clients === "number" && clients > 0) {
    const message = `${label}client_connections takes effect here; nutcracker ignores it`;
    problems.warn(values.offsetOf("client_connections"), `${path}client_connections`, message);
  }
  const weights = servers.reduce((sum, server) => sum + server.weight, 0);
  if (values.peek("distribution") === "modula" && weights > MODULA_WEIGHT_MAX) {
    const message = `${label}the weights add up to ${weights}; with modula at most ${MODULA_WEIGHT_MAX}`;
    problems.error(values.offsetOf("servers"), `${path}servers`, message);
  }
  checkThrottle(scope, values);
  if (values.peek("proxy_protocol_from") != null && isFalse(values.node("proxy_protocol"))) {
    const message = `${label}proxy_protocol_from contradicts "proxy_protocol: false"`;
    problems.error(values.offsetOf("proxy_protocol_from"), `${path}proxy_protocol_from`, message);
  }
  checkLoop(scope, values, servers);
}

/** What is refused must be told from the next request, and get words that its client understands. */
function checkThrottle(scope: Scope, values: Values): void {
  const { problems, label, path } = scope;
  const protocol = protocolNamed(scope, protocolOf(scope, values));
  if (values.peek("throttle") !== "error" || protocol === null) return;
  if (protocol.isFilterable === true) return;
  const message = `${label}"throttle: error" has no words for clients of "protocol: ${protocol.name}"; write delay or close`;
  problems.error(values.offsetOf("throttle"), `${path}throttle`, message);
}

function isFalse(node: Node | undefined): boolean {
  return node?.kind === "scalar" && node.text === "false";
}

/** What the map says its protocol is, before its options are known; undefined: nothing. */
function protocolIn({ form }: Scope, map: MapNode): string | undefined {
  const key = form === "native" ? "protocol" : "redis";
  const node = map.entries.find((entry) => entry.key === key)?.value;
  if (form === "native") return node?.kind === "scalar" ? node.text : "redis";
  return node?.kind === "scalar" && node.text === "true" ? "redis" : "memcache";
}

function protocolNamed({ protocols }: Scope, name: string | undefined): ProtocolOptions | null {
  return protocols.find((protocol) => protocol.name === name) ?? null;
}

/** Its options are not known: to find fault with them would be wrong. */
function isOfMissingModule(scope: Scope, map: MapNode): boolean {
  const name = protocolIn(scope, map) ?? "";
  const names = scope.protocols.map((protocol) => protocol.name);
  return !scope.areModulesLoaded && !names.includes(name) && didYouMean(name, names) === "";
}

/** The name of the pool's protocol; undefined: the file is in error there. */
function protocolOf(scope: Scope, values: Values): string | undefined {
  const value = values.peek(scope.form === "native" ? "protocol" : "redis");
  if (typeof value === "boolean") return value ? "redis" : "memcache";
  return typeof value === "string" ? value : undefined;
}

/** An option of another protocol has no effect; if it is a secret, then what it shall protect is open: that is an error. */
function checkProtocolOptions(scope: Scope, values: Values): void {
  const { problems, label, path, protocols } = scope;
  const own = protocolNamed(scope, protocolOf(scope, values));
  if (own === null) return;
  warnOfIgnored(scope, values, own);
  const ownNames = new Set(own.options.map((option) => option.name));
  for (const other of protocols) {
    const needed =
      scope.form === "native" ? `protocol: ${other.name}` : `redis: ${other.name === "redis"}`;
    for (const option of other.options) {
      const node = values.node(option.name);
      if (node === undefined || ownNames.has(option.name)) continue;
      const at = [values.offsetOf(option.name), `${path}${option.name}`] as const;
      if (option.secret) problems.error(...at, `${label}${option.name} needs "${needed}"`);
      else if (values.peek(option.name)) {
        problems.warn(...at, `${label}${option.name} has no effect without "${needed}"`);
      }
    }
  }
}

/** Options of every pool that mean nothing for this protocol. */
function warnOfIgnored(
  scope: Scope,
  values: Values,
  { name, ignores = [] }: ProtocolOptions,
): void {
  const { problems, label, path } = scope;
  for (const option of ignores) {
    if (values.node(option) === undefined || !values.peek(option)) continue;
    const message = `${label}${option} has no effect with "protocol: ${name}"`;
    problems.warn(values.offsetOf(option), `${path}${option}`, message);
  }
}

/** A pool that is its own server forwards every request to itself until its queues are full. */
function checkLoop(scope: Scope, values: Values, servers: readonly ServerConfig[]): void {
  const listen = values.peekAddress("listen");
  if (listen === null) return;
  const own = formatAddress(listen.kind === "unix" ? { ...listen, mode: null } : listen);
  if (servers.some((server) => formatAddress(server.address) === own)) {
    const message = `${scope.label}one of its servers is its own listen address ${own}`;
    scope.problems.error(values.offsetOf("servers"), `${scope.path}servers`, message);
  }
}

type Parts = Pick<PoolConfig, "servers" | "filters" | "route" | "spares" | "workers"> &
  Pick<Required<PoolConfig>, "discovery">;

function buildPool(
  scope: Scope,
  name: string,
  values: Values,
  { servers, filters, discovery, route, spares = [], workers = null }: Parts,
): PoolConfig {
  const protocol = protocolNamed(scope, protocolOf(scope, values));
  assert(protocol !== null, `pool ${name} has a protocol`);
  const isMeant = (option: string): boolean => protocol.ignores?.includes(option) !== true;
  return {
    name,
    protocol: protocol.name,
    workers,
    listen: values.address("listen"),
    hash: values.choice("hash", HASH_NAMES),
    hashSignedChar: values.choice("hash_char", ["signed", "unsigned"]) === "signed",
    hashTag: values.textOrNull("hash_tag"),
    distribution: values.choice("distribution", DISTRIBUTIONS),
    timeoutMs: values.numberOrNull("timeout"),
    ...patienceOf(values),
    connectTimeoutMs: values.number("connect_timeout"),
    backlog: values.number("backlog"),
    clientConnectionsMax: values.number("client_connections"),
    options: settingsOf(protocol.options, values),
    filters,
    preconnect: isMeant("preconnect") && values.boolean("preconnect"),
    tcpKeepalive: values.boolean("tcpkeepalive"),
    tcpNodelay: values.boolean("tcp_nodelay"),
    tcpQuickack: values.boolean("tcp_quickack"),
    tcpDeferAcceptMs: values.numberOrNull("tcp_defer_accept"),
    ...healthOf(values, isMeant("on_down"), spares),
    serverConnections: isMeant("server_connections") ? values.number("server_connections") : 0,
    serverRetryTimeoutMs: values.number("server_retry_timeout"),
    serverFailureLimit: Math.max(1, values.number("server_failure_limit")),
    maxEjectionPercent: values.number("max_ejection_percent"),
    slowlogMs: values.numberOrNull("slowlog"),
    slowlogSlowest: values.number("slowlog_slowest"),
    proxyCommands: values.boolean("proxy_commands"),
    proxyProtocol:
      values.boolean("proxy_protocol") || values.textsOrNull("proxy_protocol_from") !== null,
    proxyProtocolFrom: values.textsOrNull("proxy_protocol_from"),
    slowlogKeys: values.boolean("slowlog_keys"),
    limits: limitsOf(values),
    hotKeys: values.boolean("hot_keys"),
    hotKeysSamples: values.number("hot_keys_samples"),
    bigKeysBytes: values.numberOrNull("big_keys"),
    bigKeysElements: values.number("big_keys_elements"),
    ...{ servers, discovery },
    migrate: values.boolean("migrate"),
    route: route ?? null,
  };
}

/** Two pools cannot listen on one address. */
function reportSharedListen(scope: Scope, pools: readonly ReadPool[]): void {
  const nameByAddress = new Map<string, string>();
  for (const { name, values } of pools) {
    const listen = values.peekAddress("listen");
    if (listen === null) continue;
    const address = listen.kind === "unix" ? listen.path : formatAddress(listen);
    const first = nameByAddress.get(address);
    if (first === undefined) nameByAddress.set(address, name);
    else {
      const message = `pool ${quote(name)}: pool ${quote(first)} already listens on ${address}`;
      scope.problems.error(values.offsetOf("listen"), `${scope.path}${name}.listen`, message);
    }
  }
}
