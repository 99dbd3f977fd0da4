/**
 * `distribution: ketama`: every live server owns points on a circle of uint32 values, about 160 times its share
 * of the weight; a hash belongs to the first point at or after it (twemproxy's hashkit/nc_ketama.c).
 *
 * Points come four at a time from md5("<name>-<i>"). A server's number of points depends on how many servers
 * are live and what they weigh together, so it may shift when one of them leaves.
 */
import { md5Words } from "./md5.ts";
import type { LiveServer, Ring } from "./types.ts";

const POINTS_PER_SERVER = 160;
const POINTS_PER_DIGEST = 4;

/** @param live at least one. */
export function createKetama(live: readonly LiveServer[]): Ring {
  const { points, owners } = layOut(live);
  const count = points.length;
  // More buckets than points, so the first candidate is nearly always the point that is looked for.
  const shift = Math.clz32(count);
  const candidates = bucketStarts(points, shift);
  const at = (hash: number): number => {
    let found = candidates[hash >>> shift]!;
    while (found < count && points[found]! < hash) found++;
    return found === count ? 0 : found;
  };
  return {
    pick: (hash) => owners[at(hash)]!,
    explain: (hash) => ({ point: points[at(hash)]!, index: owners[at(hash)]! }),
  };
}

/** For each value of a hash's bits above `shift`: the index of the first point whose bits are not below it. */
function bucketStarts(points: Uint32Array, shift: number): Uint32Array {
  const starts = new Uint32Array(2 ** (32 - shift));
  let at = 0;
  for (let bucket = 0; bucket < starts.length; bucket++) {
    while (at < points.length && points[at]! >>> shift < bucket) at++;
    starts[bucket] = at;
  }
  return starts;
}

/** The points sorted upward, and beside each one the index of its server. */
function layOut(live: readonly LiveServer[]): { points: Uint32Array; owners: Uint16Array } {
  const total = live.reduce((sum, { server }) => sum + server.weight, 0);
  const digests = live.map(({ server }) => digestsFor(server.weight, total, live.length));
  const count = digests.reduce((sum, number) => sum + number, 0) * POINTS_PER_DIGEST;
  const unsorted = new Uint32Array(count);
  // Point × 2^16 + owner, exact in 53 bits: one native sort orders both, and of equal points the one of the
  // server that stands first in the pool wins, as with the stable sort behind twemproxy's qsort.
  const keyed = new Float64Array(count);
  let at = 0;
  for (const [position, { server, index }] of live.entries()) {
    for (let i = 0; i < digests[position]!; i++) {
      md5Words(`${server.name}-${i}`, unsorted, at);
      for (let word = 0; word < POINTS_PER_DIGEST; word++, at++) {
        keyed[at] = unsorted[at]! * 0x1_0000 + index;
      }
    }
  }
  keyed.sort();
  return {
    points: Uint32Array.from(keyed, (value) => Math.floor(value / 0x1_0000)),
    owners: Uint16Array.from(keyed, (value) => value % 0x1_0000),
  };
}

/**
 * How many digests of four points a server gets. twemproxy calculates in float, and its rounding decides: 25
 * equal servers get 39 digests each instead of 40. Hence every step is rounded to float32 here. (The 1e-10 that it
 * adds before the floor is lost in that rounding.)
 */
function digestsFor(weight: number, total: number, liveCount: number): number {
  const f = Math.fround;
  const share = f(f(weight) / f(total));
  const quarter = f(f(share * POINTS_PER_SERVER) / POINTS_PER_DIGEST);
  return Math.floor(f(quarter * f(liveCount)));
}
