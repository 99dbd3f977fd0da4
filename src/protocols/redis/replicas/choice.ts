/** Which of several servers, all of which may be read, a client reads from. */
import type { ConnectionKind, Link, Upstream } from "../../../api/upstream.ts";

/** Above every score. */
const LIMIT = 2 ** 31;

export class Choice {
  private readonly upstreams: readonly Upstream[];
  /** By number of an upstream; null: all clients read from the first one that can be reached. */
  private readonly seeds: readonly number[] | null;
  /** What is read when none of these can be reached; null: nothing. */
  private readonly next: Choice | null;

  /**
   * @param isOrdered true: all clients read from the first that can be reached. Else each has an order of its own, made of its number and
   * the servers' names: so when a server comes or goes, only its clients move
   * @param next what is read when none of these can be reached; null: nothing
   */
  constructor(upstreams: readonly Upstream[], isOrdered: boolean, next: Choice | null = null) {
    this.upstreams = upstreams;
    this.next = next;
    this.seeds = isOrdered ? null : upstreams.map(({ name }) => seedOf(name));
  }

  /** The first one; null: there is none. */
  get first(): Upstream | null {
    return this.upstreams[0] ?? null;
  }

  /**
   * Null: none can be reached. Allocates nothing.
   * @param client a number of the client that stays the same in other workers
   */
  link(client: number, lane: number, kind: ConnectionKind): Link | null {
    const { upstreams, seeds } = this;
    let below = LIMIT;
    for (let tried = 0; tried < upstreams.length; tried++) {
      let at = tried;
      if (seeds !== null) {
        let most = -LIMIT - 1;
        for (let i = 0; i < seeds.length; i++) {
          const score = scoreOf(client, seeds[i]!);
          if (score >= below || score <= most) continue;
          most = score;
          at = i;
        }
        below = most;
      }
      const link = upstreams[at]!.connection(lane, kind);
      if (link.refusal === null) return link;
    }
    return this.next?.link(client, lane, kind) ?? null;
  }
}

/** FNV-1a. */
function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash;
}

/** Rendezvous hashing: a client reads from the server with the highest score. The finalizer of MurmurHash3 mixes the bits. */
function scoreOf(client: number, seed: number): number {
  let hash = Math.imul(client, 0x9e3779b1) ^ seed;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
