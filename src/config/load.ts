/**
 * The text of a configuration file → `Config`, or everything that is wrong with it.
 *
 *   text ─document.ts▶ tree ─scope.ts (the table)▶ values ─pools.ts, here▶ Config
 */
import { isIP } from "node:net";
import { dirname, resolve } from "node:path";
import type { Config, LogLevel } from "../api/config.ts";
import type { Form, OptionValue } from "../api/option.ts";
import { assert } from "../base/assert.ts";
import { LOG_FORMATS } from "../base/log.ts";
import { formatAddress } from "./address.ts";
import { describe, type MapNode, readDocument } from "./document.ts";
import { checkEtcd, readEtcd } from "./etcd.ts";
import { optionsAt, optionsKnown, type ProtocolOptions } from "./options.ts";
import { ACCEPT_MODES, ENGINE_CHOICES } from "./options-top.ts";
import { NO_MODULES, type Outside, readModules } from "./outside.ts";
import { type Override, withOverrides } from "./overrides.ts";
import { holdsNames, indentStrays, withoutShared } from "./pool-entries.ts";
import { coresOf } from "./pool-workers.ts";
import { type ReadPool, readPools } from "./pools.ts";
import { type Problem, ProblemList } from "./problem.ts";
import { absentMap, expectMap, isPoolLike, readMap, type Scope, type Values } from "./scope.ts";
import { readZones, ZONE_AUTO } from "./zones.ts";

const LOG_LEVELS: readonly LogLevel[] = ["error", "warn", "info", "debug"];

export interface Loaded {
  /** Null when at least one problem is an error. */
  readonly config: Config | null;
  /** In the order of the file. */
  readonly problems: readonly Problem[];
}

/**
 * Reads a configuration. Never throws.
 * @param file the name that problems show, and that `config.file` is the absolute path of
 * @param protocols those that are built in
 * @param outside the modules that the file names, see `modulePaths`
 * @param overrides values that go before the file's
 */
export function loadConfig(
  text: string,
  file: string,
  protocols: readonly ProtocolOptions[],
  outside: Outside = NO_MODULES,
  overrides: readonly Override[] = [],
): Loaded {
  const problems = new ProblemList(file, text);
  const written = readDocument(text, problems);
  const root = written?.kind === "map" ? withOverrides(written, overrides) : written;
  if (root === null) return { config: null, problems: problems.list() };
  if (root.kind !== "map") {
    const message =
      root.kind === "empty"
        ? "the file has no pools"
        : `expected a map of options or pools, found ${describe(root)}`;
    problems.error(root.offset, "", message);
    return { config: null, problems: problems.list() };
  }
  const form = detectForm(root, protocols);
  const scope: Scope = {
    ...{ form, where: "top", options: optionsAt("top"), protocols, filters: [] },
    areModulesLoaded: true,
    ...{ label: "", path: "", problems },
  };
  const config =
    form === "native" ? loadNative(scope, root, file, outside) : loadTwemproxy(scope, root, file);
  return { config, problems: problems.list() };
}

/** Native: one of the top-level keys is a native option. A pool of twemproxy's may have such a name: it has servers. */
function detectForm(map: MapNode, protocols: readonly ProtocolOptions[]): Form {
  const names = topNames();
  const root = withoutShared(map, names);
  const isNative = root.entries.some(
    ({ key, value }) =>
      names.has(key) && !(isPoolLike(value) && !(key === "pools" && holdsNames(value, protocols))),
  );
  // A misspelt `pools` beside nothing else: a pool has keys with values, and this has maps in a map.
  const holdsPools = root.entries.some(
    (entry) =>
      entry.value.kind === "map" && entry.value.entries.some((inner) => isPoolLike(inner.value)),
  );
  return isNative || holdsPools ? "native" : "twemproxy";
}

/** The keys that a native file may have at its top. */
function topNames(): ReadonlySet<string> {
  return new Set(optionsKnown("top", "native").map((option) => option.name));
}

function loadNative(outer: Scope, root: MapNode, file: string, outside: Outside): Config | null {
  const named = root.entries.find(({ key }) => key === "modules")?.value;
  const found = readModules(outer, named, outside, outer.protocols);
  const { modules, protocols, filters, areAllLoaded } = found;
  const scope = {
    ...outer,
    protocols: [...outer.protocols, ...protocols],
    filters,
    areModulesLoaded: areAllLoaded,
  };
  const { map, hadStrays } = indentStrays(scope, withoutShared(root, topNames()), false);
  const hasPools = map.entries.some(({ key, value }) => key === "pools" && value.kind !== "empty");
  // Where the pools' options stand at the top there is nothing to say about "pools:" but that.
  if (hadStrays && !hasPools) return null;
  const top = readMap(scope, map);
  const log = readGroup(scope, top, "log");
  const stats = readGroup(scope, top, "stats");
  const admin = readGroup(scope, top, "admin");
  const zones = readZones(scope, top);
  const node = top.node("pools");
  const poolsMap = node === undefined ? null : expectMap(scope, "pools", node, "a map of pools");
  const pools = poolsMap === null ? [] : readPools({ ...scope, path: "pools." }, poolsMap);
  reportListen(scope, "stats", stats, pools);
  reportListen(scope, "admin", admin, pools);
  reportOpenAdmin(scope, admin);
  checkEtcd(scope, top);
  if (scope.problems.hasErrors) return null;
  const accept = top.choice("accept", ACCEPT_MODES);
  return build(scope.form, file, { top, log, stats, admin }, { accept, pools, modules, zones });
}

function loadTwemproxy(scope: Scope, root: MapNode, file: string): Config | null {
  const pools = readPools(scope, root);
  if (scope.problems.hasErrors) return null;
  const groups = {
    top: absentMap("top", scope.form, 0),
    log: absentMap("log", scope.form, 0),
    stats: absentMap("stats", scope.form, 0),
    admin: absentMap("admin", scope.form, 0),
  };
  return build(scope.form, file, groups, {
    ...{ accept: acceptOf(scope, pools), pools, modules: [], zones: {} },
  });
}

function readGroup(scope: Scope, top: Values, name: "log" | "stats" | "admin"): Values {
  const node = top.node(name);
  const map = node === undefined ? null : expectMap(scope, name, node, "a map of options");
  return map === null
    ? absentMap(name, scope.form, 0)
    : readMap(
        {
          ...{ ...scope, where: name, options: optionsAt(name) },
          ...{ label: `${name}: `, path: `${name}.` },
        },
        map,
      );
}

/** nutcracker's `reuseport` is a pool's, but how workers accept is one decision for all. */
function acceptOf(scope: Scope, pools: readonly ReadPool[]): Config["accept"] {
  const said = pools.filter(({ values }) => typeof values.peek("reuseport") === "boolean");
  const isShared = said.some(({ values }) => values.peek("reuseport") === false);
  const dissenter = said.find(({ values }) => isShared && values.peek("reuseport") === true);
  if (dissenter !== undefined) {
    const { name, values } = dissenter;
    const message = `pool "${name}": reuseport holds for all pools; another says false, so all share`;
    scope.problems.warn(values.offsetOf("reuseport"), `${name}.reuseport`, message);
  }
  return isShared ? "shared" : "reuseport";
}

/** Who reaches the address may see all figures: beyond this machine that takes a token. */
function reportOpenAdmin(scope: Scope, admin: Values): void {
  const listen = admin.peekAddress("listen");
  if (listen?.kind !== "tcp" || isLoopback(listen.host)) return;
  if (admin.peek("token_file") != null) return;
  const message = `admin: ${formatAddress(listen)} is open to other machines: add token_file, or listen on 127.0.0.1`;
  scope.problems.error(admin.offsetOf("listen"), "admin.listen", message);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function reportListen(
  scope: Scope,
  group: "stats" | "admin",
  values: Values,
  pools: readonly ReadPool[],
): void {
  const listen = values.peekAddress("listen");
  if (listen === null) return;
  const address = formatAddress(listen);
  for (const { name, values: pool } of pools) {
    const other = pool.peekAddress("listen");
    if (other === null || formatAddress(other) !== address) continue;
    const message = `${group}: pool "${name}" already listens on ${address}`;
    scope.problems.error(values.offsetOf("listen"), `${group}.listen`, message);
  }
}

function build(
  form: Form,
  file: string,
  groups: { top: Values; log: Values; stats: Values; admin: Values },
  rest: Pick<Config, "accept" | "modules"> &
    Pick<Required<Config>, "zones"> & { pools: readonly ReadPool[] },
): Config {
  const { top, log, stats, admin } = groups;
  const pathOf = (name: string): string | null => {
    const path = admin.textOrNull(name);
    return path === null ? null : resolve(dirname(resolve(file)), path);
  };
  const workers = top.peek("workers");
  assert(workers === "auto" || typeof workers === "number", "workers is auto or a number");
  return {
    file: resolve(file),
    form,
    workers,
    accept: rest.accept,
    engine: top.choice("engine", ENGINE_CHOICES),
    affinity: coresOf(top.textOrNull("affinity") ?? "off"),
    openFiles: top.numberOrNull("rlimit_nofile"),
    clientMemoryBytes: clientMemoryOf(top.peek("client_memory") ?? null),
    user: top.textOrNull("user"),
    group: top.textOrNull("group"),
    log: {
      level: log.choice("level", LOG_LEVELS),
      file: log.textOrNull("file"),
      format: log.choice("format", LOG_FORMATS),
      slowFile: log.textOrNull("slow_file"),
    },
    pidFile: top.textOrNull("pid_file"),
    control: top.textOrNull("control"),
    rebalance: top.boolean("rebalance"),
    stats: {
      listen: stats.addressOrNull("listen"),
      intervalMs: stats.numberOrNull("interval") ?? 0,
    },
    admin: {
      listen: admin.addressOrNull("listen"),
      tokenFile: pathOf("token_file"),
      leversTokenFile: pathOf("levers_token_file"),
    },
    etcd: readEtcd(top, file),
    drainTimeoutMs: top.number("drain_timeout"),
    modules: rest.modules,
    zones: rest.zones,
    zone: top.textOrNull("zone") ?? ZONE_AUTO,
    pools: rest.pools.map(({ name, pool }) => {
      assert(pool !== null, `pool ${name} has no errors`);
      return pool;
    }),
  };
}

function clientMemoryOf(value: OptionValue): number | "auto" | null {
  assert(
    value === "auto" || value === null || typeof value === "number",
    "client_memory is a size",
  );
  return value;
}
