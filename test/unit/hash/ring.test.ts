import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Distribution } from "../../../src/api/config.ts";
import { createHash } from "../../../src/hash/hash-function.ts";
import { KeyHasher } from "../../../src/hash/key-hasher.ts";
import { md5Words } from "../../../src/hash/md5.ts";
import { createRing, RING_SERVERS_MAX } from "../../../src/hash/ring.ts";
import type { Ring, RingServer } from "../../../src/hash/types.ts";

const all = (): boolean => true;
const noDraw = (): number => {
  throw new Error("this ring draws no random number");
};
const hasher = new KeyHasher(createHash("fnv1a_64", true), null);

function named(count: number, weight = 1): RingServer[] {
  return Array.from({ length: count }, (_, i) => ({ name: `server${i + 1}`, weight }));
}

function hashKey(key: string): number {
  const bytes = Buffer.from(key);
  return hasher.hash(bytes, 0, bytes.length);
}

/** Every point of a ketama ring with its owner, found by asking the ring alone. */
function pointsOf(ring: Ring): { point: number; index: number }[] {
  const points = [];
  let hash = 0;
  for (;;) {
    const { point, index } = ring.explain(hash);
    if (point === null || point < hash) return points;
    points.push({ point, index });
    if (point === 0xffff_ffff) return points;
    hash = point + 1;
  }
}

const arbitraryServers = fc
  .array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 })
  .map((weights) => weights.map((weight, i) => ({ name: `10.0.0.${i}:6379`, weight })));
const arbitraryHash = fc.integer({ min: 0, max: 0xffff_ffff });

describe("ketama", () => {
  test("points are the words of md5(name-index)", () => {
    const words = new Uint32Array(4);
    md5Words("server1-8", words, 0);
    expect(words[0]).toBe(3853726576);
    expect(words[3]).toBe(2667054752);
  });

  test("keys land where twemproxy puts them", () => {
    const byName = createRing("ketama", named(3), all, noDraw);
    const placed = ["apple", "a", "foo", "bar", "user:1"].map((key) => byName.pick(hashKey(key)));
    expect(placed).toEqual([0, 2, 0, 1, 2]);
    const weighted = [7001, 7002, 7003].map((port, i) => ({
      name: `127.0.0.1:${port}`,
      weight: i + 1,
    }));
    const byAddress = createRing("ketama", weighted, all, noDraw);
    expect(["apple", "foo", "bar"].map((key) => byAddress.pick(hashKey(key)))).toEqual([1, 2, 0]);
  });

  test("float32 rounding: equal servers get 156 points for these numbers of servers, else 160", () => {
    const short = [];
    for (let count = 1; count <= 209; count++) {
      const points = pointsOf(createRing("ketama", named(count), all, noDraw));
      const owned = points.filter(({ index }) => index === 0).length;
      // Points may coincide; a missing digest takes away four.
      if (owned <= 156) short.push(count);
    }
    expect(short).toEqual([
      25, 47, 50, 55, 61, 71, 94, 100, 107, 109, 110, 115, 122, 142, 159, 163, 188, 193, 200, 209,
    ]);
  }, 120_000);

  test("25 equal servers have 3900 points", () => {
    expect(pointsOf(createRing("ketama", named(25), all, noDraw)).length).toBe(3900);
  });

  test("pick is the first point at or after the hash, and wraps", () => {
    fc.assert(
      fc.property(arbitraryServers, arbitraryHash, (servers, hash) => {
        const ring = createRing("ketama", servers, all, noDraw);
        const points = pointsOf(ring);
        const expected = points.find(({ point }) => point >= hash) ?? points[0]!;
        expect(ring.explain(hash)).toEqual(expected);
        expect(ring.pick(hash)).toBe(expected.index);
        expect(ring.pick(expected.point)).toBe(expected.index);
      }),
      { numRuns: 20 },
    );
  });

  test("equal servers: one leaves, and only its keys move", () => {
    // 13 and 12 servers, 160 points each either way: the others keep all their points.
    const servers = named(13);
    const before = createRing("ketama", servers, all, noDraw);
    fc.assert(
      fc.property(fc.nat(12), fc.array(arbitraryHash, { minLength: 50 }), (gone, hashes) => {
        const after = createRing("ketama", servers, (index) => index !== gone, noDraw);
        for (const hash of hashes) {
          const owner = before.pick(hash);
          if (owner === gone) expect(after.pick(hash)).not.toBe(gone);
          else expect(after.pick(hash)).toBe(owner);
        }
      }),
      { numRuns: 20 },
    );
  });

  test("any weights: one leaves, and of the others' keys only those move whose points came or went", () => {
    // How many points a server has depends on the others' weights, so with unequal weights some do come or go.
    const hashes = Array.from({ length: 500 }, (_, i) => hashKey(`key:${i}`));
    fc.assert(
      fc.property(arbitraryServers, fc.nat(), (servers, pickGone) => {
        const gone = pickGone % servers.length;
        const before = createRing("ketama", servers, all, noDraw);
        const after = createRing("ketama", servers, (index) => index !== gone, noDraw);
        const pointsBefore = new Set(pointsOf(before).map(({ point }) => point));
        const pointsAfter = new Set(pointsOf(after).map(({ point }) => point));
        for (const hash of hashes) {
          const from = before.explain(hash);
          const to = after.explain(hash);
          if (from.index === gone || from.index === to.index) continue;
          const lost = !pointsAfter.has(from.point!);
          expect(lost || !pointsBefore.has(to.point!)).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("a server's points are always the first so many of the same sequence", () => {
    fc.assert(
      fc.property(arbitraryServers, fc.nat(), (servers, pickGone) => {
        const gone = pickGone % servers.length;
        const rings = [all, (index: number) => index !== gone].map((isLive) =>
          pointsOf(createRing("ketama", servers, isLive, noDraw)),
        );
        for (const index of servers.keys()) {
          const [one, other] = rings
            .map((points) => points.filter((point) => point.index === index))
            .sort((a, b) => a.length - b.length);
          const larger = new Set(other!.map(({ point }) => point));
          expect(one!.every(({ point }) => larger.has(point))).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("load follows weight", () => {
    const servers = [1, 2, 5].map((weight, i) => ({ name: `s${i}`, weight }));
    const ring = createRing("ketama", servers, all, noDraw);
    const load = [0, 0, 0];
    for (let i = 0; i < 8000; i++) load[ring.pick(hashKey(`k${i}`))]! += 1;
    expect(load[0]).toBeGreaterThan(600);
    expect(load[1]).toBeGreaterThan(load[0]! * 1.3);
    expect(load[2]).toBeGreaterThan(load[1]! * 1.7);
  });
});

describe("modula", () => {
  test("a server has as many consecutive slots as its weight", () => {
    fc.assert(
      fc.property(arbitraryServers, fc.nat(0xffff), arbitraryHash, (servers, dead, hash) => {
        const isLive = (index: number): boolean => ((dead >> index) & 1) === 0;
        const slots = servers.flatMap(({ weight }, index) =>
          isLive(index) ? Array<number>(weight).fill(index) : [],
        );
        const ring = createRing("modula", servers, isLive, noDraw);
        const slot = hash % slots.length;
        expect(ring.pick(hash)).toBe(slots[slot] ?? -1);
        expect(ring.explain(hash)).toEqual(
          slots.length === 0 ? { point: null, index: -1 } : { point: slot, index: slots[slot]! },
        );
      }),
    );
  });

  test("a huge weight costs no memory", () => {
    const servers = [
      { name: "a", weight: 2_000_000_000 },
      { name: "b", weight: 1 },
    ];
    const ring = createRing("modula", servers, all, noDraw);
    expect(ring.pick(1_999_999_999)).toBe(0);
    expect(ring.pick(2_000_000_000)).toBe(1);
    expect(ring.pick(2_000_000_001)).toBe(0);
  });
});

describe("random", () => {
  test("draws anew for each pick, evenly over the live servers, whatever their weight", () => {
    let draw = 0;
    const servers = [9, 1, 1, 1].map((weight, i) => ({ name: `s${i}`, weight }));
    const ring = createRing(
      "random",
      servers,
      (index) => index !== 1,
      () => draw,
    );
    const owners = [0, 0.33, 0.34, 0.66, 0.67, 0.999_999].map((value) => {
      draw = value;
      return ring.pick(12345);
    });
    expect(owners).toEqual([0, 0, 2, 2, 3, 3]);
    expect(ring.explain(12345)).toEqual({ point: null, index: 3 });
  });
});

describe.each(["ketama", "modula", "random"] as Distribution[])("%s", (distribution) => {
  const half = (): number => 0.5;

  test("gives -1 when no server is live, and when there is none", () => {
    for (const ring of [
      createRing(distribution, named(3), () => false, half),
      createRing(distribution, [], all, half),
    ]) {
      expect(ring.pick(1)).toBe(-1);
      expect(ring.explain(1)).toEqual({ point: null, index: -1 });
    }
  });

  test("gives the only live server whatever the hash", () => {
    const ring = createRing(distribution, named(4), (index) => index === 2, half);
    fc.assert(fc.property(arbitraryHash, (hash) => expect(ring.pick(hash)).toBe(2)));
  });

  test("never gives a dead server", () => {
    fc.assert(
      fc.property(arbitraryServers, fc.nat(0xffff), arbitraryHash, (servers, dead, hash) => {
        const isLive = (index: number): boolean => ((dead >> index) & 1) === 0;
        const picked = createRing(distribution, servers, isLive, half).pick(hash);
        if (servers.some((_, index) => isLive(index))) expect(isLive(picked)).toBe(true);
        else expect(picked).toBe(-1);
      }),
    );
  });

  test("refuses more servers than an owner index can say", () => {
    const servers = Array<RingServer>(RING_SERVERS_MAX + 1).fill({ name: "s", weight: 1 });
    expect(() => createRing(distribution, servers, all, half)).toThrow(RangeError);
  });
});
