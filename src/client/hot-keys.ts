/**
 * The keys that most requests of a sample name, in bounded memory (Space-Saving): when there is no room for another key, it takes the place of
 * the one with the fewest requests, and their number with it. So a busy key is never missed, and one may be overestimated by that number.
 */
import type { HotKeyPart } from "../api/key-report.ts";
import { KEYS_COUNTED_MAX } from "../base/key-limits.ts";

/** Counted until the worker tells of it. */
export interface HotKey {
  command: string;
  server: string | null;
  requests: number;
  bytes: number;
  samples: number;
  us: number;
}

/** A request whose reply is looked at when it comes. */
export interface SampledRequest {
  readonly token: number;
  /** It stands for so many. */
  readonly weight: number;
  /** When it came, by the turn's clock. */
  readonly atMs: number;
  readonly key: HotKey;
  readonly command: string;
  /** A copy of its only key; null: it is very long. */
  readonly bytesOfKey: Buffer | null;
}

export class HotKeys {
  private keys: Map<string, HotKey> = new Map();

  /** `weight` requests name the key. */
  add(key: string, command: string, weight: number, server: () => string | null): HotKey {
    let found = this.keys.get(key);
    if (found === undefined) {
      const requests = this.keys.size < KEYS_COUNTED_MAX ? 0 : this.dropLeast();
      found = { command, server: server(), requests, bytes: 0, samples: 0, us: 0 };
      this.keys.set(key, found);
    }
    found.command = command;
    found.requests += weight;
    found.samples++;
    return found;
  }

  /** The busiest ones, and forgets all. */
  take(most: number): HotKeyPart[] {
    const all = [...this.keys];
    this.keys = new Map();
    all.sort(([, a], [, b]) => b.requests - a.requests);
    return all.filter((_, i) => i < most).map(([key, counted]) => ({ key, ...counted }));
  }

  /** @returns its requests */
  private dropLeast(): number {
    let least = "";
    let requests = Number.POSITIVE_INFINITY;
    for (const [key, counted] of this.keys) {
      if (counted.requests >= requests) continue;
      least = key;
      requests = counted.requests;
    }
    this.keys.delete(least);
    return requests;
  }
}
