/** Where keys go in a pool of servers, and why: the configuration decides. */
import type { PoolConfig } from "../api/config.ts";
import { SLOTS } from "../api/topology.ts";
import { formatAddress } from "../config/address.ts";
import { createHash } from "../hash/hash-function.ts";
import { KeyHasher } from "../hash/key-hasher.ts";
import { createRing } from "../hash/ring.ts";
import { createSlotRing } from "../hash/slots.ts";
import { formatKey } from "./key-text.ts";
import { clusterOf } from "./source-of.ts";

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
