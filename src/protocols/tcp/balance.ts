/** How one of several servers is chosen for a new connection. Each way honours the servers' weights. */
import { murmur } from "../../hash/murmur.ts";
import type { Balance } from "./options.ts";

/** A server as a choice sees it. */
export interface Candidate {
  /** See Upstream.member. */
  readonly id: string;
  /** ≥ 1 */
  readonly weight: number;
  /** Connections to it. */
  readonly load: number;
}

/**
 * Chooses one of `candidates`, which are at least one.
 * @param origin where the client comes from, see `Stream.origin`
 */
export type Choose = <Server extends Candidate>(
  candidates: readonly Server[],
  origin: string,
) => Server;

/** @param random gives numbers between 0 and 1 */
export function createBalance(balance: Balance, random: () => number): Choose {
  const turns = new Turns();
  const ways: Readonly<Record<Balance, Choose>> = {
    least_connections: (candidates) => turns.next(leastLoaded(candidates)),
    round_robin: (candidates) => turns.next(candidates),
    source: bySource,
    random: (candidates) => atRandom(candidates, random()),
  };
  return ways[balance];
}

/** Those that would have the fewest connections for their weight with one more. */
function leastLoaded<Server extends Candidate>(candidates: readonly Server[]): Server[] {
  // Looked at once: other workers change what they have while this one compares.
  const loads = candidates.map(({ load, weight }) => (load + 1) / weight);
  const least = Math.min(...loads);
  return candidates.filter((_, index) => loads[index] === least);
}

/**
 * Smooth turns: of weights 3 and 1 the first, the first, the second, the first. A server's credit grows by its weight whenever it
 * could have been chosen, and the one that is chosen pays for all.
 */
class Turns {
  private readonly credits: Map<string, number> = new Map();

  next<Server extends Candidate>(candidates: readonly Server[]): Server {
    let total = 0;
    let most = Number.NEGATIVE_INFINITY;
    let chosen = candidates[0]!;
    for (const candidate of candidates) {
      const credit = (this.credits.get(candidate.id) ?? 0) + candidate.weight;
      this.credits.set(candidate.id, credit);
      total += candidate.weight;
      if (credit <= most) continue;
      most = credit;
      chosen = candidate;
    }
    this.credits.set(chosen.id, most - total);
    return chosen;
  }
}

/**
 * Rendezvous hashing: each server draws a number for the client, and the least wins. When a server leaves, only its clients have
 * another one; when it is back, they have it again.
 */
function bySource<Server extends Candidate>(candidates: readonly Server[], origin: string): Server {
  let least = Number.POSITIVE_INFINITY;
  let chosen = candidates[0]!;
  for (const candidate of candidates) {
    const bytes = Buffer.from(`${origin} ${candidate.id}`);
    const part = (murmur(bytes, 0, bytes.length) + 0.5) / 2 ** 32;
    // The least of numbers drawn like this belongs to each server with a probability in proportion to its weight.
    const drawn = -Math.log(part) / candidate.weight;
    if (drawn >= least) continue;
    least = drawn;
    chosen = candidate;
  }
  return chosen;
}

function atRandom<Server extends Candidate>(candidates: readonly Server[], part: number): Server {
  let left = part * candidates.reduce((sum, { weight }) => sum + weight, 0);
  for (const candidate of candidates) {
    left -= candidate.weight;
    if (left < 0) return candidate;
  }
  return candidates.at(-1)!;
}
