/** How much of all keys each server of a pool gets: what `check` shows. */
import type { HashName, PoolConfig } from "../api/config.ts";
import { createRing } from "../hash/ring.ts";
import type { Ring } from "../hash/types.ts";

/** The highest value of the hashes that do not use all 32 bits. */
const HASH_MAX: Partial<Record<HashName, number>> = { crc32: 0x7fff, crc16_slot: 0xffff };

/** Shares in ring order, adding up to 1: of all hash values, those that lead to the server. All servers count as live. */
export function ringShares(pool: PoolConfig): number[] {
  const { servers } = pool;
  // What a random or a modula pool gives follows from its definition; only ketama's points must be measured.
  if (pool.distribution === "random") return servers.map(() => 1 / servers.length);
  if (pool.distribution === "modula") {
    const total = servers.reduce((sum, server) => sum + server.weight, 0);
    return servers.map((server) => server.weight / total);
  }
  const ring = createRing(
    pool.distribution,
    servers,
    () => true,
    () => 0,
  );
  return walk(ring, servers.length, HASH_MAX[pool.hash] ?? 0xffffffff);
}

/** Goes round the ring from point to point: the hashes behind one point, up to the next, belong to the next. */
function walk(ring: Ring, servers: number, hashMax: number): number[] {
  const values = new Array<number>(servers).fill(0);
  let hash = 0;
  while (hash <= hashMax) {
    const { point, index } = ring.explain(hash);
    const isLast = point === null || point < hash || point >= hashMax;
    const last = isLast ? hashMax : point;
    values[index] = (values[index] ?? 0) + (last - hash + 1);
    hash = last + 1;
  }
  return values.map((value) => value / (hashMax + 1));
}
