/**
 * Where does a proxy put a key? Pools of every kind, keys of every kind, and the means to see which server got what.
 *
 * The servers are a few real ones that all pools share, under whatever names and weights a pool gives them.
 */
import type { HashName } from "../../src/api/config.ts";
import { exchange } from "./redis-exchange.ts";
import type { RedisServer } from "./redis-server.ts";
import type { Endpoint } from "./server-process.ts";

export interface PlacementServer {
  /** As in the configuration: `host:port`, or the path of a unix socket. */
  readonly address: string;
  readonly weight: number;
  readonly alias: string | null;
  /** Index of the real server behind it. */
  readonly backend: number;
}

export interface PlacementCombination {
  readonly label: string;
  readonly hash: HashName;
  readonly distribution: "ketama" | "modula";
  readonly hashTag: string | null;
  /** In the order of the configuration file. */
  readonly servers: readonly PlacementServer[];
}

/** The hash functions that twemproxy has. */
export const TWEMPROXY_HASHES: readonly HashName[] = [
  "one_at_a_time",
  "md5",
  "crc16",
  "crc32",
  "crc32a",
  "fnv1_64",
  "fnv1a_64",
  "fnv1_32",
  "fnv1a_32",
  "hsieh",
  "murmur",
  "jenkins",
];

const DISTRIBUTIONS = ["ketama", "modula"] as const;
const TAGS = [null, "{}", "$$"] as const;
const EQUAL: readonly number[] = [1, 1, 1, 1, 1];
const UNEQUAL: readonly number[] = [3, 1, 4, 1, 5];
/** Of different lengths, and not in twemproxy's order. */
const ALIASES: readonly string[] = ["cache-b", "c", "zz", "cache-a", "a"];

type Backend = Pick<RedisServer, "host" | "port" | "socketPath">;

/**
 * Every hash × distribution × tag (none, two different characters, twice the same) × weights (equal, not) × names
 * (aliases, addresses), and odd server lists under a few hashes.
 * @param backends five redis servers.
 */
export function placementCombinations(backends: readonly Backend[]): PlacementCombination[] {
  const plain = [EQUAL, UNEQUAL].flatMap((weights) => [
    { list: `${weights} aliases`, servers: tcpServers(backends, weights, ALIASES) },
    { list: `${weights} addresses`, servers: tcpServers(backends, weights, null) },
  ]);
  const odd = oddServerLists(backends);
  const some: readonly HashName[] = ["fnv1a_64", "crc32a", "crc16"];
  return [
    ...combine(TWEMPROXY_HASHES, TAGS, plain),
    // crc16 and crc32a: one with high bits set for long keys only, one that spreads well.
    ...combine(some, [null], odd),
  ];
}

interface ServerList {
  readonly list: string;
  readonly servers: readonly PlacementServer[];
}

function combine(
  hashes: readonly HashName[],
  tags: readonly (string | null)[],
  lists: readonly ServerList[],
): PlacementCombination[] {
  return hashes.flatMap((hash) =>
    DISTRIBUTIONS.flatMap((distribution) =>
      tags.flatMap((hashTag) =>
        lists.map(({ list, servers }) => {
          const label = `${hash} ${distribution} tag ${hashTag ?? "none"}, ${list}`;
          return { label, hash, distribution, hashTag, servers };
        }),
      ),
    ),
  );
}

function tcpServers(
  backends: readonly Backend[],
  weights: readonly number[],
  aliases: readonly string[] | null,
): PlacementServer[] {
  return weights.map((weight, i) => {
    const backend = i % backends.length;
    const { host, port } = backends[backend]!;
    return { address: `${host}:${port}`, weight, alias: aliases?.[i] ?? null, backend };
  });
}

function oddServerLists(backends: readonly Backend[]): ServerList[] {
  const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `node${i}`);
  const equal = (count: number): ServerList => ({
    list: `${count} equal servers`,
    servers: tcpServers(backends, Array<number>(count).fill(1), names(count)),
  });
  const unix = (alias: boolean): ServerList => ({
    list: alias ? "unix sockets with aliases" : "unix sockets",
    servers: backends.map(({ socketPath }, backend) => {
      const name = alias ? ALIASES[backend]! : null;
      return { address: socketPath, weight: backend + 1, alias: name, backend };
    }),
  });
  const steep = [1, 1000, 7, 33, 250, 1, 2];
  return [
    // Numbers at which float32 rounding costs each server four points, and neighbours at which it does not.
    ...[1, 2, 24, 25, 26, 47, 50].map(equal),
    { list: "steep weights", servers: tcpServers(backends, steep, names(steep.length)) },
    unix(false),
    unix(true),
  ];
}

/**
 * The name that twemproxy hashes: the alias, else the address as written, of which `:11211` is left out, and to
 * which a unix socket's path adds the colon that ends it in the configuration.
 */
export function ringName({ address, alias }: PlacementServer): string {
  if (alias !== null) return alias;
  if (address.startsWith("/")) return `${address}:`;
  return address.endsWith(":11211") ? address.substring(0, address.lastIndexOf(":")) : address;
}

/** The combination as a pool of a twemproxy configuration file. */
export function poolYaml(
  name: string,
  listen: string,
  { hash, distribution, hashTag, servers }: PlacementCombination,
  isRedis = true,
): string {
  const lines = [`${name}:`, `  listen: ${listen}`, `  redis: ${isRedis}`, `  hash: ${hash}`];
  lines.push(`  distribution: ${distribution}`);
  if (hashTag !== null) lines.push(`  hash_tag: "${hashTag}"`);
  lines.push("  servers:");
  for (const { address, weight, alias } of servers) {
    lines.push(`    - ${address}:${weight}${alias === null ? "" : ` ${alias}`}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Distinct keys, the same for the same seed: the empty one, words, binary of any length, high bytes, tags of all sorts. */
export function placementKeys(count: number, seed: number): Buffer[] {
  const next = randomInts(seed);
  const bytes = (length: number, low: number, high: number): Buffer =>
    Buffer.from(Array.from({ length }, () => low + next(high - low + 1)));
  const word = (): string => bytes(1 + next(8), 0x61, 0x7a).toString("latin1");
  const kinds: readonly (() => Buffer)[] = [
    () => Buffer.from(`user:${next(1_000_000)}`),
    () => bytes(1 + next(40), 0, 255),
    () => bytes(1 + next(12), 0x80, 255),
    () => bytes(100 + next(900), 0, 255),
    () => Buffer.from(`${word()}{${word()}}${word()}`),
    () => Buffer.from(`${word()}$${word()}$${word()}`),
    () => Buffer.concat([Buffer.from(`${word()}{`), bytes(next(4), 128, 255), Buffer.from("}x")]),
    // Braces and dollars anywhere: unclosed, empty, nested, the wrong way round.
    () => Buffer.from(Array.from({ length: 1 + next(10) }, () => "{}$ab"[next(5)]!).join("")),
  ];
  const keys = new Map<string, Buffer>([["", Buffer.alloc(0)]]);
  for (let i = 0; keys.size < count; i++) {
    const key = kinds[i % kinds.length]!();
    keys.set(key.toString("latin1"), key);
  }
  return [...keys.values()];
}

/** Integers in [0, bound), by xorshift32. */
function randomInts(seed: number): (bound: number) => number {
  let state = seed | 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

/**
 * Empties the servers, sets every key through the proxy at `proxy`, and looks which server has it.
 * @returns for each key the index of its server.
 * @throws when a SET fails, or a key is on no server or on two.
 */
export async function placementsThrough(
  proxy: Endpoint,
  backends: readonly Backend[],
  keys: readonly Buffer[],
): Promise<number[]> {
  await Promise.all(backends.map((backend) => exchange(backend, [["FLUSHALL"]])));
  const replies = await exchange(
    proxy,
    keys.map((key) => ["SET", key, "1"]),
  );
  const failed = replies.find((reply) => `${reply}` !== "OK");
  if (failed !== undefined) throw new Error(`SET through the proxy: ${failed}`);
  const found = new Map<string, number>();
  const listings = await Promise.all(backends.map((backend) => exchange(backend, [["KEYS", "*"]])));
  for (const [backend, [listing]] of listings.entries()) {
    for (const key of listing as readonly Buffer[]) {
      const name = key.toString("latin1");
      if (found.has(name)) throw new Error(`${JSON.stringify(name)} is on two servers`);
      found.set(name, backend);
    }
  }
  return keys.map((key) => {
    const backend = found.get(key.toString("latin1"));
    if (backend === undefined) throw new Error(`${JSON.stringify(key)} is on no server`);
    return backend;
  });
}
