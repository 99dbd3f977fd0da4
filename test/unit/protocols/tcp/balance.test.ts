/** Which server a new connection goes to. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Candidate, createBalance } from "../../../../src/protocols/tcp/balance.ts";
import type { Balance } from "../../../../src/protocols/tcp/options.ts";

interface Server extends Candidate {
  load: number;
}

const server = (id: string, weight: number, load = 0): Server => ({ id, weight, load });
const never = (): number => {
  throw new Error("nothing is left to chance");
};

describe("least connections", () => {
  test("of equals, each has its turn", () => {
    const choose = createBalance("least_connections", never);
    const servers = [server("a", 1), server("b", 1), server("c", 1)];
    const chosen = Array.from({ length: 6 }, () => choose(servers, "").id);
    expect(chosen.toSorted()).toEqual(["a", "a", "b", "b", "c", "c"]);
    expect(new Set(chosen.slice(0, 3)).size).toBe(3);
  });

  test("the one with the fewest is chosen, whatever the turn", () => {
    const choose = createBalance("least_connections", never);
    const servers = [server("a", 1, 5), server("b", 1, 3), server("c", 1, 4)];
    for (let i = 0; i < 4; i++) expect(choose(servers, "").id).toBe("b");
  });

  test("one is chosen while other workers change what the servers have", () => {
    const choose = createBalance("least_connections", never);
    let looks = 0;
    const moving = (id: string): Candidate => ({
      id,
      weight: 1,
      get load() {
        return looks++ % 7;
      },
    });
    const servers = [moving("a"), moving("b")];
    for (let i = 0; i < 100; i++) expect(["a", "b"]).toContain(choose(servers, "").id);
    expect(choose([moving("only")], "").id).toBe("only");
  });

  test("connections that last are in proportion to the weights", () => {
    const choose = createBalance("least_connections", never);
    const servers = [server("a", 5), server("b", 3), server("c", 2)];
    for (let i = 0; i < 1000; i++) choose(servers, "").load++;
    expect(servers.map(({ load }) => load)).toEqual([500, 300, 200]);
  });
});

test("round robin: smoothly, by weight, and without those that are out", () => {
  const choose = createBalance("round_robin", never);
  const [a, b] = [server("a", 3), server("b", 1)];
  const turns = (count: number): string =>
    Array.from({ length: count }, () => choose([a, b], "").id).join("");
  expect(turns(8)).toBe("aabaaaba");
  for (let i = 0; i < 5; i++) expect(choose([b], "").id).toBe("b");
  expect([...turns(400)].filter((id) => id === "a").length).toBe(300);
});

describe("source", () => {
  const origins = Array.from({ length: 4000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);

  test("the same for one origin, whatever the order and the loads", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.uniqueArray(fc.string(), { minLength: 1 }), (origin, ids) => {
        const choose = createBalance("source", never);
        const servers = ids.map((id, load) => server(id, 1, load));
        const chosen = choose(servers, origin).id;
        expect(choose(servers.toReversed(), origin).id).toBe(chosen);
        expect(createBalance("source", never)(servers, origin).id).toBe(chosen);
      }),
    );
  });

  test("clients are spread by weight", () => {
    const choose = createBalance("source", never);
    const servers = [server("a", 3), server("b", 1)];
    const ofA = origins.filter((origin) => choose(servers, origin).id === "a").length;
    expect(ofA / origins.length).toBeCloseTo(0.75, 1);
  });

  test("when a server leaves, only its clients get another", () => {
    const choose = createBalance("source", never);
    const servers = [server("a", 1), server("b", 2), server("c", 3)];
    for (const origin of origins) {
      const before = choose(servers, origin);
      const gone = servers[1]!;
      const after = choose(
        servers.filter((one) => one !== gone),
        origin,
      );
      if (before !== gone) expect(after).toBe(before);
    }
  });
});

test("random: by weight", () => {
  let part = 0;
  const choose = createBalance("random", () => part);
  const servers = [server("a", 1), server("b", 2), server("c", 1)];
  const at = (next: number): string => {
    part = next;
    return choose(servers, "").id;
  };
  expect([0, 0.24, 0.25, 0.74, 0.75, 0.999].map(at).join("")).toBe("aabbcc");
});

test("every way chooses one of those that may be chosen", () => {
  const balances: Balance[] = ["least_connections", "round_robin", "source", "random"];
  const anyServer = fc.record({
    id: fc.string(),
    weight: fc.integer({ min: 1, max: 2_147_483_647 }),
    load: fc.nat(),
  });
  fc.assert(
    fc.property(
      fc.constantFrom(...balances),
      fc.array(fc.uniqueArray(anyServer, { minLength: 1, selector: ({ id }) => id })),
      fc.ipV6(),
      (balance, calls, origin) => {
        const choose = createBalance(balance, Math.random);
        for (const servers of calls) expect(servers).toContain(choose(servers, origin));
      },
    ),
  );
});
