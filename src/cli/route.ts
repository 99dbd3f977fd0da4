/** `proxy route POOL KEY…`: where a key goes, and why. Asks no process: the configuration decides. */
import { type CommandDef, defineCommand } from "citty";
import type { Config, PoolConfig } from "../api/config.ts";
import { didYouMean } from "../config/nearest.ts";
import { initHashes } from "../hash/hash-function.ts";
import { readConfigFile } from "./config-file.ts";
import { type KeyRoute, routeKeys } from "./key-route.ts";
import { parseKey } from "./key-text.ts";
import { formatTreeRoutes, routeThroughTree } from "./route-tree.ts";
import { clusterOf } from "./source-of.ts";
import { formatTable } from "./table.ts";

const routeArgs = {
  pool: { type: "positional", required: true, valueHint: "POOL", description: "The pool's name" },
  config: {
    type: "string",
    alias: ["c", "conf-file"] as string[],
    valueHint: "FILE",
    description:
      "Configuration file (default: ./proxy.yaml, /etc/proxy/proxy.yaml, conf/nutcracker.yml)",
  },
  escape: {
    type: "boolean",
    default: false,
    description: "Keys hold \\xNN escapes for bytes (and \\\\ for a backslash)",
  },
  command: {
    type: "string",
    valueHint: "NAME",
    description: "The command that names the keys, where a route looks at it (GET, 'CONFIG GET')",
  },
  json: { type: "boolean", default: false, description: "Print one JSON object instead of text" },
} as const;

export const routeCommand: CommandDef<typeof routeArgs> = defineCommand({
  meta: {
    name: "route",
    description: "Show which server each key goes to, and why: proxy route POOL KEY…",
  },
  args: routeArgs,
  async run({ args }) {
    const { config, text } = await readConfigFile(args.config);
    process.stderr.write(text);
    if (config === null) return fail("", 1);
    const pool = config.pools.find((candidate) => candidate.name === args.pool);
    if (pool === undefined) {
      const names = config.pools.map((candidate) => candidate.name);
      const hint = didYouMean(args.pool, names) || "";
      return fail(`no pool is named "${args.pool}"${hint} (pools: ${names.join(", ")})`, 1);
    }
    // The first positional argument is the pool.
    const texts = args._.filter((_, index) => index > 0);
    if (texts.length === 0) return fail("name at least one key: proxy route POOL KEY…", 2);
    const keys: Buffer[] = [];
    for (const keyText of texts) {
      const key = parseKey(keyText, args.escape);
      if (key === null)
        return fail(`"${keyText}": after a backslash only xNN or another backslash`, 2);
      keys.push(key);
    }
    await initHashes();
    const command = (args.command ?? "").toUpperCase().replace(" ", "|");
    const { shown, text: lines } = explain(config, pool, keys, command);
    const output = args.json ? JSON.stringify({ pool: pool.name, keys: shown }, null, 2) : lines;
    process.stdout.write(`${output}\n`);
  },
});

function explain(
  config: Config,
  pool: PoolConfig,
  keys: readonly Buffer[],
  command: string,
): { readonly shown: readonly KeyRoute[]; readonly text: string } {
  if (pool.route == null) {
    const shown = routeKeys(pool, keys);
    return { shown, text: formatRoutes(pool, shown) };
  }
  const shown = routeThroughTree(config, pool.route, keys, command);
  return { shown, text: formatTreeRoutes(pool, shown) };
}

function formatRoutes(pool: PoolConfig, routes: readonly KeyRoute[]): string {
  const isCluster = clusterOf(pool);
  const found = pool.discovery?.text ?? null;
  const pointName = isCluster || pool.distribution === "modula" ? "slot" : "point";
  const isToBeFound = found !== null && pool.distribution !== "random";
  const other = isToBeFound ? "one that is found" : "any (random)";
  const placeless = isCluster ? "the node of the slot" : other;
  const rows = routes.map((route) => [
    route.key,
    route.hashed === route.key ? "the whole key" : route.hashed,
    `${route.hash}`,
    route.point === null ? "-" : `${route.point}`,
    route.server ?? placeless,
    route.address ?? "-",
  ]);
  const tag = pool.hashTag === null ? "no hash tag" : `hash tag ${pool.hashTag}`;
  const count =
    found === null || pool.servers.length > 0
      ? `${pool.servers.length} servers`
      : `the servers that are found by ${found}`;
  const head = isCluster
    ? `pool ${pool.name}: a cluster, to be asked at ${pool.servers.map(({ name }) => name).join(", ")}`
    : `pool ${pool.name}: ${pool.distribution} over ${count}, ${pool.hash}, ${tag}`;
  return [
    head,
    ...formatTable([["key", "hashed", "hash", pointName, "server", "address"], ...rows], [2, 3]),
  ].join("\n");
}

function fail(message: string, code: number): void {
  if (message !== "") process.stderr.write(`proxy route: ${message}\n`);
  process.exitCode = code;
}
