/**
 * Rings: from a key's hash to one of a pool's servers.
 *
 * A ring is immutable and describes the servers that were live when it was made; when one comes or goes, the
 * owner makes a new ring. Placement equals twemproxy 0.5.0's.
 */
import type { Distribution } from "../api/config.ts";
import { createKetama } from "./ketama.ts";
import { createModula } from "./modula.ts";
import { createRandom } from "./random.ts";

export interface Ring {
  /** Index of the server that keys with this uint32 hash belong to, in the array the ring was made from; -1: none live. */
  pick(hash: number): number;
  /** The same, with the place on the ring that decided: ketama's point, modula's slot, null for random or when none is live. */
  explain(hash: number): { readonly point: number | null; readonly index: number };
}

/** What a ring knows of a server. */
export interface RingServer {
  /** ketama hashes it. */
  readonly name: string;
  /** ≥ 1 */
  readonly weight: number;
}

/** Owners are kept as uint16. */
export const RING_SERVERS_MAX = 65536;

/**
 * @param servers in ring order (twemproxy's: see base/sort-servers.ts), at most RING_SERVERS_MAX; neither kept nor changed.
 * @param isLive asked once per server, during this call.
 * @param random a number in [0, 1), drawn once per pick of a "random" ring.
 * @throws RangeError for too many servers.
 */
export function createRing(
  distribution: Distribution,
  servers: readonly RingServer[],
  isLive: (index: number) => boolean,
  random: () => number,
): Ring {
  if (servers.length > RING_SERVERS_MAX) {
    throw new RangeError(`a ring takes at most ${RING_SERVERS_MAX} servers, not ${servers.length}`);
  }
  const live = servers.flatMap((server, index) => (isLive(index) ? [{ server, index }] : []));
  if (live.length === 0) return EMPTY;
  if (distribution === "random") {
    return createRandom(
      Uint16Array.from(live, ({ index }) => index),
      random,
    );
  }
  return distribution === "modula" ? createModula(live) : createKetama(live);
}

/** A live server and its index in the pool. */
export interface LiveServer {
  readonly server: RingServer;
  readonly index: number;
}

const EMPTY: Ring = {
  pick: () => -1,
  explain: () => ({ point: null, index: -1 }),
};
