import { expect, test } from "bun:test";
import { PlainFacts, type RequestFacts } from "../../../src/api/request-facts.ts";
import { createHash, initHashes } from "../../../src/hash/hash-function.ts";
import { KeyHasher } from "../../../src/hash/key-hasher.ts";
import { PoolRoute, type WeightedUpstream } from "../../../src/route/pool-route.ts";

const KEYS: readonly Buffer[] = Array.from({ length: 500 }, (_, i) => Buffer.from(`..key:${i}..`));

/** Of a key with two bytes before and behind it. */
function factsOf(bytes: Buffer): RequestFacts {
  const facts = new PlainFacts();
  return Object.assign(facts, { bytes, keyStart: 2, keyEnd: bytes.length - 2 });
}

test.each(["ketama", "modula"] as const)(
  "%s: keys of an ejected server go to others, and come back with it",
  async (distribution) => {
    await initHashes();
    const servers = Array.from({ length: 4 }, (_, i) => ({ name: `10.0.0.${i}:6379`, weight: 1 }));
    const upstreams = servers.map(({ name }, index) => ({
      name,
      address: name,
      id: index,
      isReplica: false,
      isEjected: false as boolean,
      incarnation: 1,
      member: name,
      weight: 1,
      connection: (): never => {
        throw new Error("picking does no I/O");
      },
      lease: () => null,
      whyNoLease: () => "",
      adopt: (): never => {
        throw new Error("picking does no I/O");
      },
      subscriber: (): never => {
        throw new Error("picking does no I/O");
      },
    })) satisfies WeightedUpstream[];
    const hasher = new KeyHasher(createHash("fnv1a_64", true), null);
    const route = new PoolRoute({ distribution, hasher, random: () => 0 });
    route.spreadOver(upstreams);
    const pick = (): (number | undefined)[] => KEYS.map((key) => route.pick(factsOf(key))?.id);
    const before = pick();
    expect(new Set(before).size).toBe(4);
    upstreams[2]!.isEjected = true;
    route.rebuild();
    const without = pick();
    expect(without).not.toContain(2);
    if (distribution === "ketama") {
      // Nobody else's key moves.
      expect(without.filter((server, i) => before[i] !== 2 && server !== before[i])).toEqual([]);
    }
    upstreams[2]!.isEjected = false;
    route.rebuild();
    expect(pick()).toEqual(before);
    // With one server left every key is on it, and hashes count again when another is back.
    for (const upstream of upstreams) upstream.isEjected = upstream.id !== 1;
    route.rebuild();
    expect(new Set(pick())).toEqual(new Set([1]));
    for (const upstream of upstreams) upstream.isEjected = false;
    route.rebuild();
    expect(pick()).toEqual(before);
    for (const upstream of upstreams) upstream.isEjected = true;
    route.rebuild();
    expect(route.pick(factsOf(KEYS[0]!))).toBeNull();
  },
);
