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

test("keys of an ejected server go to a spare, and no other key moves", async () => {
  await initHashes();
  const upstreamOf = (name: string, id: number) => ({
    ...{ name, id, weight: 1, isEjected: false as boolean, isDown: false as boolean },
  });
  const servers = ["a", "b", "c"].map((name, id) => upstreamOf(`server-${name}`, id));
  const spares = ["x", "y"].map((name, at) => upstreamOf(`spare-${name}`, 3 + at));
  const hasher = new KeyHasher(createHash("murmur", true), null);
  const route = new PoolRoute({ distribution: "ketama", hasher, random: () => 0 });
  const as = (some: object): readonly WeightedUpstream[] => some as readonly WeightedUpstream[];
  route.spreadOver(as(servers), null, [], as(spares));
  const pick = (): (number | undefined)[] => KEYS.map((key) => route.pick(factsOf(key))?.id);
  const before = pick();
  expect(new Set(before)).toEqual(new Set([0, 1, 2]));
  expect(route.upstreams.length).toBe(3);
  expect(route.all.length).toBe(5);

  servers[1]!.isEjected = true;
  route.rebuild();
  const without = pick();
  expect(without.filter((id, at) => before[at] !== 1 && id !== before[at])).toEqual([]);
  expect(new Set(without.filter((_, at) => before[at] === 1))).toEqual(new Set([3, 4]));
  // A spare that is down stands in for none.
  spares[0]!.isDown = true;
  route.rebuild();
  expect(new Set(pick().filter((_, at) => before[at] === 1))).toEqual(new Set([4]));
  spares[1]!.isDown = true;
  route.rebuild();
  expect(pick()).toEqual(before);
  servers[1]!.isEjected = false;
  route.rebuild();
  expect(pick()).toEqual(before);
});

test("the only server of a pool has a spare, too", async () => {
  await initHashes();
  const [main, spare] = [0, 1].map((id) => ({ id, name: `s${id}`, weight: 1, isEjected: false }));
  const hasher = new KeyHasher(createHash("fnv1a_64", true), null);
  const route = new PoolRoute({ distribution: "ketama", hasher, random: () => 0 });
  const as = (some: object): readonly WeightedUpstream[] => [some] as readonly WeightedUpstream[];
  route.spreadOver(as(main!), null, [], as(spare!));
  expect(route.pick(factsOf(KEYS[0]!))?.id).toBe(0);
  main!.isEjected = true;
  route.rebuild();
  expect(route.pick(factsOf(KEYS[0]!))?.id).toBe(1);
});
