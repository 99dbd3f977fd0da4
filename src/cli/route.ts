/** `proxy route POOL KEY…`: where a key goes, and why. Asks no process: the configuration decides. */
import { type CommandDef, defineCommand } from "citty";
import type { PoolConfig } from "../api/config.ts";
import { SLOTS } from "../api/topology.ts";
import { formatAddress } from "../config/address.ts";
import { didYouMean } from "../config/nearest.ts";
import { createHash, initHashes } from "../hash/hash-function.ts";
import { KeyHasher } from "../hash/key-hasher.ts";
import { createRing } from "../hash/ring.ts";
import { createSlotRing } from "../hash/slots.ts";
import { readConfigFile } from "./config-file.ts";
import { formatKey, parseKey } from "./key-text.ts";
import { clusterOf } from "./source-of.ts";
import { formatTable } from "./table.ts";

/** Where one key goes. */
export interface KeyRoute {
  readonly key: string;
  /** The part that is hashed: what the hash tag encloses, or the whole key. */
  readonly hashed: string;
  /** uint32 */
  readonly hash: number;
  /** ketama: the ring's point at or after the hash; modula: the slot; random: null. */
  readonly point: number | null;
  /** Null: any of them (random). */
  readonly server: string | null;
  readonly address: string | null;
}

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
    const routes = routeKeys(pool, keys);
    const output = args.json
      ? JSON.stringify({ pool: pool.name, keys: routes }, null, 2)
      : formatRoutes(pool, routes);
    process.stdout.write(`${output}\n`);
  },
});

/** Routes as the data plane does while all servers are live. Needs `initHashes` to have resolved. */
export function routeKeys(pool: PoolConfig, keys: readonly Buffer[]): KeyRoute[] {
  const isCluster = clusterOf(pool);
  const hash = createHash(pool.hash, pool.hashSignedChar);
  let hashed: Buffer = Buffer.alloc(0);
  // The hasher decides which part counts; the function in its hands sees which.
  const hasher = new KeyHasher((bytes, start, end) => {
    hashed = bytes.subarray(start, end);
    return hash(bytes, start, end);
  }, pool.hashTag);
  // Who has a slot only the nodes know.
  const ring = isCluster
    ? createSlotRing(new Int16Array(SLOTS).fill(-1))
    : createRing(
        pool.distribution,
        pool.servers,
        () => true,
        () => 0,
      );
  return keys.map((key) => {
    hashed = key;
    const value = hasher.hash(key, 0, key.length);
    const { point, index } = ring.explain(value);
    const server = pool.distribution === "random" ? undefined : pool.servers[index];
    return {
      key: formatKey(key),
      hashed: formatKey(hashed),
      hash: value,
      point,
      server: server?.name ?? null,
      address: server === undefined ? null : formatAddress(server.address),
    };
  });
}

function formatRoutes(pool: PoolConfig, routes: readonly KeyRoute[]): string {
  const isCluster = clusterOf(pool);
  const pointName = isCluster || pool.distribution === "modula" ? "slot" : "point";
  const rows = routes.map((route) => [
    route.key,
    route.hashed === route.key ? "the whole key" : route.hashed,
    `${route.hash}`,
    route.point === null ? "-" : `${route.point}`,
    route.server ?? (isCluster ? "the node of the slot" : "any (random)"),
    route.address ?? "-",
  ]);
  const tag = pool.hashTag === null ? "no hash tag" : `hash tag ${pool.hashTag}`;
  const head = isCluster
    ? `pool ${pool.name}: a cluster, to be asked at ${pool.servers.map(({ name }) => name).join(", ")}`
    : `pool ${pool.name}: ${pool.distribution} over ${pool.servers.length} servers, ${pool.hash}, ${tag}`;
  return [
    head,
    ...formatTable([["key", "hashed", "hash", pointName, "server", "address"], ...rows], [2, 3]),
  ].join("\n");
}

function fail(message: string, code: number): void {
  if (message !== "") process.stderr.write(`proxy route: ${message}\n`);
  process.exitCode = code;
}
