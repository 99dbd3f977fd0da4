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
import type { Ring, RingServer } from "./types.ts";

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

const EMPTY: Ring = {
  pick: () => -1,
  explain: () => ({ point: null, index: -1 }),
};
